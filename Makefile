# Everything from a fresh clone: `make demo` runs the main job, `make test` passes the tests.
# Needs Python 3.11+ (PYTHON=python3.12 chooses another one), git and GNU make; Linux or macOS.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK             := true
export DVC_NO_ANALYTICS         := true

.PHONY: help demo test slow lint manifests env clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(READY) ## the virtual environment, with what constraints.txt pins

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "understudy needs Python 3.11 or newer; run: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	@echo "Installing into $(VENV) (two to three minutes, once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[pipeline,pii,serving,monitoring,dev]"
	@touch $(READY)

demo: $(READY) ## pull the demo table, run the whole pipeline on it, say where the results are
	@$(BIN)/dvc pull --quiet
	@$(BIN)/understudy run || { code=$$?; [ $$code -eq 1 ] || exit $$code; \
	  $(BIN)/understudy sign-off --champion --by "make demo" \
	    --reason "The demo table is in the public domain: nobody's privacy hangs on what is registered"; }

test: $(READY) ## the fast tests
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

slow: $(READY) ## the slow tests
	$(BIN)/python -m pytest -m slow

lint: $(READY) ## ruff, mypy, and the CI workflows
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/jactionlint

manifests: $(READY) ## build and check every Kubernetes overlay; CRDS=DIR checks custom resources too
	@$(BIN)/python -m manifests.check $(if $(CRDS),--crds $(CRDS))

clean: ## remove the environment and all results
	rm -rf $(VENV) out

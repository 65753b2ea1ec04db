"""The structure that keeps the code simple: import directions, sizes, a fast `--help`."""

from __future__ import annotations

import ast
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(p for d in ("understudy", "components", "pipelines") for p in (ROOT / d).rglob("*.py"))

COMMANDS = [f"{name}_commands" for name in ("stage", "generator", "audit", "monitoring", "pii", "serving", "signoff", "signing", "deploy", "pipeline")]

# A module may import modules of its own layer and of the layers above it in this list.
LAYERS = [
    {"errors", "files", "progress", "compiled", "images", "ranks", "__init__"},
    {"schema"},
    {"canonical", "csvfiles", "tables", "big_tables", "pii", "balance", "labels", "config"},
    {"inference", "dependencies", "encoding", "provenance", "splits", "conditions"},
    {"quality"},
    {"preparation"},
    {"generators", "evaluation", "audit"},
    {"evidence", "pyfunc", "tracking", "supplychain"},
    {"registered"},
    {"serving", "client", "monitoring", "deployment"},
    {"stages", "signoff", "generator_stages", "fitting", "sampling", "auditing", "pii_stages", "places", "sampling_stages", "leaderboard", "monitoring_stages"},
    {"console", *COMMANDS, "cli"},
]
SIBLINGS = {"generators", "evaluation", "audit"}  # never import each other
OWNERS = {
    "mlflow": {"understudy/tracking.py", "understudy/pyfunc.py"},
    "kfp": {"components", "pipelines"},
    "typer": {f"understudy/{name}.py" for name in (*COMMANDS, "cli")},
    "faker": {"understudy/pii/replace.py"},
    "presidio_analyzer": {"understudy/pii/presidio.py"},
    "spacy": {"understudy/pii/presidio.py"},
    "mlserver": {"understudy/serving/"},
    "fastapi": {"understudy/serving/"},
    "evidently": {"understudy/monitoring/drift.py"},
    "seldon_core": {"understudy/serving/seldon.py"},
    "kubernetes": {"understudy/deployment/kube.py"},
    "cryptography": {"understudy/supplychain/"},
    "cyclonedx": {"understudy/supplychain/sbom.py"},
    "packageurl": {"understudy/supplychain/sbom.py"},
    "numba": {"understudy/compiled.py"},
    "torch": {"understudy/generators/autoregressive.py", "understudy/generators/neural_"},
}


def layer(module: str) -> int:
    name = module.split(".")[1] if "." in module else "__init__"
    return next(i for i, names in enumerate(LAYERS) if name in names)


def imports(path: Path) -> list[tuple[str, bool]]:
    """(module, whether it is imported when the file is), type-checking imports left out."""
    found = []
    tree = ast.parse(path.read_text())
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            skipped |= {child for stmt in node.body for child in ast.walk(stmt)}
    top = set(tree.body)
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found += [(a.name, node in top) for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found += [(f"{node.module}.{a.name}" if node.module == "understudy" else str(node.module), node in top) for a in node.names]
    return found


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("path", [p for p in SOURCES if p.is_relative_to(ROOT / "understudy")], ids=name_of)
def test_the_library_imports_only_downwards(path: Path) -> None:
    own = name_of(path)
    for module, _ in imports(path):
        root = module.split(".")[0]
        if root in ("components", "pipelines"):
            assert own in ("understudy.cli", "understudy.pipeline_commands"), f"{own} imports {module}"
        if root != "understudy" or module == "understudy.__version__":
            continue
        assert layer(module) <= layer(own), f"{own} imports {module}"
        a, b = own.split(".")[1], module.split(".")[1]
        assert a == b or not {a, b} <= SIBLINGS, f"{own} imports {module}"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_heavy_packages_are_imported_by_their_owners(path: Path) -> None:
    own = path.relative_to(ROOT).as_posix()
    for module, _ in imports(path):
        owners = OWNERS.get(module.split(".")[0])
        assert owners is None or any(own.startswith(o) for o in owners), f"{own} imports {module}"


@pytest.mark.parametrize("path", sorted((ROOT / "components").glob("*.py")), ids=name_of)
def test_components_import_only_the_standard_library_and_kfp_at_the_top(path: Path) -> None:
    for module, top in imports(path):
        root = module.split(".")[0]
        if top:
            assert root in sys.stdlib_module_names or root in ("kfp", "components"), f"{path.name} imports {module}"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_modules_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno + 1 <= 75, f"{path.name}: {node.name} is too long"


def test_help_is_fast() -> None:
    """Under half a second of CPU; the best of three, since a first run also compiles byte code."""

    def cpu() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-m", "understudy.cli", "--help"], capture_output=True, text=True, timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0 and "generators" in done.stdout
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(cpu() for _ in range(3)) < 0.5

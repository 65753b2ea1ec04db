"""The CI workflows: well-formed, pinned, and with no more rights than they use."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from manifests import check
from manifests.workloads import workloads

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
ACTION = ROOT / ".github/actions/cluster/action.yml"
JOBS = [(f.stem, name, job) for f in FILES for name, job in yaml.safe_load(f.read_text())["jobs"].items()]


def test_the_linter_finds_nothing() -> None:
    """Its checks are actionlint's, of which it is a fork, and more on security."""
    linter = shutil.which("jactionlint", path=str(Path(sys.executable).parent)) or shutil.which("jactionlint")
    assert linter, "jactionlint isn't installed; make env"
    done = subprocess.run([linter, "--color=never"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", [*FILES, ACTION], ids=lambda p: p.stem)
def test_actions_are_pinned_by_commit_with_their_version_said(path: Path) -> None:
    for uses in re.findall(r"uses: (.+)", path.read_text()):
        assert uses == "./.github/actions/cluster" or re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", uses), uses


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_workflows_may_only_read_and_know_no_secret(path: Path) -> None:
    text = path.read_text()
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
    assert "secrets." not in text and "pull_request_target" not in text
    # An expression inside a script is code that whoever names a branch can write.
    scripts = [s["run"] for j in yaml.safe_load(text)["jobs"].values() for s in j["steps"] if "run" in s]
    assert scripts and not any("${{" in s for s in scripts)


@pytest.mark.parametrize(("workflow", "name", "job"), JOBS, ids=[f"{w}-{n}" for w, n, _ in JOBS])
def test_a_job_has_the_rights_it_uses_and_ends(workflow: str, name: str, job: dict[str, Any]) -> None:
    rights = job.get("permissions", {})
    uses = [s.get("uses", "") for s in job["steps"]]
    assert ("id-token" in rights) == ("./.github/actions/cluster" in uses)
    assert ("packages" in rights) == any(u.startswith("docker/login-action") for u in uses)
    assert set(rights) <= {"contents", "id-token", "packages"} and rights.get("contents", "read") == "read"
    assert job["timeout-minutes"] <= 360
    # What reaches a cluster waits for the environment's rules: reviewers, branches.
    assert ("environment" in job) == ("id-token" in rights)
    assert all(s["with"]["persist-credentials"] is False for s in job["steps"] if s.get("uses", "").startswith("actions/checkout"))


def test_training_runs_only_when_what_it_depends_on_changed(tmp_path: Path) -> None:
    """The script of the job `changes`, on a repository made here."""
    job = next(j for w, n, j in JOBS if (w, n) == ("main", "changes"))
    script = next(s for s in job["steps"] if s.get("id") == "diff")["run"]

    def git(*arguments: str) -> str:
        author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        return subprocess.run(["git", *author, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True).stdout.strip()

    def commit(path: str, text: str) -> str:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
        git("add", ".")
        git("commit", "-m", path)
        return git("rev-parse", "HEAD")

    def trains(before: str, asked: str = "") -> bool:
        out = tmp_path / "github_output"
        out.unlink(missing_ok=True)
        # Of this environment only the PATH: what git is told about the project's own repository must not reach it.
        environment = {"PATH": "/usr/bin:/bin:/usr/local/bin", "BEFORE": before, "ASKED": asked, "GITHUB_OUTPUT": str(out), "HOME": str(tmp_path)}
        subprocess.run(["bash", "-eo", "pipefail", "-c", script], cwd=tmp_path, env=environment, check=True, capture_output=True)
        return {"train=true\n": True, "train=false\n": False}[out.read_text()]

    git("init", "-q")
    first = commit("data.dvc", "md5: 1")
    docs = commit("docs/x.md", "x")
    assert not trains(first)
    assert trains(first, asked="true")
    commit("data.dvc", "md5: 2")
    assert trains(docs)
    assert trains("0" * 40) and trains("")
    before = commit("README.md", "x")
    for path in ("params.yaml", "understudy/generators/forest.py", "understudy/audit/gate.py"):
        after = commit(path, path)
        assert trains(before), path
        before = after
    commit("understudy/serving/server.py", "x")
    assert not trains(before)


def test_the_paths_that_trigger_training_are_there() -> None:
    job = next(j for w, n, j in JOBS if (w, n) == ("main", "changes"))
    script = next(s for s in job["steps"] if s.get("id") == "diff")["run"]
    paths = script.split(" -- \\")[1].split("; then")[0].replace("\\\n", " ").split()
    assert len(paths) > 5 and all((ROOT / p).exists() for p in paths)


@pytest.mark.parametrize("overlay", ["prod", "seldon-v1", "seldon-v2", "kserve"])
def test_ci_applies_workloads_only(overlay: str) -> None:
    resources = check.build(check.OVERLAYS / overlay)
    applied = {r["kind"] for r in workloads(resources)}
    left = {r["kind"] for r in resources} - applied
    assert {"Deployment", "Service", "CronJob", "StatefulSet"} <= applied
    assert {"Namespace", "Role", "RoleBinding", "ServiceAccount", "NetworkPolicy", "ExternalSecret", "PersistentVolumeClaim", "AuthorizationPolicy"} <= left

"""The GitLab twin of the workflows, in docs/cluster.md: well-formed, with GitHub's triggers, and a release that builds."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from manifests import check
from manifests.pods import pods_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/cluster.md").read_text()
DIGESTS = {n: f"registry.example/group/understudy-{n}@sha256:{str(i) * 64}" for i, n in enumerate(("cpu", "serve"), 1)}


@pytest.fixture(scope="module")
def pipeline() -> dict[str, Any]:
    section = PAGE.split("\n## GitLab\n")[1].split("\n## ")[0]
    found: dict[str, Any] = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)[0])
    return found


def test_jobs_have_a_stage_a_rule_and_a_script_of_lines(pipeline: dict[str, Any]) -> None:
    jobs = {n: j for n, j in pipeline.items() if n not in ("default", "stages")}
    assert set(jobs) == {"check", "nightly", "image", "compile", "train", "deploy"}
    for name, job in jobs.items():
        assert job["stage"] in pipeline["stages"] and job["rules"], name
        assert all(isinstance(line, str) for line in job["script"]), name
        # What reaches the cluster has an identity of its own and waits for the environment's rules; nothing else has one.
        assert ("id_tokens" in job) == ("environment" in job) == (name in ("train", "deploy"))


def test_training_has_the_triggers_of_the_workflow(pipeline: dict[str, Any]) -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/main.yml").read_text())["jobs"]
    script = next(s for s in jobs["changes"]["steps"] if s.get("id") == "diff")["run"]
    paths = script.split(" -- \\")[1].split("; then")[0].replace("\\\n", " ").split()
    assert [p.removesuffix("/**/*") for p in pipeline["train"]["rules"][0]["changes"]] == paths


def test_every_script_is_a_shells(pipeline: dict[str, Any]) -> None:
    for job in pipeline.values():
        if isinstance(job, dict) and "script" in job:
            done = subprocess.run(["bash", "-n"], input="\n".join(job["script"]), text=True, capture_output=True, check=False)
            assert done.returncode == 0, done.stderr
            assert "alias " not in "\n".join(job["script"]), "a shell that isn't interactive has no aliases"


def test_the_release_has_the_images_by_digest_and_passes(pipeline: dict[str, Any], tmp_path: Path) -> None:
    shutil.copytree(ROOT / "manifests", tmp_path / "manifests", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    (tmp_path / "digests").mkdir()
    for name, image in DIGESTS.items():
        (tmp_path / "digests" / name).write_text(image + "\n")
    lines = pipeline["deploy"]["script"]
    made = [line for line in lines if line.startswith("cpu=") or "release/kustomization.yaml" in line]
    assert len(made) == 2
    subprocess.run(["bash", "-e"], input="\n".join(made), text=True, cwd=tmp_path, check=True)
    found, _ = check.check(tmp_path / "release", None, check.targets())
    assert found == []
    images = {c["image"] for r in check.build(tmp_path / "release") for p in pods_of(r) for _, c in p.containers()}
    assert {i for i in images if "understudy" in i} == set(DIGESTS.values())

"""The leaderboard and the sampling pipeline, run here by KFP's local runner."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from pipelines.arguments import arguments
from tests.pipelines.runs import LENIENT, small_run, write_people
from understudy import leaderboard, tracking
from understudy.evidence import PASS
from understudy.provenance import file_md5

ROOT = Path(__file__).parents[2]
WORKER = """
import importlib, json, sys, warnings
from kfp import local
warnings.simplefilter("ignore")
local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=sys.argv[2], raise_on_error=True)
importlib.import_module("pipelines." + sys.argv[1]).build()(**json.loads(sys.argv[3]))
"""


def run_here(name: str, root: Path, given: dict[str, object]) -> Path:
    """Run a pipeline; the directory of its steps' outputs."""
    command = [sys.executable, "-c", WORKER, name, str(root / name), json.dumps(given)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return next((root / name).iterdir())


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_three_generators_compete_and_the_winner_samples_in_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`bootstrap` gives real rows again: by its figures it would win, and the audit keeps it from winning."""
    server = tracking.local_uri(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    data = write_people(tmp_path / "people.csv")
    given: dict[str, object] = dict(
        arguments(small_run(data, gate=LENIENT), data=str(data), data_md5=file_md5(data), tracking_uri=server)
    )
    del given["generator_options"]
    listed = ["independent", {"name": "forest", "config": {"min_units": 5}}, "bootstrap"]
    job = run_here("leaderboard", tmp_path, given | {"generators": json.dumps(listed)})

    rows = [[c.strip() for c in r.split("|")[1:-1]] for r in (job / "promote" / "board").read_text().splitlines()[2:]]
    verdicts = {row[1]: row[2] for row in rows}
    figures = {row[1]: dict(zip(leaderboard.SHOWN, map(float, row[3:]), strict=True)) for row in rows}
    assert verdicts == {"independent": "PASS", "forest": "PASS", "bootstrap": "FAIL"}
    made = json.loads((job / "promote" / "registration").read_text())
    assert made["champion"] and made["version"] == 1
    client = mlflow.MlflowClient(server, server)
    champion = client.get_model_version_by_alias("people", "champion")
    assert champion.tags["generator.name"] == rows[0][1] == "forest"
    assert figures["forest"]["c2st_auc"] < figures["independent"]["c2st_auc"], "the best of those that passed"
    unaudited = [leaderboard.Entry(g, "", PASS, f, "") for g, f in figures.items()]
    assert unaudited[leaderboard.best(unaudited) or 0].generator == "bootstrap"
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert sorted(r.data.tags["generator.name"] for r in runs) == ["bootstrap", "forest", "independent"]

    out = tmp_path / "big"
    run_here(
        "sampling", tmp_path,
        {"model": "models:/people@champion", "out": str(out), "n_rows": 1000, "n_shards": 3, "seed": 5, "tracking_uri": server},
    )  # fmt: skip
    manifest = json.loads((out / "manifest.json").read_text())
    assert [p["rows"] for p in manifest["parts"]] == [333, 333, 334]
    assert len(pd.read_parquet(sorted(out.glob("*.parquet")))) == 1000

"""SIGKILL at each stage of a run, then the same run again: nothing half-written, one registration."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.pipelines.runs import LENIENT, small_run, write_people
from understudy.generators import load
from understudy.tables import read_table

ROOT = Path(__file__).parents[1]
STAGES = ("preprocess", "train", "sample", "evaluate", "audit", "record", "gate", "register")
SCRIPT = """
import json, sys
from pipelines.local import run
from understudy.config import Params
run(Params.of(json.loads(sys.argv[1])), out_dir=sys.argv[2])
"""


def start(arguments: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def at_work(stage: str, out: Path) -> bool:
    """Whether `stage` has begun; of those that write to the registry, whether they have begun to."""
    log = out / "run.log"
    if not log.exists() or f"Executing task '{stage}'" not in log.read_text():
        return False
    table = {"record": "runs", "register": "logged_models"}.get(stage)
    if table is None:
        time.sleep(0.4)  # its interpreter has started, the stage is at work
        return True
    try:
        with sqlite3.connect(f"file:{out / 'mlflow.db'}?mode=ro", uri=True) as db:
            return bool(db.execute(f"select count(*) from {table}").fetchone()[0])
    except sqlite3.OperationalError:  # not there yet
        return False


def kill_at(stage: str, arguments: list[str], out: Path) -> None:
    """Start a run, SIGKILL it (only it, not its children) once `stage` is at work."""
    (out / "run.log").unlink(missing_ok=True)
    process = start(arguments)
    deadline = time.monotonic() + 120
    while not at_work(stage, out):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive, "steps outlive a killed run"


def whole(out: Path) -> None:
    """What is published is complete, and the registry's database is sound."""
    for name, files in {"preprocess": 8, "model": 2, "evaluation": 3, "audit": 5}.items():
        if (out / name).exists():
            assert len(list((out / name).iterdir())) == files
    if (out / "run.json").exists():
        json.loads((out / "run.json").read_text())
    if (out / "mlflow.db").exists():
        with sqlite3.connect(out / "mlflow.db") as db:
            assert db.execute("pragma integrity_check").fetchone() == ("ok",)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_each_stage_and_run_again(tmp_path: Path) -> None:
    data, out = write_people(tmp_path / "people.csv"), tmp_path / "out"
    # Coins from OS entropy: the run that is repeated must find the ones that were tossed.
    params = small_run(data, seed=None, gate=LENIENT)
    arguments = [json.dumps(params.to_dict()), str(out)]
    for stage in STAGES:
        kill_at(stage, arguments, out)
        assert not (out / "run.json").exists(), "results were published before the last stage was over"
        whole(out)
    for _ in range(2):
        process = start(arguments)
        said = process.communicate(timeout=300)[0]
        assert process.returncode == 0, said
        whole(out)
        assert not list(out.rglob("*.partial"))
        assert not list(out.glob(".run-*"))
        assert json.loads((out / "run.json").read_text())["verdict"] == "PASS"
        assert len(read_table(out / "synthetic.parquet")) > 100
        load(out / "model")
    with sqlite3.connect(out / "mlflow.db") as db:
        # Eight killed attempts and the run that ended are one registration; the last run tossed new coins.
        assert db.execute("select count(*) from model_versions").fetchone() == (2,)
        assert db.execute("select count(*) from runs").fetchone() == (2,)
        assert db.execute("select count(*) from logged_models where lifecycle_stage = 'active'").fetchone() == (2,)

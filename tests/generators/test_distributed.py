"""Fit by several processes, as torchrun starts them: gloo, two ranks, on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
import yaml
from safetensors import SafetensorError, safe_open

from components.image import GPU_IMAGE
from tests.people import people
from understudy import ranks
from understudy.canonical import conform
from understudy.errors import ConfigError
from understudy.generators import create, load
from understudy.generators.neural_distributed import Ranks
from understudy.provenance import file_sha256
from understudy.stages import fit

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("n", "size"), [(10, 2), (11, 2), (10, 3), (1, 4), (0, 2), (7, 1)])
def test_shards_hold_all_rows_and_are_equally_long(n: int, size: int) -> None:
    rows = np.arange(n)[:, None]
    shards = [Ranks(r, size).shard(rows) for r in range(size)]
    assert {len(s) for s in shards} == {-(-n // size)}
    assert set(np.concatenate(shards)[:, 0]) == set(range(n))
    shares = np.concatenate([Ranks(r, size).share(rows) for r in range(size)])
    assert sorted(shares[:, 0]) == list(range(n))


def test_alone_nothing_is_averaged() -> None:
    gradient = torch.tensor([1.0, 2.0])
    Ranks().average([gradient, None])
    assert gradient.tolist() == [1.0, 2.0]
    assert Ranks().total(2.5, torch.device("cpu")) == 2.5


def test_who_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert ranks.count() == 1 and ranks.first()
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert ranks.count() == 2 and not ranks.first()
    monkeypatch.setenv("RANK", "0")
    assert ranks.first()


def test_a_generator_that_cant_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from understudy.config import Data

    people(300).to_csv(tmp_path / "p.csv", index=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="generator forest can't be fitted by several processes; fit one that can"):
        fit(data=Data(path=str(tmp_path / "p.csv")), model_dir=tmp_path / "m", generator="forest")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("name", ["trainjob", "pytorchjob"])
def test_the_clusters_jobs_run_a_command_that_there_is(name: str) -> None:
    """The manifests' command lines are parsed by the command line itself."""
    import typer.main

    from understudy.cli import app

    documents = list(yaml.safe_load_all((ROOT / "manifests" / "training" / f"{name}.yaml").read_text()))
    job = next(d for d in documents if d["kind"] in ("TrainJob", "PyTorchJob"))
    if name == "trainjob":
        made = job["spec"]["trainer"]
        runtime = next(d for d in documents if d["metadata"]["name"] == job["spec"]["runtimeRef"]["name"])
        container = runtime["spec"]["template"]["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]["containers"][0]
    else:
        made = container = job["spec"]["pytorchReplicaSpecs"]["Worker"]["template"]["spec"]["containers"][0]
    assert (made["command"], made["args"][:3]) == (["torchrun"], ["-m", "understudy.cli", "fit"])
    assert container["image"] == GPU_IMAGE
    fit_command = typer.main.get_command(app).commands["fit"]  # type: ignore[attr-defined]
    parsed = fit_command.make_context("fit", list(made["args"][3:])).params
    assert parsed["generator"] == "autoregressive" and str(parsed["checkpoint"]).startswith("/understudy/")


def torchrun(folder: Path, out: str, *more: str, log: Path) -> subprocess.Popen[bytes]:
    """The command line of the docs, for two ranks."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "2",
        "-m", "understudy.cli", "fit", str(folder / "people.csv"), "-o", str(folder / out),
        "--generator", "autoregressive", *more,
    ]  # fmt: skip
    return subprocess.Popen(command, cwd=ROOT, stdout=log.open("wb"), stderr=subprocess.STDOUT, start_new_session=True)


def ended(process: subprocess.Popen[bytes], log: Path, seconds: float = 600) -> str:
    """Wait for it; what it said."""
    try:
        code = process.wait(seconds)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert code == 0, log.read_text()[-3000:]
    return log.read_text()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_ranks_learn_as_well_as_one(tmp_path: Path) -> None:
    """Mean log-likelihood of 2,000 fresh rows. The difference stays within three standard errors of one rank's mean,
    about .1 nats; two seeds of one rank differ by about as much as one and two ranks do."""
    everyone = people(6000).drop(columns=["joined"])
    everyone[:4000].to_csv(tmp_path / "people.csv", index=False)
    log = tmp_path / "log"
    said = ended(torchrun(tmp_path, "two", log=log), log)
    assert said.count("fit_seconds") == 1, "one rank speaks for all"
    two = load(tmp_path / "two")
    table = pd.read_csv(tmp_path / "people.csv")
    one = create("autoregressive").fit(conform(table, two.schema), schema=two.schema, rng=np.random.default_rng(0))
    everyone[4000:].to_csv(tmp_path / "fresh.csv", index=False)
    fresh = conform(pd.read_csv(tmp_path / "fresh.csv"), two.schema)
    a, b = (g.log_density(fresh) for g in (one, two))
    assert a is not None and b is not None
    kept = np.isfinite(a) & np.isfinite(b)
    assert kept.mean() > 0.95
    a, b = a[kept], b[kept]
    error = a.std() / np.sqrt(len(a))
    assert abs(a.mean() - b.mean()) < 3 * error, (a.mean(), b.mean(), error)
    independent = create("independent").fit(conform(table, two.schema), schema=two.schema, rng=np.random.default_rng(0))
    base = independent.log_density(fresh)
    assert base is not None
    assert b.mean() - base[kept].mean() > 5 * error, "and both have learnt far more than the margins"


def next_step(
    folder: Path, after: int, process: subprocess.Popen[bytes], log: Path, different: bool = False
) -> int:
    """Wait for a checkpoint of a step beyond `after` (or of just another one); which step it is."""
    until = time.monotonic() + 600
    while True:
        assert process.poll() is None and time.monotonic() < until, log.read_text()[-3000:]
        try:
            with safe_open(folder / "checkpoint.safetensors", framework="np") as f:
                step = int(json.loads(f.metadata()["progressed"])["step"])
        except (FileNotFoundError, SafetensorError):
            step = after
        if step > after or (different and step != after):
            return step
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_fit_survives_the_kill_of_a_rank(tmp_path: Path) -> None:
    """All ranks go on from the last checkpoint, and give the very generator that an undisturbed fit gives."""
    people(4000).drop(columns=["joined"]).to_csv(tmp_path / "people.csv", index=False)
    long = ("--set", "steps=5000", "--set", "patience=16", "--seed", "3")
    log = tmp_path / "log"
    ended(torchrun(tmp_path, "undisturbed", *long, log=log), log)

    folder = tmp_path / "checkpoints"
    process = torchrun(tmp_path, "killed", *long, "--checkpoint", str(folder), log=log)
    reached = next_step(folder, next_step(folder, 0, process, log), process, log)
    workers = psutil.Process(process.pid).children()
    assert len(workers) == 2
    workers[-1].send_signal(signal.SIGKILL)
    again = next_step(folder, reached, process, log, different=True)
    assert again > reached, "the first checkpoint of the new ranks is behind the last of the old: they didn't begin anew"
    said = ended(process, log)
    assert said.count("fit_seconds") == 1
    assert not folder.exists(), "done, so the checkpoint is gone"
    a, b = (tmp_path / n / "weights.safetensors" for n in ("undisturbed", "killed"))
    assert file_sha256(a) == file_sha256(b)

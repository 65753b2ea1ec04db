"""Early stopping, checkpoints and resuming after a kill, updates, imputation."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tests.people import conformed_people
from understudy.errors import ConfigError, SchemaError, TableError
from understudy.generators import create
from understudy.generators.autoregressive import Autoregressive
from understudy.generators.neural_checkpoint import NAME
from understudy.generators.neural_settings import held_out_rows
from understudy.generators.neural_training import Training
from understudy.schema import Column, TableSchema

ROOT = Path(__file__).parents[2]


def fit(checkpoint: Path | None = None, seed: int = 0, **settings: object) -> Autoregressive:
    table, schema = conformed_people(1500)
    generator = create("autoregressive", **({"steps": 120, "width": 16} | settings))
    assert isinstance(generator, Autoregressive)
    return generator.fit(table, schema=schema, rng=np.random.default_rng(seed), checkpoint=checkpoint)


def same(a: Autoregressive, b: Autoregressive) -> bool:
    mine, yours = a.network.state_dict(), b.network.state_dict()
    return mine.keys() == yours.keys() and all(torch.equal(mine[k], yours[k]) for k in mine)


class Stopped(Exception):
    """What the test stops a fit with."""


def stop_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a checkpoint at `step` and stop the fit two steps later, whose work is then lost."""
    whole = Training._step

    def one(self: Training) -> None:
        whole(self)
        if self.now.step == step and self.checkpoint:
            self._write(self.checkpoint)
        if self.now.step == step + 2:
            raise Stopped

    monkeypatch.setattr(Training, "_step", one)


@pytest.mark.parametrize("architecture", ["mlp", "transformer"])
def test_a_resumed_fit_gives_the_same_weights(tmp_path: Path, architecture: str) -> None:
    settings = {"architecture": architecture, "layers": 1, "steps": 40, "patience": 16}
    with pytest.MonkeyPatch.context() as patch:
        stop_at(23, patch)
        with pytest.raises(Stopped):
            fit(tmp_path / "c", **settings)
    assert (tmp_path / "c" / NAME).exists()
    resumed = fit(tmp_path / "c", **settings)
    assert same(resumed, fit(**settings))
    assert not (tmp_path / "c").exists()  # a finished fit leaves none


def test_a_checkpoint_of_another_fit_is_refused_and_kept(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stop_at(10, patch)
        with pytest.raises(Stopped):
            fit(tmp_path)
    for other in ({"seed": 1}, {"patience": 3}):
        with pytest.raises(ConfigError, match="checkpoint of another fit"):
            fit(tmp_path, **other)
    (tmp_path / NAME).write_bytes(b"x")
    with pytest.raises(ConfigError, match="can't be read .*; delete it to begin anew"):
        fit(tmp_path)


SCRIPT = """
import sys
from pathlib import Path
from understudy.generators import neural_training
from tests.generators.test_autoregressive_training import fit
schedule = neural_training.Schedule.__init__
def often(self, **k): schedule(self, **{**k, "checkpoint_seconds": 0.2})
neural_training.Schedule.__init__ = often
fit(Path(sys.argv[1]), steps=2000, patience=16).save(Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_a_killed_fit_goes_on_where_it_was(tmp_path: Path) -> None:
    """SIGKILL a fit three times, each time after a new checkpoint; the result is that of a fit left in peace."""
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "c"), str(tmp_path / "m")]
    written = tmp_path / "c" / NAME
    for _ in range(3):
        before = written.stat().st_mtime_ns if written.exists() else 0
        process = subprocess.Popen(command, cwd=ROOT)
        deadline = time.monotonic() + 120
        while not (written.exists() and written.stat().st_mtime_ns > before):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command, cwd=ROOT, check=True)
    assert same(Autoregressive.load(tmp_path / "m"), fit(steps=2000, patience=16))
    assert not written.exists()


def test_training_stops_when_the_held_out_rows_say_so() -> None:
    """Without decay and with many steps the network learns its 1,350 rows by heart, unless it stops; in either case
    the best check is kept."""
    said: list[str] = []
    table, schema = conformed_people(1500)
    create("autoregressive", steps=2000, weight_decay=0.0, patience=2).fit(
        table, schema=schema, rng=np.random.default_rng(0), progress=lambda share, message: said.append(message)
    )
    held_out = [float(m.split("held-out ")[1].split()[0]) for m in said]
    assert int(said[-1].split()[1]) < 1000
    assert held_out[-1] > min(held_out) + 0.1


def test_held_out_rows_are_whole_units() -> None:
    schema = TableSchema(columns=(Column(name="who", kind="id"), Column(name="x", kind="boolean")), unit="who")
    table = pd.DataFrame({"who": np.repeat(np.arange(1000), 5), "x": True})
    out = held_out_rows(table, schema, np.random.default_rng(0))
    assert pd.Series(out).groupby(table["who"]).nunique().eq(1).all()
    assert 0.05 < out.mean() < 0.15
    assert not held_out_rows(table[:500], schema, np.random.default_rng(0)).any()


def mean_density(g: Autoregressive, table: pd.DataFrame) -> float:
    found = g.log_density(table)
    return float(found[np.isfinite(found)].mean())


def test_an_update_learns_the_new_rows_and_replay_keeps_the_old() -> None:
    table, schema = conformed_people(3000)
    new, _ = conformed_people(3000, seed=5)
    new["plan"] = new["region"].map({"north": "gold", "south": "gold", "east": "basic", "west": "basic"}).astype("category")
    fresh_new = new[1500:].reset_index(drop=True)
    after: dict[float, tuple[float, float]] = {}
    for replay in (0.0, 1.0):
        g = create("autoregressive", steps=300).fit(table, schema=schema, rng=np.random.default_rng(0))
        before = mean_density(g, fresh_new), mean_density(g, table)
        g.update(new[:1500], rng=np.random.default_rng(1), replay=replay)
        after[replay] = mean_density(g, fresh_new) - before[0], mean_density(g, table) - before[1]
        assert after[replay][0] > 0.1, replay
    assert after[1.0][1] > after[0.0][1] + 0.05


def test_an_update_says_what_it_cannot_use() -> None:
    g = fit(steps=5)
    table, _ = conformed_people(100)
    rng = np.random.default_rng(0)
    with pytest.raises(ConfigError, match="replay is -1"):
        g.update(table, rng=rng, replay=-1)
    with pytest.raises(TableError, match="no rows"):
        g.update(table[:0], rng=rng)
    with pytest.raises(SchemaError, match="did you mean|columns are"):
        g.update(table.drop(columns="age"), rng=rng)
    table.loc[3, "region"] = None
    with pytest.raises(TableError, match="'region' has missing values"):
        g.update(table, rng=rng)


def test_an_updated_artifact_holds_no_new_row(tmp_path: Path) -> None:
    g = fit(steps=5)
    table, _ = conformed_people(300)
    table.loc[7, "score"] = 1234.56789
    g.update(table, rng=np.random.default_rng(0))
    g.save(tmp_path / "m")
    blob = b"".join(p.read_bytes() for p in (tmp_path / "m").iterdir())
    assert np.float64(1234.56789).tobytes() not in blob


def test_imputation_fills_gaps_and_nothing_else() -> None:
    g = fit()
    table, _ = conformed_people(400, seed=3)
    gone = np.random.default_rng(0).random(table.shape) < 0.2
    holes = table.mask(gone)
    holes.insert(0, "note", "as it was")
    holes.index = pd.Index(range(1000, 1400))
    filled = g.impute(holes, rng=np.random.default_rng(1))
    assert not filled.isna().any().any()
    assert filled.index.equals(holes.index) and (filled["note"] == "as it was").all()
    known = holes.notna().to_numpy()
    assert (filled.astype(str).to_numpy() == table.assign(note="as it was")[holes.columns].astype(str).to_numpy())[known].all()
    codes = {"north": 1, "south": 2, "east": 3, "west": 4}
    assert (filled["region"].astype(str).map(codes) == filled["region_code"]).all()
    pd.testing.assert_frame_equal(filled, g.impute(holes, rng=np.random.default_rng(1)))


def test_imputation_beats_the_mode_and_the_median() -> None:
    """On fresh rows, of columns that the others say much about; best guesses do better than draws."""
    rng = np.random.default_rng(0)
    n = 4000
    a = rng.integers(0, 5, n)
    raw = pd.DataFrame({
        "a": np.array(list("vwxyz"))[a],
        "b": np.array(list("klmno"))[np.where(rng.random(n) < 0.85, a, rng.integers(0, 5, n))],
        "x": np.round(10.0 * a + rng.normal(0, 2, n), 1),
    })  # fmt: skip
    from understudy.canonical import conform
    from understudy.inference import infer_schema

    schema = infer_schema(raw)
    table = conform(raw, schema)
    train, fresh = table[:3000].reset_index(drop=True), table[3000:].reset_index(drop=True)
    g = create("autoregressive").fit(train, schema=schema, rng=np.random.default_rng(0))
    assert isinstance(g, Autoregressive)
    rows = np.arange(len(fresh))
    holes = fresh.assign(b=fresh["b"].mask(rows % 2 == 0), x=fresh["x"].mask(rows % 2 == 1))
    filled, likely = (g.impute(holes, rng=np.random.default_rng(1), likely=x) for x in (False, True))
    even, odd = rows % 2 == 0, rows % 2 == 1
    right = (filled["b"].astype(str) == fresh["b"].astype(str))[even].mean()
    mode = (fresh["b"].astype(str) == str(train["b"].mode()[0]))[even].mean()
    assert right > mode + 0.3
    assert (filled["x"] - fresh["x"])[odd].abs().mean() < 0.5 * (train["x"].median() - fresh["x"])[odd].abs().mean()
    assert (likely["b"].astype(str) == fresh["b"].astype(str))[even].mean() > right + 0.02
    assert (likely["x"] - fresh["x"])[odd].abs().mean() < (filled["x"] - fresh["x"])[odd].abs().mean()

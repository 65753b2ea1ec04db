"""The benchmark programs: their tables, their figures, and that they run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import frontier, plots, scaling, simulated, tables
from benchmarks.cost import SYNTHETIC, measure_cost
from benchmarks.yardstick import score
from tests.people import conformed_people
from understudy.dependencies import functional_dependencies
from understudy.errors import ConfigError
from understudy.generators import create
from understudy.tables import read_table

ROOT = Path(__file__).parents[1]


def draw(name: str, n_rows: int = 4_000) -> pd.DataFrame:
    return getattr(simulated, name)(n_rows, np.random.default_rng(1))


@pytest.mark.parametrize("name", tables.TABLES)
def test_every_table_loads_and_holds_its_target(name: str) -> None:
    pytest.importorskip("statsmodels")
    train, holdout, schema = tables.load(name)
    assert list(train.columns) == list(holdout.columns) == [c.name for c in schema.columns]
    assert abs(len(train) - 2 * len(holdout)) <= 2
    kind = tables.TABLES[name]().kind
    assert (schema.column(str(schema.target)).kind == "numerical") == (kind == "number")
    assert all(c.modelled for c in schema.columns)


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(ConfigError, match="'cards' is not known; choose one of: credit, "):
        tables.load("cards")


def test_the_same_rows_each_time() -> None:
    for name in ("credit", "sessions", "weather", "policies", "showers", "houses"):
        pd.testing.assert_frame_equal(draw(name, 500), draw(name, 500))


def test_credit_has_what_makes_it_hard() -> None:
    table = draw("credit")
    bills = table[[f"bill_{k}" for k in range(1, 7)]]
    assert np.corrcoef(bills.to_numpy().T)[np.triu_indices(6, 1)].min() > 0.7
    assert (table["limit"] % 10_000 == 0).all()
    assert 0.05 < (table["bill_3"] == 0).mean() < 0.3 and (bills < 0).any(axis=None)
    assert ((table["paid_3"] == table["bill_3"]) & (table["paid_3"] > 0)).mean() > 0.2  # many pay the whole bill
    assert 0.1 < (table["default"] == "yes").mean() < 0.4


def test_sessions_are_zero_inflated() -> None:
    table = draw("sessions")
    assert (table["page_value"] == 0).mean() > 0.7 and (table["info_seconds"] == 0).mean() > 0.7
    assert (table.loc[table["admin"] == 0, "admin_seconds"] == 0).all()
    assert 0.05 < table["bought"].mean() < 0.3


def test_policies_have_dependencies() -> None:
    train, _, schema = tables.load("policies")
    found = {(d.determinant, d.dependent) for d in functional_dependencies(train, schema)}
    assert {("postcode", "city"), ("city", "region"), ("brand", "vehicle")} <= found
    assert schema.column("insured").step == 10_000


def test_houses_add_up() -> None:
    table = draw("houses")
    assert (table["above"] + table["basement"] == table["living"]).all()


def test_a_numerical_target_is_scored_by_r2() -> None:
    """A resample of the training rows loses less than .1 of R2, independent columns lose all there is."""
    train, holdout, schema = tables.load("houses")
    train, holdout = train.head(2_000), holdout.head(1_000)
    gap = {}
    for name in ("bootstrap", "independent"):
        made = create(name).fit(train, schema=schema, rng=np.random.default_rng(0))
        synthetic = made.sample(2_000, rng=np.random.default_rng(1))
        gap[name] = score(train, holdout, synthetic, schema).gap
    assert frontier.metric_of(schema) == "R2"
    assert gap["bootstrap"] < 0.1 < 0.5 < gap["independent"]


def test_cost_is_the_child_s_own(tmp_path: Path) -> None:
    table, schema = conformed_people(2_000)
    ballast = np.ones(120_000_000)  # 915 MiB that the child must not be charged for
    cost = measure_cost(tmp_path, table, schema, "independent", {}, 0, n_rows=700, timed_rows=5_000)
    assert ballast[-1] == 1 and cost.peak_mb < 700
    assert 0 < cost.fit_seconds < 30 and 0 < cost.fit_cpu_seconds < 30 and cost.rows_per_second > 1_000
    assert 0 < cost.idle_mb <= cost.fit_mb <= cost.peak_mb
    assert len(read_table(tmp_path / SYNTHETIC)) == 700
    with pytest.raises(RuntimeError, match="forest failed with exit code 1: .*no_such_setting"):
        measure_cost(tmp_path, table, schema, "forest", {"no_such_setting": 1}, 0)


def test_the_exponent_of_growth() -> None:
    assert scaling.exponent([1e4, 1e5, 1e6], [1.0, 10.0, 100.0]) == pytest.approx(1)
    assert scaling.exponent([1e4, 1e5], [1.0, 100.0]) == pytest.approx(2)


def test_scaling_tables_are_of_one_population_and_many_kinds() -> None:
    table, schema = scaling.mixed(3_000, 30)
    again, _ = scaling.mixed(3_000, 30, seed=1)
    assert {c.kind for c in schema.columns} == {"numerical", "categorical", "boolean", "datetime"}
    assert len(schema.modelled) == 30 and not table.equals(again)
    a, b = (np.corrcoef(t[["c1", "c7", "c8"]].to_numpy(dtype=float).T) for t in (table, again))
    assert np.abs(a - b).max() < 0.1  # 4 standard errors of a correlation of 3,000 rows


def test_auto_is_measured_as_what_it_chooses_on_as_many_rows_as_asked() -> None:
    """The rule takes `forest` for 90 rows; with the same seed the same rows are learnt and drawn."""
    parts = tables.load("wine")
    found = [frontier.measure(name, {}, 3, parts, n_rows=90, n_sample=200) for name in ("auto", "forest")]
    quality = [{k: v for k, v in f.items() if k in frontier.HEADER.values()} for f in found]
    assert quality[0] == quality[1]
    with pytest.raises(RuntimeError, match="forest failed with exit code 1: .*width"):
        frontier.measure("auto", {"width": 8}, 3, parts, n_rows=90)


def test_pictures_are_made_of_what_was_measured(tmp_path: Path) -> None:
    seeds = [{"C2ST": 0.52, "MIA": 0.50, "fit CPU s": 9.0}, {"C2ST": 0.54, "MIA": 0.51, "fit CPU s": 11.0}]
    runs = [{"table": t, "generator": g, "runs": seeds} for t in ("adult", "credit") for g in ("auto", "forest")]
    (dot,) = plots.own_dots(runs)
    assert (dot.name, dot.ours) == ("forest", True)
    assert (dot.c2st, dot.mia, dot.seconds) == pytest.approx((0.53, 0.505, 10))
    assert dot.errors == pytest.approx((0.01, 0.005))  # sd .0141 and .0071 over the root of 2
    plots.frontier([dot, *plots.PEERS], tmp_path / "f.png")
    points = [
        {"over": over, "generator": "forest", "rows": 10**k, "columns": 5 * k, "cost": {"fit_cpu_seconds": k, "peak_mb": 99 * k}}
        for over in ("rows", "columns")
        for k in (3, 4)
    ]
    plots.scaling(points, tmp_path / "s.svg")
    assert (tmp_path / "f.png").stat().st_size > 10_000 and "<svg" in (tmp_path / "s.svg").read_text()


@pytest.mark.slow
def test_the_programs_run(tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout

    told = run("benchmarks.frontier", "--table", "wine", "diabetes", "--generators", "independent", "--seeds", "2")
    assert "| wine | independent |" in told and "gap in R2" in told and "Standard errors" in told
    report, picture = tmp_path / "s.json", tmp_path / "s.png"
    told = run(
        "benchmarks.scaling", "--generators", "independent", "--rows", "2000", "4000", "--columns", "5", "10", "--at-columns", "8",
        "--sample", "5000", "--json", str(report), "--plot", str(picture),
    )  # fmt: skip
    assert "| independent | 4,000 | 8 |" in told and "fit grows as rows^" in told
    assert len(json.loads(report.read_text())["points"]) == 4 and picture.stat().st_size > 10_000


@pytest.mark.slow
def test_the_serving_benchmark_runs(tmp_path: Path) -> None:
    pytest.importorskip("mlserver")
    from tests.serving.running import model_directory

    command = [sys.executable, "-m", "benchmarks.serving", str(model_directory(tmp_path)), "--seconds", "1", "--minutes", "0.05"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert "floor" in done.stdout and "rows/s; the server's memory grew by" in done.stdout and "Intact" in done.stdout

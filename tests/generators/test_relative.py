"""Columns of numbers that `forest` models relative to others, and columns it looks up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from understudy.canonical import conform
from understudy.encoding.intervals import draw_interval, interval_mass
from understudy.encoding.lines import bend, fit_line, unbend
from understudy.generators.base import create, load
from understudy.generators.forest import Forest
from understudy.inference import infer_schema
from understudy.schema import TableSchema


def bills(n: int, seed: int = 0) -> tuple[pd.DataFrame, TableSchema]:
    """A balance, a payment that is often the balance or nothing, and the next balance."""
    rng = np.random.default_rng(seed)
    balance = np.round(np.exp(rng.normal(7, 1.2, n)))
    part = np.round(balance * rng.uniform(0.02, 0.3, n))
    payment = np.choose(rng.choice(3, n, p=[0.3, 0.2, 0.5]), [balance, np.zeros(n), part])
    later = np.clip(balance - payment + np.round(rng.exponential(40, n)), 0, 1e6)
    table = pd.DataFrame(
        {"balance": balance.astype(int), "payment": payment.astype(int), "later": later.astype(int),
         "kind": rng.choice(["a", "b"], n)}
    )  # fmt: skip
    schema = infer_schema(table)
    return conform(table, schema), schema


@pytest.fixture(scope="module")
def fitted() -> tuple[Forest, pd.DataFrame]:
    table, schema = bills(6000)
    return create("forest").fit(table, schema=schema, rng=np.random.default_rng(0)), table  # type: ignore[return-value]


def test_related_numbers_keep_their_relation(fitted: tuple[Forest, pd.DataFrame]) -> None:
    forest, table = fitted
    assert [c.kind for c in forest.columns] == ["tokens", "relative", "relative", "tokens"]
    drawn = forest.sample(20_000, rng=np.random.default_rng(1))
    for t in (table, drawn):
        t["full"] = t["payment"] == t["balance"]
        t["spent"] = t["later"] - (t["balance"] - t["payment"])
    # 95 % of the differences of 6,000 fresh rows would lie within .012 and .02; twice that is allowed.
    assert drawn["full"].mean() == pytest.approx(table["full"].mean(), abs=0.024)
    assert stats.ks_2samp(drawn["spent"], table["spent"]).statistic < 0.06
    assert (drawn["spent"].abs() < 400).mean() > 0.97
    del table["full"], table["spent"]


def test_values_stay_in_the_columns_range_and_on_its_grid(fitted: tuple[Forest, pd.DataFrame]) -> None:
    forest, table = fitted
    drawn = forest.sample(20_000, rng=np.random.default_rng(2))
    for codec in forest.codec.codecs[:3]:
        values = drawn[codec.column.name]
        assert values.dtype == "int64"
        assert values.between(codec.low, codec.high).all()
    assert (drawn["later"] >= 0).all()


def test_the_density_of_a_relative_column_sums_to_one(fitted: tuple[Forest, pd.DataFrame]) -> None:
    forest, table = fitted
    at = next(i for i, c in enumerate(forest.columns) if c.kind == "relative")
    column = forest.columns[at]
    values = np.arange(forest.codec.codecs[1].low, forest.codec.codecs[1].high + 1)
    few = table.iloc[[0, 5, 11]]
    for _, row in few.iterrows():
        grid = pd.DataFrame([row] * len(values)).reset_index(drop=True).astype({"balance": int, "later": int})
        grid["payment"] = values.astype(int)
        from understudy.generators.rows import Rows

        p = column.probability(Rows.of_table(forest.codec, conform(grid, forest.schema)))
        assert p.sum() == pytest.approx(1.0, abs=0.01)


def test_conditional_samples_of_a_relative_column_follow_its_density(fitted: tuple[Forest, pd.DataFrame]) -> None:
    """Against rejection from unconditional samples: Kolmogorov-Smirnov on 3 columns, error probability 1e-4 each."""
    forest, _ = fitted
    where = {"payment": {"min": 100, "max": 300}}
    drawn = forest.sample(4000, rng=np.random.default_rng(3), where=where)
    assert drawn["payment"].between(100, 300).all()
    free = forest.sample(120_000, rng=np.random.default_rng(4))
    free = free[free["payment"].between(100, 300)]
    for name in ("balance", "payment", "later"):
        assert stats.ks_2samp(drawn[name], free[name]).pvalue > 1e-4, name


def test_an_artifact_keeps_relative_columns_and_lookups(fitted: tuple[Forest, pd.DataFrame], tmp_path) -> None:  # type: ignore[no-untyped-def]
    forest, table = fitted
    forest.save(tmp_path / "m")
    again = load(tmp_path / "m")
    a, b = (g.sample(500, rng=np.random.default_rng(5)) for g in (forest, again))
    pd.testing.assert_frame_equal(a, b)
    np.testing.assert_allclose(forest.log_density(table[:200]), again.log_density(table[:200]))


def test_a_line_finds_sums_and_products() -> None:
    rng = np.random.default_rng(0)
    x = {k: np.exp(rng.normal(3, 1, 3000)) for k in range(5)}
    everything = np.arange(5)
    line = fit_line(x[0] + x[3], x, everything, bent=False, rng=rng)
    assert line is not None and dict(zip(line.columns.tolist(), line.slopes, strict=True)) == {0: 1.0, 3: 1.0}
    y = x[1] ** 0.5 * 200 * np.exp(rng.normal(0, 0.01, 3000))
    line = fit_line(y, x, everything, bent=True, rng=rng)
    assert line is not None and line.columns.tolist() == [1]
    off = unbend(line.predict(x, 3000), line.scale) / y
    assert np.median(np.abs(off - 1)) < 0.03
    assert fit_line(rng.normal(size=3000), x, everything, bent=False, rng=rng) is None
    np.testing.assert_allclose(unbend(bend(y, 3.0), 3.0), y)


def test_intervals_agree_with_counting() -> None:
    """Mass and draws of a mixture of two bins and a point, against 200,000 draws; errors are within 5 sigma."""
    rng = np.random.default_rng(0)
    knots = np.array([np.linspace(0, 4, 9), np.full(9, 4.0), np.r_[np.linspace(4, 5, 8), 13.0]])
    pmf = np.array([[0.5, 0.2, 0.3]], dtype=np.float32)
    n = 200_000
    leaf = np.zeros(n, dtype=np.int32)
    x = np.empty(n)
    draw_interval(leaf, pmf, 0, knots, np.full(n, -1.0), np.full(n, 20.0), rng.random(n), x)
    for low, high in [(-1, 2), (1, 4), (4, 4), (4.5, 12), (5, 9)]:
        mass = np.zeros(1)
        interval_mass(leaf[:1], pmf, 0, knots, np.array([low], float), np.array([high], float), mass)
        counted = ((x >= low) & (x <= high)).mean()
        assert mass[0] == pytest.approx(counted, abs=5 * np.sqrt(0.25 / n))
        inside = np.empty(n)
        draw_interval(leaf, pmf, 0, knots, np.full(n, float(low)), np.full(n, float(high)), rng.random(n), inside)
        assert stats.ks_2samp(inside, x[(x >= low) & (x <= high)]).pvalue > 1e-4


@pytest.mark.parametrize("name, settings", [("forest", {}), ("autoregressive", {"steps": 60})])
def test_many_valued_dependencies_hold_and_can_be_asked_for(name: str, settings: dict) -> None:
    """Postcode -> city -> region with more postcodes than tokens, and an hour that follows from a number."""
    rng = np.random.default_rng(0)
    n = 20_000
    code = rng.integers(0, 600, n)
    minute = rng.integers(0, 1440, n)
    table = pd.DataFrame(
        {"postcode": [f"p{c}" for c in code], "city": [f"city {c // 2}" for c in code],
         "region": [f"region {c // 60}" for c in code], "minute": minute, "hour": minute // 60,
         "price": np.round(np.exp(rng.normal(5, 1, n)), 2)}
    )  # fmt: skip
    schema = infer_schema(table)
    generator = create(name, **settings).fit(conform(table, schema), schema=schema, rng=rng)
    drawn = generator.sample(20_000, rng=np.random.default_rng(1))
    number = drawn["postcode"].astype(str).str[1:].astype(int)
    assert (drawn["city"].astype(str) == "city " + (number // 2).astype(str)).all()
    assert (drawn["region"].astype(str) == "region " + (number // 60).astype(str)).all()
    assert (drawn["hour"] == drawn["minute"] // 60).mean() > 0.995
    asked = generator.sample(300, rng=np.random.default_rng(2), where={"region": "region 7", "hour": [3, 4]})
    assert (asked["region"] == "region 7").all() and asked["hour"].isin([3, 4]).all()
    assert asked["postcode"].nunique() > 30

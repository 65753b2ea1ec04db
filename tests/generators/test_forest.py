import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.people import conformed_people
from understudy.canonical import conform
from understudy.generators import create
from understudy.generators.draws import draw, leaves
from understudy.generators.trees import Tree, grow, shrink
from understudy.inference import infer_schema
from understudy.schema import TableSchema


def small_table(n_rows: int, seed: int = 0) -> tuple[pd.DataFrame, TableSchema]:
    """Four related discrete columns: 2 x 3 x 2 x 4 cells."""
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 2, n_rows)
    b = (a + rng.choice(3, n_rows, p=[0.6, 0.3, 0.1])) % 3
    c = (rng.random(n_rows) < 0.2 + 0.6 * (a == (b > 0))).astype(bool)
    d = np.minimum(rng.poisson(0.5 + b), 3)
    raw = pd.DataFrame({"a": np.array(["x", "y"])[a], "b": np.array(["k", "l", "m"])[b], "c": c, "d": d})
    schema = infer_schema(raw, target="c")
    return conform(raw, schema), schema


def cells(schema: TableSchema) -> pd.DataFrame:
    grid = itertools.product(["x", "y"], ["k", "l", "m"], [True, False], range(4))
    return conform(pd.DataFrame(list(grid), columns=["a", "b", "c", "d"]), schema)


def test_the_density_sums_to_one_and_fits_the_table() -> None:
    table, schema = small_table(20_000)
    forest = create("forest").fit(table, schema=schema, rng=np.random.default_rng(0))
    grid = cells(schema)
    p = np.exp(forest.log_density(grid))
    assert p.sum() == pytest.approx(1, abs=1e-5)
    real = table.astype(str).value_counts(normalize=True)
    q = np.array([real.get(tuple(r), 0.0) for r in grid.astype(str).itertuples(index=False)])
    assert np.abs(p - q).sum() / 2 < 0.02


def test_samples_follow_the_density() -> None:
    # Chi-squared of 50,000 draws against the exact density; error probability 1e-4.
    table, schema = small_table(5000)
    forest = create("forest").fit(table, schema=schema, rng=np.random.default_rng(0))
    grid = cells(schema)
    expected = np.exp(forest.log_density(grid)) * 50_000
    drawn = forest.sample(50_000, rng=np.random.default_rng(7)).astype(str).value_counts()
    observed = np.array([drawn.get(tuple(r), 0) for r in grid.astype(str).itertuples(index=False)])
    assert stats.chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > 1e-4


@pytest.mark.parametrize(
    "where", [{"c": True}, {"d": 3}, {"d": {"min": 2}, "b": "k"}, {"a": "y", "d": [0, 2]}]
)
def test_conditional_samples_follow_the_conditional_density(where: dict) -> None:
    # Also for columns late in the order, and several at once; error probability 1e-4 each.
    table, schema = small_table(5000)
    forest = create("forest").fit(table, schema=schema, rng=np.random.default_rng(0))
    grid = cells(schema)
    p = np.exp(forest.log_density(grid))
    meets = np.ones(len(grid), dtype=bool)
    for name, condition in where.items():
        if isinstance(condition, dict):
            meets &= (grid[name] >= condition["min"]).to_numpy()
        else:
            meets &= grid[name].isin(condition if isinstance(condition, list) else [condition]).to_numpy()
    drawn = forest.sample(30_000, rng=np.random.default_rng(8), where=where).astype(str).value_counts()
    observed = np.array([drawn.get(tuple(r), 0) for r in grid[meets].astype(str).itertuples(index=False)])
    assert observed.sum() == 30_000
    assert stats.chisquare(observed, p[meets] / p[meets].sum() * 30_000).pvalue > 1e-4


def test_relations_are_learnt() -> None:
    table, schema = conformed_people(4000)
    forest = create("forest").fit(table, schema=schema, rng=np.random.default_rng(0))
    drawn = forest.sample(20_000, rng=np.random.default_rng(1))
    for t in (table, drawn):
        t["gold"] = t["plan"] == "gold"
    assert np.corrcoef(drawn["age"], drawn["pay"])[0, 1] == pytest.approx(
        np.corrcoef(table["age"], table["pay"])[0, 1], abs=0.06
    )
    assert drawn.groupby("region", observed=True)["gold"].mean()["west"] > drawn["gold"].mean() + 0.05


def test_a_functional_dependency_holds_in_every_row() -> None:
    table, schema = conformed_people(2000)
    drawn = (
        create("forest")
        .fit(table, schema=schema, rng=np.random.default_rng(0))
        .sample(5000, rng=np.random.default_rng(1))
    )
    assert drawn.groupby("region", observed=True)["region_code"].nunique().eq(1).all()


def test_a_leaf_speaks_for_enough_units() -> None:
    """No split separates fewer than min_leaf units, however many rows they have."""
    rng = np.random.default_rng(0)
    n, person = 2000, np.repeat(np.arange(100), 20)
    x = person.astype(np.uint8)[None]
    weight = np.full(n, 1 / 20)
    y = (person % 2).astype(np.uint8)
    tree = Tree(*grow(x, np.array([True]), np.array([0]), y[None], weight, rng.permutation(n), np.array([2]), 10.0, 0.0, 40))
    ends = np.empty(n, dtype=np.int32)
    leaves(x, tree.feature, tree.mask, tree.left, np.zeros(n, dtype=np.int32), ends)
    units = [len(set(person[ends == leaf])) for leaf in np.unique(ends)]
    assert len(units) > 3 and min(units) >= 10


def test_growing_agrees_with_a_naive_search() -> None:
    rng = np.random.default_rng(3)
    n, p = 400, 3
    codes = rng.integers(0, 6, (p, n)).astype(np.uint8)
    y = ((codes[1] > 2) * 2 + (rng.random(n) < 0.3)).astype(np.uint8)
    tree = Tree(
        *grow(codes, np.ones(p, dtype=bool), np.arange(p), y[None], np.ones(n), np.arange(n), np.array([4]), 5.0, 0.0, 1)
    )

    def loglik(rows: np.ndarray) -> float:
        c = np.bincount(y[rows], minlength=4)
        return float((c[c > 0] * np.log(c[c > 0] / c.sum())).sum())

    everything = np.ones(n, dtype=bool)
    gains = {
        (f, t): loglik(codes[f] <= t) + loglik(codes[f] > t) - loglik(everything)
        for f in range(p)
        for t in range(5)
    }
    f, t = max(gains, key=lambda k: gains[k])
    assert tree.feature[0] == f
    goes_left = [bool((int(tree.mask[0, c >> 6]) >> (c & 63)) & 1) for c in range(6)]
    assert goes_left == [c <= t for c in range(6)]


def test_drawing_follows_the_distribution_and_leaves_uniform_numbers() -> None:
    # 100,000 draws of 4 tokens; chi-squared and Kolmogorov-Smirnov, error probability 1e-4 each.
    p = np.array([0.5, 0.0, 0.2, 0.3])
    u = np.random.default_rng(0).random(100_000)
    out = np.empty(len(u), dtype=np.uint8)
    draw(np.zeros(len(u), dtype=np.int32), np.cumsum(p)[None].astype(np.float32), u, out)
    assert (out == 1).sum() == 0
    observed = np.bincount(out, minlength=4)
    assert stats.chisquare(observed[p > 0], p[p > 0] * len(u)).pvalue > 1e-4
    assert stats.kstest(u[out == 2], "uniform").pvalue > 1e-4


def test_a_rare_condition_is_met_without_brute_force() -> None:
    rng = np.random.default_rng(0)
    n = 30_000
    raw = pd.DataFrame({"x": rng.normal(size=n), "rare": np.where(rng.random(n) < 0.002, "yes", "no")})
    schema = infer_schema(raw)
    forest = create("forest").fit(conform(raw, schema), schema=schema, rng=np.random.default_rng(0))
    drawn = forest.sample(50_000, rng=np.random.default_rng(1), where={"rare": "yes"})
    assert (drawn["rare"] == "yes").all()
    assert drawn["x"].nunique() > 30_000  # rows are new draws, not a few accepted ones repeated


@pytest.mark.parametrize("n_rows", [2, 5, 60])
def test_tiny_tables(n_rows: int) -> None:
    table, schema = conformed_people(60)
    forest = create("forest").fit(
        table.iloc[:n_rows].reset_index(drop=True), schema=schema, rng=np.random.default_rng(0)
    )
    assert len(forest.sample(100, rng=np.random.default_rng(0))) == 100


def test_a_leaf_that_differs_clearly_is_shrunk_less_than_one_that_may_by_chance() -> None:
    feature, left = np.array([0, -1, -1], dtype=np.int16), np.array([1, 0, 0], dtype=np.int32)
    levels = np.stack([np.arange(3)] * 2)
    floor, weights = np.full(3, 1 / 3), np.array([60.0, 30.0])

    def pull(child: list[float]) -> float:
        """How far the first leaf is drawn from its own frequencies to its parent's, 0 to 1."""
        counts = np.array([[0.0] * 3, child, [400.0, 400.0, 400.0]])
        p = shrink(counts, feature, left, levels, weights, floor)
        own = np.array(child) / sum(child)
        return float(np.abs(p[1] - own).sum() / np.abs(p[0] - own).sum())

    # 60 rows, 60 of prior weight: one weight for all would draw every leaf half-way.
    assert pull([60.0, 0.0, 0.0]) < 0.15
    assert pull([22.0, 21.0, 17.0]) > 0.7

"""Encoding and neighbours: Gower's distance against its definition, missing values, units."""

import numpy as np
import pandas as pd
import pytest

from understudy.audit import neighbours
from understudy.audit.tables import build
from understudy.errors import SchemaError, TableError
from understudy.schema import Column, TableSchema


def _four(population, sizes=(60, 50, 120, 80), seed=0):
    rng = np.random.default_rng(seed)
    names = ("members", "nonmembers", "reference", "synthetic")
    return {name: population(n, rng) for name, n in zip(names, sizes, strict=True)}


def _naive(a, b):
    """Gower's distance of two rows of two geometries, one cell at a time."""
    numbers = np.abs(a.ranks[:, None] - b.ranks[None]).sum(axis=2)
    labels = (a.labels[:, None] != b.labels[None]) @ np.array(a.weights)
    return numbers + labels


def test_nearest_equals_the_definition_in_every_block(population, schema, monkeypatch):
    tables = build(_four(population), schema)
    expected = np.sort(_naive(tables.pool.geometry, tables.synthetic.geometry), axis=1)[:, :20]
    assert tables.to_synthetic == pytest.approx(expected, abs=1e-5)
    monkeypatch.setattr(neighbours, "CHUNK_CELLS", 80 * 7)  # seven queries at a time
    again = neighbours.nearest(tables.pool.geometry, tables.synthetic.geometry, 20)
    np.testing.assert_array_equal(again, tables.to_synthetic)
    monkeypatch.setattr(neighbours, "MAX_ONE_HOT", 3)  # compared label by label
    wide = neighbours.nearest(tables.pool.geometry, tables.synthetic.geometry, 20)
    assert wide == pytest.approx(expected, abs=1e-5)


def test_a_copy_is_at_distance_zero_and_nothing_else_is(population, schema):
    tables = _four(population)
    extreme = tables["members"].copy()
    extreme.loc[0, "income"] = 1e7  # beyond the reference's largest: ranks must still differ
    extreme.loc[1, "income"] = 2e7
    near = extreme.iloc[[0]].assign(income=1.5e7)
    tables["members"], tables["synthetic"] = extreme, pd.concat([extreme.iloc[[0, 5]], near], ignore_index=True)
    distance = build(tables, schema).to_synthetic[:, 0]
    assert set(np.flatnonzero(distance == 0)) == {0, 5}
    assert distance[1] > 0


def test_missing_differs_from_any_number_but_not_from_missing():
    schema = TableSchema(columns=(Column(name="x", kind="numerical", nullable=True),))
    numbers = pd.DataFrame({"x": np.arange(21.0)})
    tables = build(
        {
            "members": pd.DataFrame({"x": [np.nan, 0.0]}),
            "nonmembers": pd.DataFrame({"x": [20.0, 10.0]}),
            "reference": numbers,
            "synthetic": pd.DataFrame({"x": [np.nan]}),
        },
        schema,
    )
    distance = tables.to_synthetic[:, 0]
    assert distance[0] == 0
    assert distance[3] == pytest.approx(0.5, abs=0.01) and distance[1] == pytest.approx(1, abs=0.03)


def test_categories_align_by_value_not_by_code():
    schema = TableSchema(columns=(Column(name="c", kind="categorical"),))
    ab, ba = pd.CategoricalDtype(["a", "b"]), pd.CategoricalDtype(["b", "a", "unused"])
    real = pd.DataFrame({"c": pd.Categorical(["a", "b"], dtype=ab)})
    synthetic = pd.DataFrame({"c": pd.Categorical(["a"], dtype=ba)})
    tables = build({"members": real, "nonmembers": real, "reference": real, "synthetic": synthetic}, schema)
    assert tables.to_synthetic[:, 0].tolist() == [0, 1, 0, 1]


def test_own_rows_are_no_neighbours_and_the_stratum_holds_the_isolated():
    columns = (Column(name="person", kind="id"), Column(name="x", kind="numerical"))
    schema = TableSchema(columns=columns, unit="person")
    rng = np.random.default_rng(0)
    x, person = np.repeat(rng.normal(size=50), 4), np.repeat(np.arange(50), 4)
    x[:4] = 40.0  # person 0 lies apart, with four equal rows of their own
    table = pd.DataFrame({"person": person, "x": x + rng.normal(scale=0.01, size=200)})
    real = pd.DataFrame({"person": np.arange(200), "x": rng.normal(size=200)})
    tables = build({"members": table, "nonmembers": real, "reference": real, "synthetic": real[["x"]]}, schema)
    assert tables.n_units == 250 and tables.member.sum() == 50
    vulnerable = tables.vulnerable(0.1, 5)
    assert vulnerable.sum() == 25 and vulnerable[0]


def test_unit_scores_are_means_over_rows():
    schema = TableSchema(columns=(Column(name="p", kind="id"), Column(name="x", kind="numerical")), unit="p")
    two = pd.DataFrame({"p": ["a", "b", "a"], "x": [1.0, 2.0, 3.0]})
    tables = build({"members": two, "nonmembers": two, "reference": two, "synthetic": two}, schema)
    assert tables.per_unit(np.array([1.0, 5, 3, 0, 8, 2])).tolist() == [2, 5, 1, 8]
    assert tables.any_of_unit(np.array([False, False, True, False, False, False])).tolist() == [True, *[False] * 3]


@pytest.mark.parametrize(("n_s", "n_r", "parts"), [(120, 60, 2), (50, 60, 1), (60, 60, 1), (500, 60, 3)])
def test_equal_parts_are_equal_and_disjoint(population, schema, n_s, n_r, parts):
    tables = build(_four(population, (20, 20, n_r, n_s)), schema)
    pairs = tables.equal_parts(3, np.random.default_rng(0))
    assert len(pairs) == parts
    assert all(len(s) == len(r) == min(n_s, n_r) for s, r in pairs)
    units = np.concatenate([s.units for s, _ in pairs])
    assert len(np.unique(units)) == len(units)


def test_unusable_tables_are_named(population, schema):
    tables = _four(population)
    with pytest.raises(TableError, match="the synthetic table has no rows"):
        build({**tables, "synthetic": tables["synthetic"].iloc[:0]}, schema)
    with pytest.raises(SchemaError, match="the synthetic table lacks column 'job'"):
        build({**tables, "synthetic": tables["synthetic"].drop(columns="job")}, schema)
    with pytest.raises(SchemaError, match="nothing to audit"):
        build(tables, TableSchema(columns=(Column(name="k", kind="id"),)))


def test_outliers_are_among_the_most_exposed_by_value_though_not_by_rank(population, schema):
    """30 of 600 members have an income beyond all others, each its own; their other values are usual."""
    given = _four(population, sizes=(600, 600, 1_200, 100), seed=3)
    given["members"] = given["members"].reset_index(drop=True)
    far = np.arange(30)
    given["members"].loc[far, "income"] = given["reference"]["income"].max() * (2.0 + far)
    tables = build(given, schema)
    assert tables.vulnerable(0.1, 5)[far].all()
    by_rank = tables.to_reference[:, :5].mean(axis=1)
    assert (by_rank[far] < np.quantile(by_rank, 0.9)).sum() >= 10  # by rank many of them look usual


def test_by_value_numbers_stand_at_widths_from_the_median(population, schema):
    given = _four(population)
    given["reference"] = given["reference"].assign(income=1.0)  # nothing lies between its percentiles: any width will do
    given["members"] = given["members"].assign(income=1.0)
    tables = build(given, schema)
    j = next(i for i, c in enumerate(tables.columns) if c.name == "income")
    known = tables.scale.by_value(tables.pool.numbers, tables.pool.geometry)
    assert np.isfinite(known.ranks).all() and (known.ranks[:60, j] == 0).all()
    k = next(i for i, c in enumerate(tables.columns) if c.name == "age")
    ages = tables.reference.numbers[:, k]
    low, middle, high = np.nanquantile(ages, (0.05, 0.5, 0.95))
    seen = tables.scale.by_value(tables.reference.numbers, tables.reference.geometry).ranks[:, k]
    assert seen == pytest.approx((ages - middle) / ((high - low) / 3.2897), nan_ok=True)

"""The tables as the three criteria read them."""

import numpy as np
import pytest

from understudy.audit.criteria.columns import MAX_COLUMNS, Targets, one_row_each
from understudy.audit.neighbours import nearest, nearest_rows
from understudy.audit.tables import build
from understudy.errors import SchemaError
from understudy.schema import Column, TableSchema


@pytest.fixture(scope="module")
def targets(clean):
    return Targets.draw(clean, np.random.default_rng(0))


def test_one_row_of_each_unit():
    units = np.array([2, 0, 0, 1, 2, 2])
    drawn = np.array([one_row_each(units, np.random.default_rng(i)) for i in range(200)])
    assert (units[drawn] == [0, 1, 2]).all()
    assert set(drawn[:, 2]) == {0, 4, 5} and set(drawn[:, 0]) == {1, 2}


def test_all_columns_together_are_the_audits_geometry(targets):
    everything = range(targets.n_columns)
    pool, synthetic = targets.pool.take(np.arange(50)), targets.tables.synthetic
    ours = nearest(targets.part(pool, everything), targets.part(synthetic, everything), 5)
    np.testing.assert_allclose(ours, nearest(pool.geometry, synthetic.geometry, 5), atol=1e-5)


def test_nearest_rows_are_the_nearest(targets):
    pool, points = (targets.part(b, [0, 1, 5]) for b in (targets.pool.take(np.arange(30)), targets.tables.synthetic))
    for k in (1, 10):
        distances, rows = nearest_rows(pool, points, k)
        np.testing.assert_array_equal(distances, nearest(pool, points, k))
        for i in range(30):
            again = [nearest(pool.take(np.array([i])), points.take(np.array([r])), 1)[0, 0] for r in rows[i]]
            np.testing.assert_allclose(again, distances[i], atol=1e-6)
            assert len(set(rows[i])) == k
    assert nearest_rows(pool, points.take(np.arange(3)), 10)[1].shape == (30, 3)


def test_cells_are_equal_where_the_columns_are(targets):
    names = targets.names(range(targets.n_columns))
    age, region = names.index("age"), names.index("region")
    exact = targets.cells(targets.pool, [age, region], None)
    frame = targets.pool.frame[["age", "region"]].astype(str)
    labels = (frame["age"] + "|" + frame["region"]).to_numpy()
    assert ((exact[:, None] == exact[None, :]) == (labels[:, None] == labels[None, :])).all()
    assert len(np.unique(targets.cells(targets.pool, [age], 10))) == 10
    income = targets.cells(targets.pool, [names.index("income")], 10)
    assert len(np.unique(income)) == 11  # missing is a cell of its own


def test_a_name_that_is_no_column_is_an_error_with_the_nearest(targets):
    assert targets.names(targets.numbered(["job", "age", "job"], "the secret")) == ("job", "age")
    with pytest.raises(SchemaError, match="the secret 'regoin' is not a column .* did you mean 'region'"):
        targets.numbered(["regoin"], "the secret")


def test_wide_tables_are_sampled_and_named_columns_stay():
    rng = np.random.default_rng(0)
    import pandas as pd

    names = [f"c{i}" for i in range(60)]
    schema = TableSchema(columns=tuple(Column(name=n, kind="numerical") for n in names))
    frame = pd.DataFrame(rng.normal(size=(20, 60)), columns=names)
    targets = Targets.draw(build(dict.fromkeys(("members", "nonmembers", "reference", "synthetic"), frame), schema), rng)
    chosen = targets.within_budget(rng, keep=[59, 3])
    assert len(chosen) == MAX_COLUMNS and {3, 59} <= set(chosen) and chosen == sorted(chosen)

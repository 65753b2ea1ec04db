from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from understudy.evaluation.aligned import Aligned, align
from understudy.evaluation.distances import closest_record, exact_copies, support
from understudy.evaluation.nearest import nearest
from understudy.schema import Column, TableSchema

People = Callable[[int, int], pd.DataFrame]


def _three(train: pd.DataFrame, holdout: pd.DataFrame, synthetic: pd.DataFrame, schema: TableSchema) -> Aligned:
    return align({"train": train, "holdout": holdout, "synthetic": synthetic}, schema)


@pytest.mark.parametrize("squared", [False, True])
def test_nearest_agrees_with_brute_force(squared: bool) -> None:
    rng = np.random.default_rng(0)
    q_num, r_num = rng.random((40, 3)).astype(np.float32), rng.random((70, 3)).astype(np.float32)
    q_code, r_code = (rng.integers(-1, 3, (n, 2)).astype(np.int32) for n in (40, 70))
    gap = np.abs(q_num[:, None].astype(float) - r_num[None])
    plain = (gap**2 if squared else gap).sum(2) + (2 if squared else 1) * (q_code[:, None] != r_code[None]).sum(2)
    distance, position = nearest((q_num, q_code), (r_num, r_code), squared=squared)
    np.testing.assert_allclose(distance, plain.min(1))
    np.testing.assert_array_equal(position, plain.argmin(1))


def test_nearest_can_leave_out_the_row_itself() -> None:
    rows = np.array([[0.0], [1.0], [1.25]], np.float32), np.empty((3, 0), np.int32)
    distance, position = nearest(rows, rows, squared=False, exclude=np.arange(3))
    assert distance.tolist() == [1.0, 0.25, 0.25]
    assert position.tolist() == [1, 2, 1]


def test_fresh_rows_are_as_near_to_train_as_to_the_holdout(people: People, schema: TableSchema) -> None:
    c = closest_record(_three(people(1000, 0), people(1000, 1), people(1000, 2), schema), np.random.default_rng(0))
    assert abs(c.share - 0.5) < 5 * c.se  # train and holdout are drawn too: .02 in all, odds below 1e-3
    assert (c.queries, c.references) == (1000, 1000)
    assert sum(c.train) == pytest.approx(1) and sum(c.holdout) == pytest.approx(1)


def test_persons_are_compared_in_equal_number() -> None:
    """Train has four times the persons of the holdout: by rows alone the share would be .57."""
    columns = (Column(name="x", kind="numerical"), Column(name="y", kind="numerical"), Column(name="p", kind="id"))
    schema = TableSchema(columns=columns, unit="p")

    def panel(n_persons: int, seed: int) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        xy = np.repeat(rng.random((n_persons, 2)), 4, axis=0) + rng.normal(0, 1e-3, (4 * n_persons, 2))
        return pd.DataFrame({"x": xy[:, 0], "y": xy[:, 1], "p": np.repeat(np.arange(n_persons), 4)})

    tables = _three(panel(2000, 0), panel(500, 1), panel(1000, 2), schema)
    # 1,000 fresh persons, 500 on either side: standard error about .03; bound 3 of them
    assert abs(closest_record(tables, np.random.default_rng(0)).share - 0.5) < 0.09


def test_copies_are_nearer_to_train(people: People, schema: TableSchema) -> None:
    train = people(1000, 0)
    c = closest_record(_three(train, people(500, 1), train, schema), np.random.default_rng(0))
    assert c.references == 500
    # half of the copied rows are among the 500 train rows compared, the rest lie as near to either side
    assert 0.7 < c.share < 0.8


def test_ties_count_half() -> None:
    schema = TableSchema(columns=(Column(name="b", kind="boolean"),))
    table = pd.DataFrame({"b": [True, False]})
    c = closest_record(_three(table, table, table, schema), np.random.default_rng(0))
    assert (c.share, c.se) == (0.5, 0)


def test_exact_copies_by_hand(schema: TableSchema, people: People) -> None:
    train, fresh = people(300, 0), people(300, 1)
    train.loc[0, ["pay", "city", "since"]] = None  # missing equals missing
    made = pd.concat([train.iloc[:30], fresh.iloc[:90]], ignore_index=True)
    made["city"] = made["city"].astype("category")
    made["person"] = -1  # not a modelled column
    copies, base = exact_copies(_three(train, fresh, made, schema))
    assert (copies, base) == (0.25, 0)


def _synthcity(real: np.ndarray, made: np.ndarray) -> tuple[float, float]:
    """`AlphaPrecision.metrics` of synthcity by plain distances: the naive alpha-precision and beta-recall."""
    levels = np.linspace(0, 1, 30)
    norm = lambda x: np.sqrt((x**2).sum(-1))  # noqa: E731
    radii = np.quantile(norm(real - real.mean(0)), levels)
    precision = (norm(made - real.mean(0))[:, None] <= radii).mean(0)
    rr = norm(real[:, None] - real[None]) + np.diag(np.full(len(real), np.inf))
    rs = norm(real[:, None] - made[None])
    reach = norm(made[rs.argmin(1)] - made.mean(0))
    inside = (rs.min(1) <= rr.min(1))[:, None] & (reach[:, None] <= np.quantile(reach, levels))
    return tuple(1 - 2 * np.abs(levels - c).sum() / 29 for c in (precision, inside.mean(0)))  # type: ignore[return-value]


def test_support_agrees_with_synthcity(people: People, schema: TableSchema) -> None:
    keep = ("age", "member", "city", "buys")
    small = TableSchema(columns=tuple(schema.column(c) for c in keep))
    train, made = people(250, 0), people(250, 3)
    made["age"] += 5
    data = _three(train, train, made, small)
    one_hot = []
    for v in (data.views[0], data.views[2]):
        low, high = train["age"].min(), train["age"].max()
        parts = [(v.numbers["age"][:, None] - low) / (high - low)]
        for name in ("member", "city", "buys"):
            parts.append(v.codes[name][:, None] == np.arange(-1, len(data.labels[name])))
        one_hot.append(np.column_stack(parts).astype(float))
    alpha, beta = _synthcity(*one_hot)
    s = support(data, np.random.default_rng(0))
    assert s is not None
    assert s.alpha_precision == pytest.approx(alpha, abs=0.003)  # rows on a radius fall to either side by rounding
    assert s.beta_recall == pytest.approx(beta, abs=0.01)  # equally near synthetic rows may be chosen differently


def test_support_of_copies_and_of_one_repeated_row(people: People, schema: TableSchema) -> None:
    train = people(400, 0)
    same = support(_three(train, train, train, schema), np.random.default_rng(0))
    assert same is not None
    assert same.alpha_precision > 0.95 and same.beta_recall > 0.95
    one = train.iloc[np.zeros(400, int)].reset_index(drop=True)
    collapsed = support(_three(train, train, one, schema), np.random.default_rng(0))
    assert collapsed is not None and collapsed.beta_recall < 0.1

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from understudy.evaluation.aligned import align
from understudy.evaluation.fidelity import (
    Fidelity,
    contingency,
    correlations,
    ks_complement,
    measure_fidelity,
    tv_complement,
)
from understudy.schema import Column, TableSchema

KINDS = {"n": "numerical", "m": "numerical", "c": "categorical", "d": "categorical", "b": "boolean", "t": "datetime"}


def _schema(kinds: dict[str, str]) -> TableSchema:
    return TableSchema(columns=tuple(Column(name=k, kind=v, nullable=True) for k, v in kinds.items()))


def _score(train: pd.DataFrame, synthetic: pd.DataFrame, kinds: dict[str, str], **options: int) -> Fidelity:
    schema = _schema(kinds)
    data = align({"train": train, "synthetic": synthetic}, schema)
    return measure_fidelity(data, schema, np.random.default_rng(0), **options)


def _days(*days: str | None) -> pd.Series:
    return pd.Series(pd.to_datetime(list(days)).astype("datetime64[ns]"))


def _cat(*values: str | None) -> pd.Categorical:
    return pd.Categorical(values)


REAL = pd.DataFrame(
    {
        "n": [1.0, 2, 2, 3, 5, 8, np.nan, 4, 6, 7],
        "m": [2, 1, 4, 3, 9, 7, 8, 5, 6, 10],
        "c": _cat(*"aabbbccaab"),
        "d": _cat(None, "x", "y", "x", "y", "y", "x", None, "x", "y"),
        "b": [True, False, True, True, False, False, True, True, False, True],
        "t": _days("2020-01-01", "2020-02-01", "2020-03-01", None, *(f"2020-{m:02}-01" for m in range(5, 11))),
    }
)
MADE = pd.DataFrame(
    {
        "n": [2.0, 2, np.nan, np.nan, 6, 7, 9, 4, 1, 3],
        "m": [1, 3, 2, 5, 8, 9, 9, 4, 6, 12],
        "c": _cat(*"aaaabbbddb"),
        "d": _cat("x", "x", "y", None, "y", "z", "x", "x", "x", "y"),
        "b": [True, True, True, False, False, True, True, True, False, True],
        "t": _days(
            "2020-01-11", "2020-02-01", "2020-02-01", "2020-05-01", None,
            "2020-06-21", "2020-07-01", "2020-11-01", "2020-09-01", "2020-12-01",
        ),
    }
)  # fmt: skip


def test_equals_the_quality_report_of_sdmetrics_0_24() -> None:
    """Every score below was printed by sdmetrics 0.24.0 for these two tables."""
    result = _score(REAL, MADE, KINDS)
    shapes = {c.name: c.score for c in result.columns}
    assert shapes == pytest.approx({"n": 0.875, "m": 0.9, "c": 0.8, "d": 5 / 6, "b": 0.9, "t": 7 / 9})
    trends = {f"{p.first}{p.second}": p.score for p in result.pairs}
    assert trends == pytest.approx(
        {
            "nm": 0.842770437413, "nc": 0.2, "nd": 0.3, "nb": 0.4, "nt": 0.665563221673,
            "mc": 0.3, "md": 0.5, "mb": 0.5, "mt": 0.985501157541,
            "cd": 0.6, "cb": 0.7, "ct": 0.4, "db": 0.6, "dt": 0.1, "bt": 0.2,
        }
    )  # fmt: skip
    assert result.shape_error == pytest.approx(15.231480106481643)
    assert result.trend_error == pytest.approx(51.37443455581789)


def test_missing_shares_are_reported_beside_the_shape() -> None:
    n = _score(REAL, MADE, KINDS).columns[0]
    assert (n.missing_train, n.missing_synthetic) == (0.1, 0.2)


def test_ks_by_hand() -> None:
    # F(2) = .5 in the first, 0 in the second
    assert ks_complement(np.array([1.0, 2, 3, 4, np.nan]), np.array([3.0, 4, 5, 6])) == 0.5


def test_tv_by_hand() -> None:
    # frequencies .5 .5 against .75 .25: half of .25 + .25
    assert tv_complement(np.array([0, 0, 1, 1, -1]), np.array([0, 0, 0, 1])) == 0.75


def test_a_column_without_synthetic_values_scores_nothing_and_without_train_values_is_left_out() -> None:
    empty = pd.DataFrame({"n": [np.nan] * 3, "c": _cat(None, None, None)})
    full = pd.DataFrame({"n": [1.0, 2, 3], "c": _cat("a", "b", "b")})
    kinds = {"n": "numerical", "c": "categorical"}
    assert _score(full, empty, kinds).shape_error == 100
    assert _score(empty, full, kinds).shape_error is None


def test_contingency_and_association_by_hand() -> None:
    a, b = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    score, v_train, v_synthetic = contingency((a, a), (a, b))
    # joint frequencies .5 0 0 .5 against .25 each
    assert score == 0.5
    assert v_train == pytest.approx(1.0)
    assert v_synthetic == 0


@pytest.mark.parametrize("labels", [3, 5_000])
def test_sparse_and_dense_contingency_agree_with_a_plain_count(labels: int) -> None:
    rng = np.random.default_rng(0)
    a, b, c, d = (rng.integers(-1, labels, 500) for _ in range(4))
    joint = [
        pd.Series(list(zip(x.tolist(), y.tolist(), strict=True))).value_counts() / 500 for x, y in ((a, b), (c, d))
    ]
    plain = 1 - joint[0].sub(joint[1], fill_value=0).abs().sum() / 2
    assert contingency((a, b), (c, d))[0] == pytest.approx(plain)


def test_correlations_agree_with_pandas_over_complete_rows() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4)) @ rng.normal(size=(4, 4))
    x[rng.random(x.shape) < 0.2] = np.nan
    x[:, 1] = 1.7e18 + 1e14 * x[:, 1]  # nanoseconds since 1970
    np.testing.assert_allclose(correlations(x), pd.DataFrame(x).corr().to_numpy(), atol=1e-6)


def test_a_constant_column_has_no_correlation_in_train_and_zero_in_synthetic() -> None:
    varied = pd.DataFrame({"n": [1.0, 2, 3], "m": [1.0, 2, 3]})
    flat = varied.assign(m=5.0)
    kinds = {"n": "numerical", "m": "numerical"}
    assert _score(flat, varied, kinds).trend_error is None
    assert _score(varied, flat, kinds).trend_error == pytest.approx(50)


def test_category_order_and_unused_categories_do_not_matter() -> None:
    a = pd.DataFrame({"c": pd.Categorical(["x", "y", "y"], categories=["x", "y"])})
    b = pd.DataFrame({"c": pd.Categorical(["y", "y", "x"], categories=["q", "y", "x", "r"])})
    assert _score(a, b, {"c": "categorical"}).shape_error == 0


def test_bins_fixed_by_train_are_not_moved_by_one_extreme_row() -> None:
    rng = np.random.default_rng(0)
    real = pd.DataFrame({"n": rng.random(1000), "c": pd.Categorical(rng.choice(["a", "b"], 1000))})
    made = real.copy()
    made.loc[0, "n"] = 100.0
    result = _score(real, made, {"n": "numerical", "c": "categorical"})
    assert result.trend_error is not None and result.trend_error > 80
    assert result.trend_error_fixed is not None and result.trend_error_fixed < 0.3


def test_wide_tables_score_a_sample_of_pairs_with_the_targets_first(people: Callable[[int, int], pd.DataFrame]) -> None:
    columns = tuple(Column(name=f"x{i}", kind="boolean") for i in range(12))
    schema = TableSchema(columns=columns, target="x5")
    table = pd.DataFrame(np.random.default_rng(0).random((50, 12)) < 0.5, columns=[c.name for c in columns])
    data = align({"train": table, "synthetic": table}, schema)
    result = measure_fidelity(data, schema, np.random.default_rng(0), max_pairs=20)
    assert (len(result.pairs), result.n_pairs) == (20, 66)
    assert sum("x5" in (p.first, p.second) for p in result.pairs) == 11

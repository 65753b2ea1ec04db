from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from understudy.evaluation.aligned import align
from understudy.evaluation.constraints import dependencies_kept
from understudy.evaluation.coverage import measure_coverage
from understudy.schema import Column, TableSchema


def test_coverage_by_hand() -> None:
    schema = TableSchema(
        columns=(
            Column(name="c", kind="categorical"),
            Column(name="n", kind="numerical"),
            Column(name="k", kind="numerical"),
            Column(name="e", kind="numerical", nullable=True),
        )
    )
    train = pd.DataFrame({"c": pd.Categorical(list("aabc")), "n": [0.0, 1, 2, 10], "k": 7.0, "e": [np.nan, 0, 1, 1]})
    made = pd.DataFrame({"c": pd.Categorical(list("aabz")), "n": [1.0, 2, 3, 8], "k": [7.0, 6, 7, 7], "e": np.nan})
    covered = measure_coverage(align({"train": train, "synthetic": made}, schema))
    assert covered.category_coverage == pytest.approx(2 / 3)
    assert dict(covered.by_column) == pytest.approx({"c": 2 / 3, "n": 0.7, "k": 1.0, "e": 0.0})
    assert covered.range_coverage == pytest.approx(1.7 / 3)


def test_coverage_is_absent_without_such_columns() -> None:
    schema = TableSchema(columns=(Column(name="b", kind="boolean"),))
    covered = measure_coverage(align({"train": pd.DataFrame({"b": [True, False]})}, schema))
    assert (covered.category_coverage, covered.range_coverage) == (1.0, None)


def test_dependencies_are_counted_in_synthetic_and_holdout() -> None:
    schema = TableSchema(
        columns=(
            Column(name="city", kind="categorical"),
            Column(name="land", kind="categorical"),
            Column(name="x", kind="numerical"),
        )
    )
    city = np.array(["Paris", "Lyon", "Rome", "Oslo"])[np.arange(400) % 4]
    land = pd.Series(city).map({"Paris": "fr", "Lyon": "fr", "Rome": "it", "Oslo": "no"}).to_numpy()
    x = np.random.default_rng(0).random(400)
    real = pd.DataFrame({"city": pd.Categorical(city), "land": pd.Categorical(land), "x": x})
    made = real.assign(land=pd.Categorical(np.where(np.arange(400) < 40, "no", land)))
    (kept,) = dependencies_kept(real, real, made, schema)
    assert (kept.determinant, kept.dependent, kept.holdout) == ("city", "land", 1.0)
    assert kept.synthetic == pytest.approx(1 - 30 / 400)  # ten of the first forty rows are Oslo's anyway

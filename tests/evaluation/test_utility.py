from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from understudy.evaluation.aligned import align
from understudy.evaluation.predictions import MAX_CLASSES
from understudy.evaluation.utility import Utility, measure_utility
from understudy.schema import Column, TableSchema

People = Callable[[int, int], pd.DataFrame]


def _utility(
    train: pd.DataFrame, holdout: pd.DataFrame, synthetic: pd.DataFrame, schema: TableSchema, target: str = "buys"
) -> Utility | None:
    data = align({"train": train, "holdout": holdout, "synthetic": synthetic}, schema)
    return measure_utility(data, target, np.random.default_rng(0))


def test_fresh_rows_teach_as_much_as_train(people: People, schema: TableSchema) -> None:
    u = _utility(people(2000, 0), people(2000, 1), people(2000, 2), schema)
    assert u is not None and u.metric == "auc"
    assert u.trtr > 0.65
    assert u.gap == pytest.approx(u.trtr - u.tstr)
    assert abs(u.gap) < 0.04  # two fits on 2,000 rows differ by about .01
    assert 0.001 < u.gap_se < 0.02


def test_a_shuffled_target_teaches_nothing(people: People, schema: TableSchema) -> None:
    made = people(1000, 2)
    made["buys"] = made["buys"].to_numpy()[np.random.default_rng(0).permutation(1000)]
    u = _utility(people(1000, 0), people(1000, 1), made, schema)
    assert u is not None
    assert abs(u.tstr - 0.5) < 0.08  # five standard errors of an AUC at 500 a side
    assert u.gap > 5 * u.gap_se


@pytest.mark.parametrize("target", ["pay", "since", "age"])
def test_a_numerical_target_is_scored_by_r2(people: People, schema: TableSchema, target: str) -> None:
    u = _utility(people(800, 0), people(800, 1), people(800, 2), schema, target)
    assert u is not None and u.metric == "r2"
    assert np.isfinite([u.tstr, u.trtr, u.gap_se]).all()
    if target == "pay":
        assert u.trtr > 0.1


def test_classes_absent_from_synthetic_are_counted_and_do_not_break_it() -> None:
    schema = TableSchema(columns=(Column(name="x", kind="numerical"), Column(name="y", kind="categorical")), target="y")
    x = np.tile(np.arange(4.0), 100)
    real = pd.DataFrame({"x": x, "y": pd.Categorical(np.array(list("abcd"))[x.astype(int)])})
    made = real[real["y"] != "d"].reset_index(drop=True)
    u = _utility(real, real, made, schema, "y")
    assert u is not None
    assert (u.n_classes, u.absent) == (4, 1)
    assert u.trtr == 1
    assert 0.7 < u.tstr < 1  # three classes are ranked, the fourth can't be: (3 * about 1 + .5) / 4
    only = _utility(real, real, real[real["y"] == "a"].reset_index(drop=True), schema, "y")
    assert only is not None and only.tstr == 0.5


def test_rare_classes_are_merged() -> None:
    schema = TableSchema(columns=(Column(name="x", kind="numerical"), Column(name="y", kind="categorical")), target="y")
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.random(400), "y": pd.Categorical([f"k{i % 40}" for i in range(400)])})
    u = _utility(table, table, table, schema, "y")
    assert u is not None
    assert u.merged == 40 - MAX_CLASSES
    assert u.n_classes == MAX_CLASSES + 1


def test_nothing_to_score_gives_none(people: People, schema: TableSchema) -> None:
    table = people(60, 0)
    one_class = table[table["buys"] == "yes"].reset_index(drop=True)
    assert _utility(table, one_class, table, schema) is None
    assert _utility(table, table.assign(age=30), table, schema, "age") is None
    alone = TableSchema(columns=(schema.column("buys"),), target="buys")
    assert _utility(table, table, table, alone) is None

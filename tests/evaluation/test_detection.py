from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from understudy.evaluation.aligned import align
from understudy.evaluation.detection import Detection, measure_detection
from understudy.schema import Column, TableSchema

People = Callable[[int, int], pd.DataFrame]


def _detect(holdout: pd.DataFrame, synthetic: pd.DataFrame, schema: TableSchema) -> Detection | None:
    data = align({"train": holdout, "holdout": holdout, "synthetic": synthetic}, schema)
    return measure_detection(data, np.random.default_rng(0))


def test_fresh_real_rows_are_not_detected(people: People, schema: TableSchema) -> None:
    found = _detect(people(1000, 1), people(1000, 2), schema)
    assert found is not None
    assert abs(found.auc - 0.5) < 4 * found.se  # odds of about 6e-5, and the seeds are fixed
    # DeLong at 1,000 a side under the null is sqrt(1/6/1000) = .0129, times 1.5 for five folds
    assert found.se == pytest.approx(0.0194, rel=0.1)


def test_a_shifted_column_is_detected_and_named(people: People, schema: TableSchema) -> None:
    synthetic = people(600, 2)
    synthetic["pay"] = synthetic["pay"] * 1.5
    found = _detect(people(1000, 1), synthetic, schema)
    assert found is not None
    assert found.auc > 0.65
    assert found.importances[0][0] == "pay"
    assert found.rows == 600
    assert found.fpr[0] == 0 and found.tpr[-1] == 1
    area = np.trapezoid(found.tpr, found.fpr)
    assert abs(area - found.auc) < 0.01


def test_broken_dependence_alone_is_detected(people: People, schema: TableSchema) -> None:
    synthetic = people(1000, 2)
    rng = np.random.default_rng(0)
    synthetic = pd.DataFrame({c: synthetic[c].iloc[rng.permutation(1000)].to_numpy() for c in synthetic})
    synthetic = synthetic.astype({"city": "category", "buys": "category", "member": bool})
    found = _detect(people(1000, 1), synthetic, schema)
    assert found is not None and found.auc > 0.6


def test_several_rows_of_a_person_do_not_give_fresh_rows_away() -> None:
    """Folds by row would let the trees learn the holdout's persons: an AUC of about .8 instead of .5."""
    schema = TableSchema(
        columns=(Column(name="p", kind="id"), *(Column(name=f"x{i}", kind="numerical") for i in range(3))), unit="p"
    )

    def panel(seed: int, rows: int) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        table = pd.DataFrame(rng.random((150, 3)), columns=["x0", "x1", "x2"]).assign(p=np.arange(150))
        return table.loc[np.repeat(np.arange(150), rows)].reset_index(drop=True)

    rng = np.random.default_rng(9)
    fresh = pd.DataFrame(rng.random((1500, 3)), columns=["x0", "x1", "x2"])
    found = _detect(panel(1, 10), fresh, schema)
    assert found is not None
    assert found.auc < 0.6
    blind = _detect(panel(1, 10), fresh, schema.model_copy(update={"unit": None}))
    assert blind is not None and blind.auc > 0.75
    assert found.se > blind.se  # 150 persons are not 1,500 rows


def test_too_few_rows_are_not_scored(people: People, schema: TableSchema) -> None:
    assert _detect(people(9, 1), people(100, 2), schema) is None


def test_the_classifier_can_be_replaced(people: People, schema: TableSchema) -> None:
    masks = []

    class Constant:
        classes_ = np.array([False, True])

        def fit(self, x: np.ndarray, y: np.ndarray) -> None:
            assert x.shape == (160, 6) and y.sum() == 80

        def predict_proba(self, x: np.ndarray) -> np.ndarray:
            return np.full((len(x), 2), 0.5)

    def make(categorical: np.ndarray, seed: int) -> Constant:
        masks.append(categorical.tolist())
        return Constant()

    data = align({"train": people(9, 0), "holdout": people(100, 1), "synthetic": people(100, 2)}, schema)
    found = measure_detection(data, np.random.default_rng(0), make_classifier=make)
    assert found is not None and found.auc == 0.5
    assert masks == [[False, False, True, True, False, True]] * 5

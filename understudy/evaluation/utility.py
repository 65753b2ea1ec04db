"""Utility: boosted trees trained on synthetic, tested on real rows (TSTR), against trained on real (TRTR).

A categorical or boolean target is scored by AUC (macro one-vs-rest beyond two classes), a numerical or datetime one
by R2. The gap is TRTR - TSTR on the same holdout rows; its standard error is paired and clustered by
privacy unit, and covers the choice of the holdout, not that of the training rows. Esteban et al., arXiv 1706.02633.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from understudy.evaluation import stats
from understudy.evaluation.aligned import Aligned
from understudy.evaluation.boosting import MakeClassifier, classifier
from understudy.evaluation.predictions import Predictions, predict


@dataclass(frozen=True)
class Utility:
    """Attributes:
    target: the predicted column.
    metric: `auc` or `r2`.
    tstr, trtr, gap, gap_se: the scores, trtr - tstr and its standard error.
    rows: rows each model was trained on.
    n_classes: classes that were scored (0 for a numerical target).
    merged: classes beyond the 20 most frequent, predicted as one.
    absent: classes of the holdout that no synthetic row has.
    """

    target: str
    metric: Literal["auc", "r2"]
    tstr: float
    trtr: float
    gap: float
    gap_se: float
    rows: int
    n_classes: int = 0
    merged: int = 0
    absent: int = 0


def measure_utility(
    data: Aligned,
    target: str,
    rng: np.random.Generator,
    make_classifier: MakeClassifier = classifier,
) -> Utility | None:
    """TSTR and TRTR of `data.views` = (train, holdout, synthetic); None where `predict` finds nothing to score."""
    made = predict(data, target, rng, make_classifier)
    return score(made) if made is not None else None


def score(made: Predictions) -> Utility:
    """TSTR and TRTR on all holdout rows."""
    both = made.scores()
    assert both is not None, "predict makes none of a target that can't be scored"
    (tstr, made_influence), (trtr, real_influence) = both
    return Utility(
        target=made.target,
        metric=made.metric,
        tstr=tstr,
        trtr=trtr,
        gap=trtr - tstr,
        gap_se=stats.standard_error(real_influence - made_influence, made.holdout.units),
        rows=made.rows,
        n_classes=len(np.unique(made.truth)) if made.metric == "auc" else 0,
        merged=made.merged,
        absent=made.absent,
    )

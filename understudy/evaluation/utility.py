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
from understudy.evaluation.aligned import Aligned, View, within_one
from understudy.evaluation.boosting import (
    MakeClassifier,
    classifier,
    features,
    in_parallel,
    regressor,
    seed_from,
    without_empty,
)

MAX_CLASSES = 20


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
    """TSTR and TRTR of `data.views` = (train, holdout, synthetic).

    The longer of train and synthetic is subsampled to the length of the shorter. None when the target or the
    rest of the table leaves nothing to score (a single class, a constant, no other column).
    """
    names = [c.name for c in data.columns if c.name != target]
    train, holdout, synthetic = (v.take(np.flatnonzero(~v.missing(target))) for v in data.views)
    n = min(train.n_rows, synthetic.n_rows)
    if not names or n < 2 or holdout.n_rows < 2:
        return None
    train, synthetic = train.sample(n, rng), synthetic.sample(n, rng)
    if target in data.labels:
        return _classes(data, target, names, (train, holdout, synthetic), rng, make_classifier)
    return _quantity(data, target, names, (train, holdout, synthetic), rng)


def _classes(
    data: Aligned,
    target: str,
    names: list[str],
    views: tuple[View, View, View],
    rng: np.random.Generator,
    make_classifier: MakeClassifier,
) -> Utility | None:
    """AUC. Labels are ordered by their frequency in train, so the rare ones are the last."""
    n_labels = len(data.labels[target])
    truths = [np.minimum(v.codes[target], MAX_CLASSES) for v in views]
    truth = truths[1]
    classes = [k for k in np.unique(truth) if 0 < (truth == k).sum() < len(truth)]
    if len(classes) == 2:
        classes = classes[:1]  # two classes have one AUC
    if not classes:
        return None
    x_test, _ = features(views[1], data, names)

    def run(at: tuple[View, np.ndarray, int]) -> np.ndarray:
        return _class_scores(*at, data, names, x_test, make_classifier)

    tasks = [(views[2], truths[2], seed_from(rng)), (views[0], truths[0], seed_from(rng))]
    areas, psi = [], []
    for scores in in_parallel(run, tasks):
        parts = [stats.auc(truth == k, scores[:, k]) for k in classes]
        areas.append(float(np.mean([a for a, _ in parts])))
        psi.append(np.mean([i for _, i in parts], axis=0))
    return Utility(
        target=target,
        metric="auc",
        tstr=areas[0],
        trtr=areas[1],
        gap=areas[1] - areas[0],
        gap_se=stats.standard_error(psi[1] - psi[0], views[1].units),
        rows=views[0].n_rows,
        n_classes=len(np.unique(truth)),
        merged=max(n_labels - MAX_CLASSES, 0) if n_labels > MAX_CLASSES + 1 else 0,
        absent=len(np.setdiff1d(truth, truths[2])),
    )


def _class_scores(
    view: View,
    labels: np.ndarray,
    seed: int,
    data: Aligned,
    names: list[str],
    x_test: np.ndarray,
    make_classifier: MakeClassifier,
) -> np.ndarray:
    """(n_test, MAX_CLASSES + 1) probabilities; a class that `labels` lack has 0 throughout, an AUC of 0.5."""
    scores = np.zeros((len(x_test), MAX_CLASSES + 1))
    present = np.unique(labels)
    if len(present) == 1:
        scores[:, present[0]] = 1.0
        return scores
    x, categorical = features(view, data, names)
    x, x_test = without_empty(x, x_test)
    model = make_classifier(categorical, seed)
    model.fit(x, labels)
    scores[:, np.asarray(model.classes_, int)] = model.predict_proba(x_test)
    return scores


def _quantity(
    data: Aligned, target: str, names: list[str], views: tuple[View, View, View], rng: np.random.Generator
) -> Utility | None:
    numbers = within_one(np.concatenate([v.numbers[target] for v in views]))
    train, truth, synthetic = np.split(numbers, np.cumsum([v.n_rows for v in views[:2]]))
    centre, scale = truth.mean(), truth.std()
    if truth.min() == truth.max():
        return None
    truth = (truth - centre) / scale  # nanoseconds squared would lose every digit
    x_test, _ = features(views[1], data, names)

    def run(at: tuple[View, np.ndarray, int]) -> np.ndarray:
        x, categorical = features(at[0], data, names)
        x, tested = without_empty(x, x_test)
        model = regressor(categorical, at[2])
        model.fit(x, (at[1] - centre) / scale)
        return model.predict(tested)

    tasks = [(views[2], synthetic, seed_from(rng)), (views[0], train, seed_from(rng))]
    parts = [stats.r2(truth, guess) for guess in in_parallel(run, tasks)]
    (scores, psi) = zip(*parts, strict=True)
    return Utility(
        target=target,
        metric="r2",
        tstr=scores[0],
        trtr=scores[1],
        gap=scores[1] - scores[0],
        gap_se=stats.standard_error(psi[1] - psi[0], views[1].units),
        rows=views[0].n_rows,
    )

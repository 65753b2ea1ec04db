"""What a model trained on synthetic rows and one trained on real rows predict of the same holdout rows.

Both are fitted once, by default boosted trees over all columns but the target; utility scores them over the whole
holdout, fairness within groups of it.
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
Score = tuple[float, np.ndarray]
"""A score and the influence of each row on it; see `stats`."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """The holdout's truth and two models' predictions of it.

    Attributes:
        target: the predicted column.
        metric: how they are scored: `auc` or `r2`.
        holdout: the holdout rows whose target is known.
        truth: (n,) class codes, the rarest merged into code MAX_CLASSES; or the target, standardised by the holdout's
            mean and standard deviation.
        synthetic, real: of the model trained on synthetic and on real rows: (n, MAX_CLASSES + 1) probabilities of the
            classes, or (n,) predictions on the scale of `truth`.
        rows: rows each model was trained on.
        merged: classes beyond the 20 most frequent, predicted as one.
        absent: classes of the holdout that no synthetic row has.
    """

    target: str
    metric: Literal["auc", "r2"]
    holdout: View
    truth: np.ndarray
    synthetic: np.ndarray
    real: np.ndarray
    rows: int
    merged: int = 0
    absent: int = 0

    def scores(self) -> tuple[Score, Score] | None:
        """TSTR and TRTR on all holdout rows: AUC, the mean of one-vs-rest beyond two classes, or R2.

        None where there is nothing to score: a single class, or a constant.
        """
        if self.metric == "auc":
            return self.areas(np.arange(len(self.truth)), 1)
        if self.truth.min() == self.truth.max():
            return None
        return stats.r2(self.truth, self.synthetic), stats.r2(self.truth, self.real)

    def areas(self, rows: np.ndarray, least: int) -> tuple[Score, Score] | None:
        """TSTR and TRTR as AUC on the rows at positions `rows`, over classes that `least` of them have and lack."""
        truth = self.truth[rows]
        found, counts = np.unique(truth, return_counts=True)
        classes = found[(counts >= least) & (len(truth) - counts >= least)]
        if len(found) == 2:
            classes = classes[:1]  # two classes have one AUC
        if not len(classes):
            return None
        return _area(truth, self.synthetic[rows], classes), _area(truth, self.real[rows], classes)


def predict(
    data: Aligned,
    target: str,
    rng: np.random.Generator,
    make_classifier: MakeClassifier = classifier,
) -> Predictions | None:
    """Fit both models on `data.views` = (train, holdout, synthetic) and predict the holdout.

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


def _area(truth: np.ndarray, scores: np.ndarray, classes: np.ndarray) -> Score:
    parts = [stats.auc(truth == k, scores[:, k]) for k in classes]
    return float(np.mean([a for a, _ in parts])), np.mean([i for _, i in parts], axis=0)


def _classes(
    data: Aligned,
    target: str,
    names: list[str],
    views: tuple[View, View, View],
    rng: np.random.Generator,
    make_classifier: MakeClassifier,
) -> Predictions | None:
    """Labels are ordered by their frequency in train, so the rare ones are the last."""
    n_labels = len(data.labels[target])
    truths = [np.minimum(v.codes[target], MAX_CLASSES) for v in views]
    if len(np.unique(truths[1])) < 2:
        return None
    x_test, _ = features(views[1], data, names)

    def run(at: tuple[View, np.ndarray, int]) -> np.ndarray:
        return _class_scores(*at, data, names, x_test, make_classifier)

    tasks = [(views[2], truths[2], seed_from(rng)), (views[0], truths[0], seed_from(rng))]
    synthetic, real = in_parallel(run, tasks)
    return Predictions(
        target=target,
        metric="auc",
        holdout=views[1],
        truth=truths[1],
        synthetic=synthetic,
        real=real,
        rows=views[0].n_rows,
        merged=max(n_labels - MAX_CLASSES, 0) if n_labels > MAX_CLASSES + 1 else 0,
        absent=len(np.setdiff1d(truths[1], truths[2])),
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
) -> Predictions | None:
    numbers = within_one(np.concatenate([v.numbers[target] for v in views]))
    train, truth, synthetic = np.split(numbers, np.cumsum([v.n_rows for v in views[:2]]))
    centre, scale = truth.mean(), truth.std()
    if truth.min() == truth.max():
        return None
    x_test, _ = features(views[1], data, names)

    def run(at: tuple[View, np.ndarray, int]) -> np.ndarray:
        x, categorical = features(at[0], data, names)
        x, tested = without_empty(x, x_test)
        model = regressor(categorical, at[2])
        model.fit(x, (at[1] - centre) / scale)  # nanoseconds squared would lose every digit
        return model.predict(tested)

    tasks = [(views[2], synthetic, seed_from(rng)), (views[0], train, seed_from(rng))]
    made, real = in_parallel(run, tasks)
    return Predictions(target, "r2", views[1], (truth - centre) / scale, made, real, views[0].n_rows)

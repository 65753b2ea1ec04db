"""What a model trained on synthetic rows and one trained on real rows predict of the same holdout rows.

Both are fitted once, by default boosted trees over all columns but the target; utility scores them over the whole
holdout, fairness within groups of it. Models refitted on parts of the real rows tell how much the choice of the rows
that are learnt matters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from understudy.evaluation import stats
from understudy.evaluation.aligned import Aligned, View
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
N_REFITS = 8
_REFIT_ROWS, _LEAST_REFIT_ROWS = 20_000, 2_000
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
        train: the real rows that were learnt.
        learn: (rows to learn, seed) -> predictions as in `real`.
    """

    target: str
    metric: Literal["auc", "r2"]
    holdout: View
    truth: np.ndarray
    synthetic: np.ndarray
    real: np.ndarray
    rows: int
    train: View
    learn: Callable[[View, int], np.ndarray]
    merged: int = 0
    absent: int = 0

    def scores(self) -> tuple[Score, Score] | None:
        """TSTR and TRTR on all holdout rows: AUC, the mean of one-vs-rest beyond two classes, or R2.

        None where there is nothing to score: a single class, or a constant.
        """
        if self.metric == "r2":
            if self.truth.min() == self.truth.max():
                return None
            return stats.r2(self.truth, self.synthetic), stats.r2(self.truth, self.real)
        everything = np.arange(len(self.truth))
        made, real = (self.area(p, everything, 1) for p in (self.synthetic, self.real))
        return (made, real) if made is not None and real is not None else None

    def area(self, predicted: np.ndarray, rows: np.ndarray, least: int) -> Score | None:
        """The AUC of `predicted` (n, n_classes) on the rows at positions `rows`, over the classes that `least` of them
        have and as many lack; None without any."""
        truth, predicted = self.truth[rows], predicted[rows]
        found, counts = np.unique(truth, return_counts=True)
        classes = found[(counts >= least) & (len(truth) - counts >= least)]
        if len(found) == 2:
            classes = classes[:1]  # two classes have one AUC
        if not len(classes):
            return None
        parts = [stats.auc(truth == k, predicted[:, k]) for k in classes]
        return float(np.mean([a for a, _ in parts])), np.mean([i for _, i in parts], axis=0)

    def refits(self, rng: np.random.Generator) -> Refits:
        """Models of random halves (at most 20,000 rows, fewer with many classes) of the real rows' units."""
        n_classes = len(np.unique(self.truth)) if self.metric == "auc" else 2
        units = np.arange(self.train.n_rows) if self.train.units is None else self.train.units
        keys, unit = np.unique(units, return_inverse=True)
        most = max(_REFIT_ROWS * 2 // max(n_classes, 2), _LEAST_REFIT_ROWS) / self.train.n_rows
        m = max(int(len(keys) * min(0.5, most)), 1)
        tasks = []
        for _ in range(N_REFITS):
            chosen = np.zeros(len(keys), bool)
            chosen[rng.choice(len(keys), m, replace=False)] = True
            tasks.append((self.train.take(np.flatnonzero(chosen[unit])), seed_from(rng)))
        made = tuple(in_parallel(lambda task: self.learn(*task), tasks))
        return Refits(tuple(replace(self, synthetic=p) for p in made), m / max(len(keys) - m, 1))


@dataclass(frozen=True, eq=False)
class Refits:
    """Models that learnt parts of the real rows.

    Attributes:
        models: each in the place of the model trained on synthetic rows.
        factor: times the variance of a figure over `models`, it is the variance that the choice of all the training
            rows gives the figure (delete-d jackknife: Shao and Wu, Ann. Stat. 17, 1989).
    """

    models: tuple[Predictions, ...]
    factor: float

    def variance(self, figures: np.ndarray) -> np.ndarray:
        """The variance from the choice of training rows, (...), of figures (n_models, ...)."""
        return self.factor * figures.var(axis=0, ddof=1)


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

    def learn(view: View, seed: int) -> np.ndarray:
        labels = np.minimum(view.codes[target], MAX_CLASSES)
        return _class_scores(view, labels, seed, data, names, x_test, make_classifier)

    synthetic, real = _both(learn, views, rng)
    return Predictions(
        target=target,
        metric="auc",
        holdout=views[1],
        truth=truths[1],
        synthetic=synthetic,
        real=real,
        rows=views[0].n_rows,
        train=views[0],
        learn=learn,
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
    largest = max(float(np.abs(v.numbers[target]).max()) for v in views) or 1.0
    truth = views[1].numbers[target] / largest  # neither squares nor sums may overflow
    centre, scale = truth.mean(), truth.std()
    if truth.min() == truth.max():
        return None
    x_test, _ = features(views[1], data, names)

    def learn(view: View, seed: int) -> np.ndarray:
        x, categorical = features(view, data, names)
        x, tested = without_empty(x, x_test)
        model = regressor(categorical, seed)
        model.fit(x, (view.numbers[target] / largest - centre) / scale)  # nanoseconds squared would lose every digit
        return np.asarray(model.predict(tested))

    made, real = _both(learn, views, rng)
    return Predictions(
        target, "r2", views[1], (truth - centre) / scale, made, real, views[0].n_rows, train=views[0], learn=learn
    )


def _both(
    learn: Callable[[View, int], np.ndarray], views: tuple[View, View, View], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """What the models of synthetic and of real rows predict."""
    tasks = [(views[2], seed_from(rng)), (views[0], seed_from(rng))]
    synthetic, real = in_parallel(lambda task: learn(*task), tasks)
    return synthetic, real

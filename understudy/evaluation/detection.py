"""C2ST: can boosted trees tell synthetic rows from fresh real rows (the holdout)?

Classifier two-sample test of Lopez-Paz and Oquab (arXiv 1610.06545), reported as a cross-validated AUC:
0.5 = indistinguishable. Compared with the holdout and not with train, so that copying is no advantage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from understudy.evaluation import stats
from understudy.evaluation.aligned import Aligned, View
from understudy.evaluation.boosting import MakeClassifier, classifier, features, seed_from

FOLDS = 5
_MAX_IMPORTANCES = 60


@dataclass(frozen=True)
class Detection:
    """Attributes:
    auc, se: mean of the folds' AUCs and its standard error (DeLong, clustered by privacy unit).
    rows: rows of each side that were compared.
    importances: (column, loss of AUC when the column is shuffled), highest first: what gives it away.
    fpr, tpr: the ROC curve; synthetic is the positive class.
    """

    auc: float
    se: float
    rows: int
    importances: tuple[tuple[str, float], ...]
    fpr: tuple[float, ...]
    tpr: tuple[float, ...]


def measure_detection(
    data: Aligned,
    rng: np.random.Generator,
    make_classifier: MakeClassifier = classifier,
    progress: Callable[[float], None] | None = None,
) -> Detection | None:
    """The last view of `data` (synthetic) against the last but one (holdout), in equal numbers.

    All rows of one privacy unit are in the same fold: else the trees recognise a person, not a fake.
    None when a side has fewer than ten rows or units.
    """
    holdout, synthetic = data.views[-2], data.views[-1]
    n = min(holdout.n_rows, synthetic.n_rows)
    holdout, synthetic = holdout.sample(n, rng), synthetic.sample(n, rng)
    fold = np.concatenate([_folds(holdout, rng), _folds(View(n, {}, {}), rng)])
    if n < 2 * FOLDS or len(np.unique(fold[:n])) < FOLDS:
        return None
    names = [c.name for c in data.columns]
    x_real, categorical = features(holdout, data, names)
    x_made, _ = features(synthetic, data, names)
    x = np.vstack([x_real, x_made])
    made = np.arange(2 * n) >= n
    units = np.arange(2 * n) + (0 if holdout.units is None else int(holdout.units.max()) + 1)
    if holdout.units is not None:
        units[:n] = holdout.units
    areas, influence, rank = [], np.zeros(2 * n), np.zeros(2 * n)
    losses = np.zeros(len(names))
    shuffled = _to_shuffle(x, len(names), rng)
    for k in range(FOLDS):
        test = fold == k
        model = make_classifier(categorical, seed_from(rng))
        model.fit(x[~test], made[~test])
        score = model.predict_proba(x[test])[:, 1]
        area, psi = stats.auc(made[test], score)
        areas.append(area)
        influence[test] = psi / FOLDS
        rank[test] = stats.midranks(score) / test.sum()  # folds differ in calibration: pool their ranks
        for j in shuffled:
            mixed = x[test]
            mixed[:, j] = rng.permutation(mixed[:, j])
            losses[j] += (area - stats.auc(made[test], model.predict_proba(mixed)[:, 1])[0]) / FOLDS
        if progress is not None:
            progress((k + 1) / FOLDS)
    fpr, tpr = stats.roc(made, rank)
    top = sorted(shuffled, key=lambda j: -losses[j])
    return Detection(
        auc=float(np.mean(areas)),
        se=stats.standard_error(influence, units),
        rows=n,
        importances=tuple((names[j], float(losses[j])) for j in top),
        fpr=tuple(fpr.tolist()),
        tpr=tuple(tpr.tolist()),
    )


def _folds(view: View, rng: np.random.Generator) -> np.ndarray:
    """(n_rows,) fold of each row, even in size, whole units together."""
    if view.units is None:
        return rng.permutation(view.n_rows) % FOLDS
    units, inverse = np.unique(view.units, return_inverse=True)
    return (rng.permutation(len(units)) % FOLDS)[inverse]


def _to_shuffle(x: np.ndarray, n_columns: int, rng: np.random.Generator) -> list[int]:
    """Which columns' importance is measured: all that vary, or a random choice of a wide table's."""
    varying = [j for j in range(n_columns) if len(np.unique(x[:, j])) > 1]
    if len(varying) > _MAX_IMPORTANCES:
        varying = sorted(rng.choice(varying, _MAX_IMPORTANCES, replace=False).tolist())
    return varying

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
from understudy.evaluation.boosting import (
    Classifier,
    MakeClassifier,
    classifier,
    features,
    in_parallel,
    seed_from,
    without_empty,
)

FOLDS = 5
# The folds' models share training rows, so their AUCs are correlated and DeLong's error of the mean is too small (by a
# factor of 1.33 to 1.38 in simulation, with and without a difference). The correction of Nadeau and Bengio, Machine
# Learning 52 (2003), for 1/5 of the rows tested errs on the safe side.
_SHARED_ROWS = float(np.sqrt(1 + FOLDS / (FOLDS - 1)))
_MAX_IMPORTANCES = 60
_IMPORTANCE_CELLS = 500_000  # of a wide table fewer rows are shuffled: each of the 60 predictions reads all columns


@dataclass(frozen=True)
class Detection:
    """Attributes:
    auc, se: mean of the folds' AUCs and its standard error (DeLong, clustered by privacy unit,
        corrected for the rows that the folds share).
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
    x, made = np.vstack([x_real, x_made]), np.arange(2 * n) >= n
    shuffled = _to_shuffle(x, rng)

    def run(at: tuple[int, np.random.Generator]) -> tuple[np.ndarray, np.ndarray]:
        test, own = fold == at[0], at[1]
        x_fit, x_test = without_empty(x[~test], x[test])
        model = make_classifier(categorical, seed_from(own))
        model.fit(x_fit, made[~test])
        return _score(model, x_test, made[test], shuffled, own)

    areas, influence, rank, losses = [], np.zeros(2 * n), np.zeros(2 * n), np.zeros(len(shuffled))
    for k, (score, loss) in enumerate(in_parallel(run, enumerate(rng.spawn(FOLDS)))):
        test = fold == k
        area, psi = stats.auc(made[test], score)
        areas.append(area)
        influence[test] = psi / FOLDS
        rank[test] = stats.midranks(score) / test.sum()  # folds differ in calibration: pool their ranks
        losses += loss / FOLDS
        if progress is not None:
            progress((k + 1) / FOLDS)
    fpr, tpr = stats.roc(made, rank)
    return Detection(
        auc=float(np.mean(areas)),
        se=_SHARED_ROWS * stats.standard_error(influence, _units(holdout, n)),
        rows=n,
        importances=tuple((names[shuffled[i]], float(losses[i])) for i in np.argsort(-losses, kind="stable")),
        fpr=tuple(fpr.tolist()),
        tpr=tuple(tpr.tolist()),
    )


def _score(
    model: Classifier, x: np.ndarray, made: np.ndarray, shuffled: list[int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) scores of unseen rows, and the AUC that is lost when each of the columns is shuffled, in some rows."""
    score = model.predict_proba(x)[:, 1]
    losses = np.zeros(len(shuffled))
    if x.size > _IMPORTANCE_CELLS:
        some = rng.permutation(len(x))[: max(_IMPORTANCE_CELLS // x.shape[1], 500)]
        x, made, known = x[some], made[some], score[some]
    else:
        known = score
    area, _ = stats.auc(made, known)
    for i, j in enumerate(shuffled):
        mixed = x.copy()
        mixed[:, j] = rng.permutation(mixed[:, j])
        losses[i] = area - stats.auc(made, model.predict_proba(mixed)[:, 1])[0]
    return score, losses


def _units(holdout: View, n: int) -> np.ndarray:
    """(2n,) privacy unit of each row; a synthetic row is a unit of its own."""
    if holdout.units is None:
        return np.arange(2 * n)
    return np.concatenate([holdout.units, int(holdout.units.max()) + 1 + np.arange(n)])


def _folds(view: View, rng: np.random.Generator) -> np.ndarray:
    """(n_rows,) fold of each row, even in size, whole units together."""
    if view.units is None:
        return rng.permutation(view.n_rows) % FOLDS
    units, inverse = np.unique(view.units, return_inverse=True)
    return (rng.permutation(len(units)) % FOLDS)[inverse]


def _to_shuffle(x: np.ndarray, rng: np.random.Generator) -> list[int]:
    """Which columns' importance is measured: all that vary, or a random choice of a wide table's."""
    varying = [j for j in range(x.shape[1]) if len(np.unique(x[:, j])) > 1]
    if len(varying) > _MAX_IMPORTANCES:
        varying = sorted(rng.choice(varying, _MAX_IMPORTANCES, replace=False).tolist())
    return varying

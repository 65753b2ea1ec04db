"""AUC and R2 with influence values, so that one rule gives every standard error, clustered or paired.

The influence value of a row is its first-order contribution to the error of a metric: the sum of
squares over independent units is the metric's variance, and the influence of a difference of two
metrics on the same rows is the difference of the influences (which makes a comparison paired).
For the AUC this is the variance of DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988), in the
mid-rank form of Sun and Xu, IEEE Signal Processing Letters 21 (2014).
"""

from __future__ import annotations

import numpy as np


def midranks(values: np.ndarray) -> np.ndarray:
    """(n,) ranks from 1, ties sharing their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def auc(positive: np.ndarray, score: np.ndarray) -> tuple[float, np.ndarray]:
    """The area under the ROC curve and the influence of each row.

    Args:
        positive: (n,) bool.
        score: (n,) float, higher = more positive; ties count half.

    Returns:
        The AUC and (n,) influence values, so that `sum(influence**2)` is DeLong's variance.
        (NaN, zeros) when one of the classes is empty.
    """
    m, n = int(positive.sum()), int((~positive).sum())
    influence = np.zeros(len(score))
    if m == 0 or n == 0:
        return float("nan"), influence
    overall = midranks(score)
    v_pos = (overall[positive] - midranks(score[positive])) / n  # (m,) share of negatives below each positive
    v_neg = 1 - (overall[~positive] - midranks(score[~positive])) / m  # (n,) share of positives above each negative
    area = float(v_pos.mean())
    influence[positive] = (v_pos - area) / np.sqrt(m * max(m - 1, 1))
    influence[~positive] = (v_neg - area) / np.sqrt(n * max(n - 1, 1))
    return area, influence


def r2(truth: np.ndarray, predicted: np.ndarray) -> tuple[float, np.ndarray]:
    """The coefficient of determination and the influence of each row (delta method).

    (NaN, zeros) when the truth is constant.
    """
    n = len(truth)
    centred = (truth - truth.mean()) ** 2
    error = (truth - predicted) ** 2
    total = float(centred.mean())
    if total == 0:
        return float("nan"), np.zeros(n)
    ratio = float(error.mean()) / total
    return 1 - ratio, (ratio * centred - error) / total / n


def standard_error(influence: np.ndarray, units: np.ndarray | None = None) -> float:
    """The standard error of the metric with these influence values.

    Args:
        influence: (n,) float.
        units: (n,) integer keys; rows of one unit are not independent and are summed first.
    """
    if units is not None:
        _, inverse = np.unique(units, return_inverse=True)
        influence = np.bincount(inverse, weights=influence)
    return float(np.sqrt(np.sum(influence**2)))


def roc(positive: np.ndarray, score: np.ndarray, points: int = 201) -> tuple[np.ndarray, np.ndarray]:
    """The ROC curve at `points` evenly spaced false positive rates: (points,) fpr, (points,) tpr."""
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)  # ties enter together
    tpr = np.append(0.0, np.cumsum(positive[order])[ends] / max(positive.sum(), 1))
    fpr = np.append(0.0, np.cumsum(~positive[order])[ends] / max((~positive).sum(), 1))
    grid = np.linspace(0, 1, points)
    return grid, np.interp(grid, fpr, tpr)

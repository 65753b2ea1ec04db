"""Which of many categories belong in one bucket: those whose rows look alike in the other columns.

A column of thousands of categories has 254 tokens, so most categories share one, and within a token nothing relates
them to the other columns. So buckets are clusters of the categories' mean rows: each other column is scaled by
the share of its variance that the categories explain beyond chance (the intraclass correlation), and means of few
units are shrunk to the overall one, and Lloyd's algorithm starts from equal masses along the first principal axis.
There is nothing random in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MAX_FEATURES = 48
ROUNDS = 12
PRIOR = 5.0  # units: how far the mean row of a category is shrunk
CODE_WIDTH = 8  # features that stand for the tokens of one other categorical column


def buckets(
    label: np.ndarray, n_labels: int, features: Sequence[np.ndarray], units: np.ndarray, n_buckets: int
) -> np.ndarray | None:
    """The bucket of each label, (n_labels,) int64 below `n_buckets`; None if no feature tells labels apart.

    Args:
        label: (n_rows,) int, -1 where a row has none of the labels.
        features: of the other columns, each (n_rows,) float.
        units: (n_rows,) weight of each row, so that sums count privacy units.
    """
    rows = label >= 0
    label, units = label[rows], units[rows]
    mass = np.bincount(label, weights=units, minlength=n_labels)
    means = [_scaled_means(label, mass, f[rows], units) for f in features[:MAX_FEATURES]]
    kept = [m for m in means if m is not None]
    if not kept or n_labels <= n_buckets:
        return None
    return _lloyd(np.column_stack(kept), mass + 1e-9, n_buckets)


def _scaled_means(label: np.ndarray, mass: np.ndarray, x: np.ndarray, units: np.ndarray) -> np.ndarray | None:
    """The mean of each label, (n_labels,), shrunk to 0 and scaled by the feature's signal; None if there is none."""
    total = mass.sum()
    x = x - np.average(x, weights=units)
    variance = float(np.average(x**2, weights=units))
    if variance <= 0:
        return None
    mean = np.bincount(label, weights=x * units, minlength=len(mass)) / np.maximum(mass, 1e-9)
    between = float((mass * mean**2).sum() / total) / variance
    freedom = max(int(np.count_nonzero(mass)) - 1, 1)
    by_chance = freedom / total
    # A label of n units has a mean of variance 1 / n by chance: up to five standard errors of their sum are no signal.
    if between < by_chance * (1 + 5 * np.sqrt(2 / freedom)):
        return None
    signal = between - by_chance
    return mean / np.sqrt(variance) * mass / (mass + PRIOR) * np.sqrt(signal)


def _lloyd(points: np.ndarray, mass: np.ndarray, n_buckets: int) -> np.ndarray:
    """k-means of weighted points, (n,) int64 numbers without gaps."""
    centred = points - np.average(points, axis=0, weights=mass)
    axis = np.linalg.eigh((centred * mass[:, None]).T @ centred)[1][:, -1]
    order = np.argsort(centred @ axis, kind="stable")
    place = np.empty(len(points))
    place[order] = np.cumsum(mass[order]) / mass.sum()
    which = np.minimum((place * n_buckets).astype(np.int64), n_buckets - 1)
    for _ in range(ROUNDS):
        which = np.unique(which, return_inverse=True)[1]
        weight = np.bincount(which, weights=mass)
        centres = np.column_stack([np.bincount(which, weights=mass * p) / weight for p in points.T])
        closest = np.argmin((centres**2).sum(axis=1) - 2 * points @ centres.T, axis=1)
        if np.array_equal(closest, which):
            break
        which = closest
    return np.unique(which, return_inverse=True)[1]


def code_features(tokens: np.ndarray, n_tokens: int) -> list[np.ndarray]:
    """Features that stand for a categorical column: signs that differ between any two tokens, each (n_rows,).

    A few tokens have an indicator each; of more, token t has the signs of a fixed pseudo-random code.
    """
    if n_tokens <= CODE_WIDTH:
        return [(tokens == t).astype(np.float32) for t in range(n_tokens - (n_tokens == 2))]
    signs = np.random.default_rng(n_tokens).choice(np.array([-1, 1], dtype=np.float32), (CODE_WIDTH, n_tokens))
    return [s[tokens] for s in signs]

"""Boosted trees: those that separate two tables (the classifier attack, the exchangeability control), and those that
guess a column (attribute inference)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier


def logits(
    features: np.ndarray, label: np.ndarray, queries: np.ndarray, *, rounds: int, leaves: int, rng: np.random.Generator
) -> np.ndarray:
    """(n_queries,) logit of `label` (n,) bool, learned from `features` (n, d); NaN is a missing value.

    On one thread: fits of a few thousand rows gain nothing from more, and OpenMP's barriers cost
    several times the fit when another process holds a core. Columns without two values are left out
    (the binning fails on a column that is missing throughout); zeros when none is left.
    """
    useful = [j for j in range(features.shape[1]) if _varies(features[:, j])]
    if not useful:
        return np.zeros(len(queries))
    model = _fitted(features[:, useful], label, rounds, leaves, rng)
    with threadpool_limits(limits=1, user_api="openmp"):
        return model.decision_function(queries[:, useful])


def probabilities(
    features: np.ndarray, label: np.ndarray, queries: np.ndarray, *, rounds: int, leaves: int, rng: np.random.Generator
) -> np.ndarray:
    """(n_queries, n_classes) probabilities of the `label` (n,), integers from 0, all of which occur; see `logits`."""
    useful = [j for j in range(features.shape[1]) if _varies(features[:, j])]
    if not useful or label.max() == 0:
        return np.tile(np.bincount(label) / len(label), (len(queries), 1))
    model = _fitted(features[:, useful], label, rounds, leaves, rng)
    with threadpool_limits(limits=1, user_api="openmp"):
        return model.predict_proba(queries[:, useful])


def _fitted(
    features: np.ndarray, label: np.ndarray, rounds: int, leaves: int, rng: np.random.Generator
) -> HistGradientBoostingClassifier:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=rounds,
        max_leaf_nodes=leaves,
        min_samples_leaf=10,
        early_stopping=False,
        random_state=int(rng.integers(2**31)),
    )
    with threadpool_limits(limits=1, user_api="openmp"):
        return model.fit(features, label)


def _varies(column: np.ndarray) -> bool:
    known = column[~np.isnan(column)]
    return len(known) > 0 and (len(known) < len(column) or bool((known != known[0]).any()))

"""Boosted trees that separate two tables: shared by the classifier attack and the exchangeability control."""

from __future__ import annotations

import numpy as np


def logits(
    features: np.ndarray, label: np.ndarray, queries: np.ndarray, *, rounds: int, leaves: int, rng: np.random.Generator
) -> np.ndarray:
    """(n_queries,) logit of `label` (n,) bool, learned from `features` (n, d); NaN is a missing value.

    On one thread: fits of a few thousand rows gain nothing from more, and OpenMP's barriers cost
    several times the fit when another process holds a core.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingClassifier(
        max_iter=rounds,
        max_leaf_nodes=leaves,
        min_samples_leaf=10,
        early_stopping=False,
        random_state=int(rng.integers(2**31)),
    )
    with threadpool_limits(limits=1, user_api="openmp"):
        model.fit(features, label)
        return model.decision_function(queries)

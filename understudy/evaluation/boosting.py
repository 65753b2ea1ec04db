"""Boosted trees for detection and utility: the features of a view and the default learners.

scikit-learn's histogram boosting has the defaults of LightGBM (100 trees of 31 leaves, rate 0.1),
reads categories and missing values natively, and its wheels exist for every platform.

Fits run two at a time, each on one OpenMP thread: on a busy machine the threads of a single fit wait for each other at
every node (measured with three busy neighbours on 2 cores: 4 s instead of 0.5 s for 26,000 rows).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import numpy as np

from understudy.evaluation.aligned import Aligned, View

T = TypeVar("T")
R = TypeVar("R")
_WORKERS = 2
MAX_CATEGORIES = 255  # the most that a native categorical feature may have


class Classifier(Protocol):
    """What detection and utility ask of a classifier (scikit-learn's interface)."""

    classes_: np.ndarray

    def fit(self, features: np.ndarray, labels: np.ndarray) -> Any: ...

    def predict_proba(self, features: np.ndarray) -> np.ndarray: ...


MakeClassifier = Callable[[np.ndarray, int], Classifier]
"""(categorical mask of the features, seed) -> an unfitted classifier."""


def features(view: View, data: Aligned, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """(n_rows, len(names)) float64 with NaN = missing, and the (len(names),) mask of categorical features.

    A column of more than 255 categories is given as a number: the rank of the category's frequency.
    """
    out = np.empty((view.n_rows, len(names)))
    categorical = np.zeros(len(names), bool)
    for j, name in enumerate(names):
        if name in view.numbers:
            out[:, j] = view.numbers[name]
        else:
            codes = view.codes[name]
            out[:, j] = np.where(codes < 0, np.nan, codes)
            categorical[j] = len(data.labels[name]) <= MAX_CATEGORIES
    return out, categorical


def classifier(categorical: np.ndarray, seed: int) -> Classifier:
    """The default classifier; early stopping is off, as the number of trees must not depend on the rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(categorical_features=categorical, early_stopping=False, random_state=seed)


def regressor(categorical: np.ndarray, seed: int) -> Any:
    """The default regressor, for a numerical target."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    return HistGradientBoostingRegressor(categorical_features=categorical, early_stopping=False, random_state=seed)


def without_empty(fit: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, ...]:
    """The matrices with the columns that are all missing in the first set to 0: scikit-learn can't bin them."""
    empty = np.isnan(fit).all(0)
    return tuple(np.where(empty, 0.0, x) for x in (fit, *others)) if empty.any() else (fit, *others)


def seed_from(rng: np.random.Generator) -> int:
    """A seed for a learner that takes an integer."""
    return int(rng.integers(2**31 - 1))


def in_parallel(task: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """`task` of each item, in order, two at a time on one OpenMP thread each."""
    from threadpoolctl import threadpool_limits

    def run(item: T) -> R:
        with threadpool_limits(limits=1, user_api="openmp"):  # holds for the calling thread
            return task(item)

    # scikit-learn sets the process's warning filters in each fit, and two at a time can leave none behind
    with warnings.catch_warnings(), ThreadPoolExecutor(_WORKERS) as pool:
        yield from pool.map(run, items)

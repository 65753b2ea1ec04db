"""Nearest neighbours in Gower's distance, exact, in bounded memory.

Numerical ranks are compared by a blocked L1 distance in double precision, so that a copy is at
distance 0 and nothing else is; labels by one float32 matrix product of weighted one-hot rows.
10,000 x 10,000 rows of 14 columns take about 2 s on one core.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

CHUNK_CELLS = 8_000_000
"""Distances held at a time: 64 MB as doubles."""
MAX_ONE_HOT = 64
"""Columns with more labels than this are compared code by code: one-hot rows would be too wide."""


@dataclass(frozen=True, eq=False)
class Geometry:
    """Rows of a table as points.

    Attributes:
        ranks: (n, p) float64 in [0, 1].
        labels: (n, q) int32, -1 = missing (which equals missing).
        sizes: (q,) number of labels of each column.
        weights: (q,) what a mismatch in each column counts.
    """

    ranks: np.ndarray
    labels: np.ndarray
    sizes: tuple[int, ...]
    weights: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.ranks)

    def take(self, rows: np.ndarray) -> Geometry:
        return Geometry(self.ranks[rows], self.labels[rows], self.sizes, self.weights)

    def append(self, other: Geometry) -> Geometry:
        ranks, labels = np.vstack([self.ranks, other.ranks]), np.vstack([self.labels, other.labels])
        return Geometry(ranks, labels, self.sizes, self.weights)

    def one_hot(self) -> np.ndarray:
        """(n, sum of (sizes + 1)) float32 of 0 and 1, over the columns that aren't `wide`."""
        narrow = [(j, size) for j, size in enumerate(self.sizes) if size <= MAX_ONE_HOT]
        parts = [self.labels[:, j, None] == np.arange(-1, size) for j, size in narrow]
        return np.hstack(parts).astype(np.float32) if parts else np.zeros((len(self), 0), dtype=np.float32)

    def one_hot_weights(self) -> np.ndarray:
        """(sum of (sizes + 1),) float32, the weight of each column of `one_hot`."""
        narrow = [(s + 1, w) for s, w in zip(self.sizes, self.weights, strict=True) if s <= MAX_ONE_HOT]
        return np.repeat([w for _, w in narrow], [s for s, _ in narrow]).astype(np.float32)

    @property
    def wide(self) -> list[int]:
        """Label columns that `one_hot` leaves out."""
        return [j for j, size in enumerate(self.sizes) if size > MAX_ONE_HOT]


def nearest(queries: Geometry, points: Geometry, k: int, *, units: np.ndarray | None = None) -> np.ndarray:
    """(n_queries, min(k, n_points)) float32 distances to the nearest `points`, ascending.

    `units` (n,), for queries that are the points themselves: rows of the query's own unit are not
    its neighbours (their distance is infinite).
    """
    k = min(k, len(points))
    found = np.empty((len(queries), k), dtype=np.float32)
    for part, d in _chunks(queries, points):
        if units is not None:
            d[units[part, None] == units[None, :]] = np.inf
        found[part] = np.sort(np.partition(d, k - 1, axis=1)[:, :k], axis=1)
    return found


def nearest_rows(queries: Geometry, points: Geometry, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The same distances, and (n_queries, min(k, n_points)) int64 numbers of the `points` they belong to.

    Which of equally distant points are named depends on their order: shuffle it where that matters.
    """
    k = min(k, len(points))
    found = np.empty((len(queries), k), dtype=np.float32)
    rows = np.empty((len(queries), k), dtype=np.int64)
    for part, d in _chunks(queries, points):
        near = np.argpartition(d, k - 1, axis=1)[:, :k] if k > 1 else np.argmin(d, axis=1)[:, None]
        distance = np.take_along_axis(d, near, axis=1)
        order = np.argsort(distance, axis=1, kind="stable")
        found[part] = np.take_along_axis(distance, order, axis=1)
        rows[part] = np.take_along_axis(near, order, axis=1)
    return found, rows


def _chunks(queries: Geometry, points: Geometry) -> Iterator[tuple[slice, np.ndarray]]:
    """The distances (n, n_points) of a few queries at a time, in bounded memory."""
    hot_points = (points.one_hot() * points.one_hot_weights()).T
    step = max(1, CHUNK_CELLS // max(len(points), 1))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        yield part, _distances(queries.take(np.arange(len(queries))[part]), points, hot_points)


def _distances(queries: Geometry, points: Geometry, hot_points: np.ndarray) -> np.ndarray:
    """(n_queries, n_points) float32."""
    from scipy.spatial.distance import cdist

    narrow = sum(w for size, w in zip(points.sizes, points.weights, strict=True) if size <= MAX_ONE_HOT)
    mismatch = np.float32(narrow) - queries.one_hot() @ hot_points  # exact: weights are 1 and 1/2
    for j in points.wide:
        mismatch += np.float32(points.weights[j]) * (queries.labels[:, j, None] != points.labels[None, :, j])
    if points.ranks.shape[1]:
        mismatch += cdist(queries.ranks, points.ranks, "cityblock")
    return mismatch

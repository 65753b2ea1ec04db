"""How an attacker guesses an unknown column of a person from the known ones: neighbours and boosted trees.

A secret is a vector of values: of a category its code, of a number its rank on R; NaN where it is missing. A guess is
right when both are missing, codes are equal, or ranks differ by at most `TOLERANCE`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from understudy.audit.criteria.columns import Targets
from understudy.audit.tables import Block
from understudy.audit.trees import probabilities

TOLERANCE = 0.025
"""Of a number, in ranks on R: at most 2.5 % of people lie between guess and truth, a window of 5 % of them."""
NEIGHBOURS = 5
CHUNK_CELLS = 250_000
"""Distances held at a time, 1 MB a column: in the processor's cache, since every secret passes over them."""
MAX_TRAINING_ROWS = 10_000
MAX_CLASSES = 10
TREES = 200
"""Of one model, all classes together."""
LEAVES = 15


@dataclass(frozen=True, eq=False)
class Guesses:
    """One learner's guesses at one secret.

    Attributes:
        values: (n,) as a secret's.
        confidence: (n,), higher is surer, comparable within one learner only.
        of_truth: (n,) how probable the learner holds the true value; not of the nearest row.
    """

    values: np.ndarray
    confidence: np.ndarray
    of_truth: np.ndarray | None = None


def secret_of(targets: Targets, block: Block, column: int) -> np.ndarray:
    """(n,) float64, the secret `column` of each row of a block."""
    p = targets.n_numbers
    if column >= p:
        codes = block.codes[:, column - p]
        return np.where(codes < 0, np.nan, codes)
    return np.where(np.isnan(block.numbers[:, column]), np.nan, block.geometry.ranks[:, column])


def right(guessed: np.ndarray, truth: np.ndarray, numeric: bool) -> np.ndarray:
    """(n,) bool."""
    near = np.abs(guessed - truth) <= (TOLERANCE + 1e-12 if numeric else 0)
    return near | (np.isnan(guessed) & np.isnan(truth))


def neighbours(
    targets: Targets, queries: Block, points: Block, known: list[int], secrets: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Per secret the <= 5 rows of `points` nearest to each query by the `known` columns but the secret itself.

    (n_secrets, n_queries, k) int32 rows, the nearest first, and float32 distances. The distance by all known columns
    is computed once, and a secret's own share taken off it. Equally near rows come in the order of `points`.
    """
    k = min(NEIGHBOURS, len(points))
    rows = np.empty((len(secrets), len(queries), k), dtype=np.int32)
    distances = np.empty((len(secrets), len(queries), k), dtype=np.float32)
    theirs = [_axis(targets, points, j) for j in known]
    ours = [_axis(targets, queries, j) for j in known]
    step = max(1, CHUNK_CELLS // len(points))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        n = len(range(*part.indices(len(queries))))
        shares = [_apart([a[part] for a in x], y) for x, y in zip(ours, theirs, strict=True)]
        total = sum(shares, start=np.zeros((n, len(points)), dtype=np.float32))
        for i, secret in enumerate(secrets):
            d = total - shares[known.index(secret)] if secret in known else total.copy()
            for nth in range(k):
                best = d.argmin(axis=1)
                rows[i, part, nth], distances[i, part, nth] = best, d[np.arange(n), best]
                d[np.arange(n), best] = np.inf
    return rows, distances


def _axis(targets: Targets, block: Block, column: int) -> list[np.ndarray]:
    """One column as the distance sees it: codes; or ranks, with whether they are missing where any is."""
    p = targets.n_numbers
    if column >= p:
        return [block.codes[:, column - p]]
    ranks = block.geometry.ranks[:, column].astype(np.float32)
    return [ranks, np.isnan(block.numbers[:, column])] if targets.holes[column] else [ranks]


def _apart(queries: list[np.ndarray], points: list[np.ndarray]) -> np.ndarray:
    """(n_queries, n_points) float32, one column's share of Gower's distance."""
    if queries[0].dtype != np.float32:
        return (queries[0][:, None] != points[0][None, :]).astype(np.float32)
    d = queries[0][:, None] - points[0][None, :]
    np.abs(d, out=d)
    if len(queries) > 1:
        d += np.float32(0.5) * (queries[1][:, None] != points[1][None, :])
    return d


def by_nearest(secret: np.ndarray, rows: np.ndarray, distances: np.ndarray) -> Guesses:
    """The nearest row's value, the surer the nearer it is; `secret` (n_points,), `rows` and `distances` (n, k)."""
    return Guesses(secret[rows[:, 0]], -distances[:, 0])


def by_neighbours(
    secret: np.ndarray, rows: np.ndarray, distances: np.ndarray, truth: np.ndarray, numeric: bool
) -> Guesses:
    """The value of the five nearest rows that most of them agree with; of several, the nearest row's."""
    values = secret[rows]  # (n, k)
    # rolled by each distance in turn, a value meets every other once, and itself
    agree = np.sum([right(values, np.roll(values, i, axis=1), numeric) for i in range(values.shape[1])], axis=0)
    best = np.argmax(agree, axis=1)
    at = np.arange(len(rows))
    matches = right(values, truth[:, None], numeric).mean(axis=1)
    return Guesses(values[at, best], agree[at, best] - distances.mean(axis=1) / 1e3, matches)


def by_trees(
    targets: Targets, train: Block, queries: Block, column: int, known: list[int], rng: np.random.Generator
) -> Guesses:
    """The likeliest class of boosted trees; numbers are cut into tenths and guessed at their class's median."""
    inputs = [j for j in known if j != column]
    classes = Classes.of(secret_of(targets, train, column), numeric=column < targets.n_numbers)
    n_classes = len(classes.centres)
    p = probabilities(
        train.features()[:, inputs],
        classes.label(secret_of(targets, train, column)),
        queries.features()[:, inputs],
        rounds=TREES // (n_classes if n_classes > 2 else 4),
        leaves=LEAVES,
        rng=rng,
    )
    best, at = p.argmax(axis=1), np.arange(len(p))
    truth = classes.label(secret_of(targets, queries, column))
    of_truth = np.where(truth < n_classes, p[at, np.minimum(truth, n_classes - 1)], 0)
    return Guesses(classes.centres[best], p[at, best], of_truth)


@dataclass(frozen=True, eq=False)
class Classes:
    """A secret as a few classes.

    Attributes:
        edges: of a number, ascending: class i holds what is above edge i - 1 and at most edge i.
        codes: of a category, those with a class of their own; all others share the next one.
        kinds: the classes that occur, by their first numbers; `MAX_CLASSES` is "missing".
        centres: (len(kinds),) the guess that each stands for.
    """

    edges: np.ndarray | None
    codes: np.ndarray
    kinds: np.ndarray
    centres: np.ndarray

    @classmethod
    def of(cls, secret: np.ndarray, numeric: bool) -> Classes:
        """Tenths of a number, fewer where many values are equal; the most frequent codes of a category."""
        present = secret[~np.isnan(secret)]
        values, counts = np.unique(present, return_counts=True)
        shares = np.arange(1, MAX_CLASSES) / MAX_CLASSES
        edges = (np.unique(np.quantile(present, shares)) if len(present) else present) if numeric else None
        codes = values[np.argsort(-counts, kind="stable")[: MAX_CLASSES - 1]]
        raw = cls._raw(secret, edges, codes)
        kinds = np.unique(raw)
        centres = [cls._centre(secret[raw == k], numeric) for k in kinds]
        return cls(edges, codes, kinds, np.array(centres))

    def label(self, secret: np.ndarray) -> np.ndarray:
        """(n,) which of `kinds` each value is in; `len(kinds)` for a class that didn't occur."""
        raw = self._raw(secret, self.edges, self.codes)
        place = np.minimum(np.searchsorted(self.kinds, raw), len(self.kinds) - 1)
        return np.where(self.kinds[place] == raw, place, len(self.kinds))

    @staticmethod
    def _raw(secret: np.ndarray, edges: np.ndarray | None, codes: np.ndarray) -> np.ndarray:
        if edges is None:
            match = secret[:, None] == codes[None, :]
            raw = np.where(match.any(axis=1), match.argmax(axis=1), len(codes)) if len(codes) else np.zeros(len(secret))
        else:
            raw = np.searchsorted(edges, secret, side="left")
        return np.where(np.isnan(secret), MAX_CLASSES, raw).astype(int)

    @staticmethod
    def _centre(inside: np.ndarray, numeric: bool) -> float:
        """The median of a class of numbers, the most frequent code of one of categories."""
        if np.isnan(inside).all():
            return float("nan")
        if numeric:
            return float(np.median(inside))
        values, counts = np.unique(inside, return_counts=True)
        return float(values[counts.argmax()])


def naive(secret: np.ndarray, numeric: bool) -> float:
    """The constant guess that is right most often in `secret` (n,)."""
    candidates = np.unique(secret)  # NaN once, at the end
    if numeric and len(candidates) > 100:
        candidates = candidates[np.linspace(0, len(candidates) - 1, 100).astype(int)]
    return float(max(candidates, key=lambda c: right(np.full(len(secret), c), secret, numeric).sum()))

"""How far values lie apart: numbers by their rank on the reference table, labels by equality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from understudy.audit.neighbours import Geometry


@dataclass(frozen=True, eq=False)
class Scale:
    """Ranks on the reference table.

    Attributes:
        values, ranks: per numerical column, R's distinct values and their mid-ranks in (0, 1).
        missing: per numerical column, whether any table misses a value there.
    """

    values: tuple[np.ndarray, ...]
    ranks: tuple[np.ndarray, ...]
    missing: tuple[bool, ...]

    @classmethod
    def of(cls, reference: np.ndarray, tables: list[np.ndarray]) -> Scale:
        values, ranks, missing = [], [], []
        for j in range(reference.shape[1]):
            column = reference[:, j]
            distinct, counts = np.unique(column[~np.isnan(column)], return_counts=True)
            values.append(distinct)
            ranks.append((np.cumsum(counts) - counts / 2) / max(counts.sum(), 1))
            missing.append(any(bool(np.isnan(t[:, j]).any()) for t in tables))
        return cls(tuple(values), tuple(ranks), tuple(missing))

    def geometry(self, numbers: np.ndarray, codes: np.ndarray, levels: tuple[int, ...]) -> Geometry:
        """The rows as the distance sees them. A missing number stands at the middle rank and has a
        label of its own that weighs 1/2, so that it differs from any number by 1/2 to 1."""
        ranks = np.empty(numbers.shape)
        labels, sizes, weights = [codes], list(levels), [1.0] * len(levels)
        for j, (values, at) in enumerate(zip(self.values, self.ranks, strict=True)):
            gone = np.isnan(numbers[:, j])
            ranks[:, j] = np.where(gone, 0.5, _rank(np.where(gone, 0.0, numbers[:, j]), values, at))
            if self.missing[j]:
                labels.append(gone[:, None].astype(np.int32))
                sizes.append(2)
                weights.append(0.5)
        return Geometry(ranks, np.hstack(labels), tuple(sizes), tuple(weights))


def _rank(x: np.ndarray, values: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Ranks of `x`, linear between R's values; beyond its extremes they approach 0 and 1, so that
    different values keep different ranks."""
    if not len(values):
        return np.full(len(x), 0.5)
    span = float(values[-1] - values[0]) or max(abs(float(values[0])), 1.0)
    above, below = np.maximum(x - values[-1], 0), np.maximum(values[0] - x, 0)
    tails = (1 - ranks[-1]) * above / (above + span) - ranks[0] * below / (below + span)
    return np.interp(x, values, ranks) + tails

"""How far values lie apart: numbers by their rank or their value on the reference table's scale, labels by equality."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from understudy.audit.neighbours import Geometry

NORMAL_SPAN = 3.2897
"""Standard deviations between a normal distribution's 5th and 95th percentiles."""


@dataclass(frozen=True, eq=False)
class Scale:
    """Ranks and widths on the reference table.

    Attributes:
        values, ranks: per numerical column, R's distinct values and their mid-ranks in (0, 1).
        centres, widths: (p,) R's medians, and the standard deviations that normal columns with R's 5th and 95th
            percentiles would have; where these are equal, R's own.
        missing: per numerical column, whether any table misses a value there.
    """

    values: tuple[np.ndarray, ...]
    ranks: tuple[np.ndarray, ...]
    centres: np.ndarray
    widths: np.ndarray
    missing: tuple[bool, ...]

    @classmethod
    def of(cls, reference: np.ndarray, tables: list[np.ndarray]) -> Scale:
        values, ranks, missing, centres, widths = [], [], [], [], []
        for j in range(reference.shape[1]):
            column = reference[:, j]
            known = column[~np.isnan(column)]
            distinct, counts = np.unique(known, return_counts=True)
            values.append(distinct)
            ranks.append((np.cumsum(counts) - counts / 2) / max(counts.sum(), 1))
            missing.append(any(bool(np.isnan(t[:, j]).any()) for t in tables))
            low, centre, high = np.quantile(known, (0.05, 0.5, 0.95)) if len(known) else (0.0, 0.0, 0.0)
            centres.append(centre)
            widths.append((high - low) / NORMAL_SPAN or (known.std() if len(known) else 0.0) or 1.0)
        return cls(tuple(values), tuple(ranks), np.array(centres), np.array(widths), tuple(missing))

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

    def by_value(self, numbers: np.ndarray, ranked: Geometry) -> Geometry:
        """The same rows with numbers at their distance from the median, in widths: ranks crowd the far ends together,
        where an outlier has no one near. A missing number stands at the median."""
        return replace(ranked, ranks=np.nan_to_num((numbers - self.centres) / self.widths))


def _rank(x: np.ndarray, values: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Ranks of `x`, linear between R's values; beyond its extremes they approach 0 and 1, so that
    different values keep different ranks."""
    if not len(values):
        return np.full(len(x), 0.5)
    span = float(values[-1] - values[0]) or max(abs(float(values[0])), 1.0)
    above, below = np.maximum(x - values[-1], 0), np.maximum(values[0] - x, 0)
    tails = (1 - ranks[-1]) * above / (above + span) - ranks[0] * below / (below + span)
    return np.interp(x, values, ranks) + tails

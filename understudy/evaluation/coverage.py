"""Coverage: are train's categories and ranges reached? (SDMetrics' CategoryCoverage and RangeCoverage.)"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from understudy.evaluation.aligned import Aligned


@dataclass(frozen=True)
class Coverage:
    """Means over columns, 1 is ideal; None when the table has no such column.

    Attributes:
        category_coverage: share of train's categories that occur in synthetic.
        range_coverage: share of train's range, minimum to maximum, that synthetic reaches.
        by_column: (column, coverage) of every column that train has values in.
    """

    category_coverage: float | None
    range_coverage: float | None
    by_column: tuple[tuple[str, float], ...]


def measure_coverage(data: Aligned) -> Coverage:
    """Coverage of the first view (train) by the last (synthetic), over whole tables."""
    train, synthetic = data.views[0], data.views[-1]
    categories: dict[str, float] = {}
    ranges: dict[str, float] = {}
    for name in data.coded:
        known = np.unique(train.codes[name][train.codes[name] >= 0])
        if len(known):
            categories[name] = float(np.isin(known, synthetic.codes[name]).mean())
    for name in data.numbers:
        real, made = (v.numbers[name][~np.isnan(v.numbers[name])] for v in (train, synthetic))
        if len(real):
            ranges[name] = _range(real, made)
    both = {**categories, **ranges}
    return Coverage(
        float(np.mean(list(categories.values()))) if categories else None,
        float(np.mean(list(ranges.values()))) if ranges else None,
        tuple((c.name, both[c.name]) for c in data.columns if c.name in both),
    )


def _range(real: np.ndarray, made: np.ndarray) -> float:
    if len(made) == 0:
        return 0.0
    low, high = real.min(), real.max()
    if low == high:
        return float((made == low).any())
    lost = max(made.min() - low, 0) + max(high - made.max(), 0)
    return float(max(1 - lost / (high - low), 0))

"""Quantile bins, split thresholds and supported ranges of a column of numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from understudy.canonical import to_datetime
from understudy.schema import Column

N_KNOTS = 9


def grid_of(column: Column) -> float:
    """The distance of neighbouring values: dates count in steps; 0 for continuous numbers."""
    if column.kind == "datetime":
        return 1.0
    return 0.0 if column.decimals is None else column.step * 10.0**-column.decimals


def to_floats(values: pd.Series, column: Column) -> np.ndarray:
    """Numbers, or dates in steps since 1970, as float64 with NaN for missing, (n,)."""
    if column.kind == "datetime":
        dates = to_datetime(values)
        return np.where(dates.isna(), np.nan, dates.to_numpy().astype("int64") / column.step)
    return values.to_numpy(dtype=float, na_value=np.nan)


def supported_range(distinct: np.ndarray, support: np.ndarray, min_units: int) -> tuple[float, float]:
    """The range that leaves at least `min_units` units at or beyond either end."""
    total = support.sum()
    k = min(min_units, total / 2)
    low = distinct[np.searchsorted(np.cumsum(support), k - 1e-9)]
    high = distinct[::-1][np.searchsorted(np.cumsum(support[::-1]), k - 1e-9)]
    return (low, high) if low <= high else (distinct[0], distinct[-1])


def quantile_bins(rest: np.ndarray, n_bins: int, grid: float) -> np.ndarray:
    """Knots of quantile bins over sorted values, (<= n_bins, N_KNOTS)."""
    cuts = np.unique(np.searchsorted(rest, np.quantile(rest, np.arange(n_bins) / n_bins), side="left"))
    ends = np.append(cuts[1:], len(rest))
    quantiles = np.linspace(0, 1, N_KNOTS)
    knots = np.stack([np.quantile(rest[a:b], quantiles) for a, b in zip(cuts, ends, strict=True)])
    knots[:, 0] -= grid / 2
    knots[:, -1] += grid / 2
    if not grid:  # continuous: bins meet half-way, so that no gap between them is visible
        middle = (knots[:-1, -1] + knots[1:, 0]) / 2
        knots[:-1, -1], knots[1:, 0] = middle, middle
    return knots


def split_edges(distinct: np.ndarray, rows: np.ndarray, most: int = 254) -> np.ndarray:
    """Thresholds between values, at most 254: all of them, or at quantiles."""
    if len(distinct) <= most + 1:
        return (distinct[:-1] + distinct[1:]) / 2
    mass = np.cumsum(rows)
    at = np.unique(np.searchsorted(mass, mass[-1] * np.arange(1, most + 1) / (most + 1)))
    at = at[at < len(distinct) - 1]
    return (distinct[at] + distinct[at + 1]) / 2

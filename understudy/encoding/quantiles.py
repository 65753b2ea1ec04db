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


def rounded_range(least: float, most: float) -> tuple[float, float]:
    """The range rounded outwards to two digits of its span, so that its ends are nobody's own values.

    An end that is small beside the span keeps its own first digit, so that it stays on its side of zero.

    >>> rounded_range(12_285.0, 1_484_705.0), rounded_range(-3.71, 3.94), rounded_range(-487.0, 880_000.0)
    ((10000.0, 1500000.0), (-3.8, 4.0), (-500.0, 880000.0))
    """
    if not most > least:
        return least, most
    low_unit, high_unit = _rounding_units(least, most)
    low, high = np.floor(least / low_unit) * low_unit, np.ceil(most / high_unit) * high_unit
    return float(round(low, 12)), float(round(high, 12))


def _rounding_units(least: float, most: float) -> tuple[float, float]:
    """What either end of a range is rounded to."""
    span_unit = 10.0 ** (np.floor(np.log10(most - least)) - 1)
    low_unit, high_unit = (
        min(span_unit, 10.0 ** np.floor(np.log10(abs(x)))) if x else span_unit for x in (least, most)
    )
    return low_unit, high_unit


def open_tail(bin_knots: np.ndarray, beyond: np.ndarray, share: float, inner: float, limit: float) -> np.ndarray:
    """The knots of the last bin, with a tail from `inner` to `limit` in place of the values beyond `inner`.

    `share` of the bin lies beyond. The tail is inner + (limit - inner) t^p, with p such that its median is that of
    `beyond`: too few units are there to give away more of them than that, and about where they end. It reaches a
    little further, to be cut off at the limit: about one value in `len(beyond)` lies there, as the largest one did.
    """
    half = abs(float(np.median(beyond)) - inner) / abs(limit - inner)
    power = float(np.clip(np.log(max(half, 1e-9)) / np.log(0.5), 1, 30))
    t = np.clip((np.linspace(0, 1, N_KNOTS) - (1 - share)) / share, 0, None)
    reach = 1 + 1 / (len(beyond) * power)
    return np.where(t > 0, inner + (limit - inner) * (reach * t) ** power, bin_knots)


def open_ends(
    bins: np.ndarray, rest: np.ndarray, supported: tuple[float, float], column: Column
) -> tuple[float, float]:
    """Give the first and last of `bins` (in place) a tail for the few values beyond the supported range.

    Returns the range of emitted values: the schema's bounds, or the observed range rounded outwards.
    """
    low, high = supported
    below, above = rest[rest < low], rest[rest > high]
    if not len(below) and not len(above):
        return low, high
    least, most = rounded_range(float(min(rest[0], low)), float(max(rest[-1], high)))
    # An extreme that is a round number is somebody's own value: the range ends a step short of it, not a step
    # beyond, where a share would exceed 100 % or a count fall below 0.
    low_unit, high_unit = _rounding_units(least, most)
    least = min(low, least + low_unit) if least == rest[0] < low else least
    most = max(high, most - high_unit) if most == rest[-1] > high else most
    least = column.minimum if column.minimum is not None else least
    most = column.maximum if column.maximum is not None else most
    if len(below) and least < low:
        share = min(len(below) / max((rest < bins[0, -1]).sum(), 1), 1.0)
        bins[0] = open_tail(bins[0, ::-1], below, share, low, least)[::-1]
    if len(above) and most > high:
        share = min(len(above) / max((rest > bins[-1, 0]).sum(), 1), 1.0)
        bins[-1] = open_tail(bins[-1], above, share, high, most)
    return (least if len(below) else low), (most if len(above) else high)


def split_edges(distinct: np.ndarray, rows: np.ndarray, most: int = 254) -> np.ndarray:
    """Thresholds between values, at most 254: all of them, or at quantiles."""
    if len(distinct) <= most + 1:
        return (distinct[:-1] + distinct[1:]) / 2
    mass = np.cumsum(rows)
    at = np.unique(np.searchsorted(mass, mass[-1] * np.arange(1, most + 1) / (most + 1)))
    at = at[at < len(distinct) - 1]
    return (distinct[at] + distinct[at + 1]) / 2

"""Conditions on numbers and dates: a value, a list of values, or {"min": a, "max": b}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from understudy.encoding.quantiles import to_floats
from understudy.errors import ConfigError
from understudy.schema import Column


def ranges_of(condition: Any, column: Column) -> tuple[np.ndarray, bool]:
    """The closed ranges that a condition allows, (k, 2) float64, and whether it allows a missing value.

    Dates are in steps since 1970. Raises ConfigError for what isn't a number or date.
    """
    found, null = [], False
    for wanted in condition if isinstance(condition, list | tuple | set) else [condition]:
        if wanted is None or (not isinstance(wanted, Mapping) and wanted != wanted) or wanted == "":
            null = True
        else:
            found.append(_bounds(wanted, column))
    return np.array(found, dtype=np.float64).reshape(-1, 2), null


def meets(x: np.ndarray, ranges: np.ndarray, null: bool, half: float = 0.0) -> np.ndarray:
    """Which values, (n,) float64 with NaN for missing, lie in one of the ranges, `half` a grid step included."""
    inside = ((x[:, None] >= ranges[:, 0] - half) & (x[:, None] <= ranges[:, 1] + half)).any(axis=1)
    return inside | (np.isnan(x) & null)


def show(x: float, column: Column) -> str:
    return str(pd.Timestamp(int(x) * column.step)) if column.kind == "datetime" else f"{x:g}"


def _bounds(wanted: Any, column: Column) -> tuple[float, float]:
    if isinstance(wanted, Mapping):
        unknown = set(wanted) - {"min", "max"}
        if unknown:
            raise ConfigError(f"where: {column.name}: unknown key {sorted(unknown)[0]!r}; a range has min and max")
        low = _number(wanted["min"], column) if "min" in wanted else -np.inf
        return low, _number(wanted["max"], column) if "max" in wanted else np.inf
    x = _number(wanted, column)
    return x, x


def _number(value: Any, column: Column) -> float:
    try:
        if column.kind == "datetime":
            return float(to_floats(pd.Series([value]), column)[0])
        x = float(value)
    except (ValueError, TypeError):
        raise ConfigError(
            f"where: {column.name}={value!r} is not a {'date' if column.kind == 'datetime' else 'number'}"
        ) from None
    if not np.isfinite(x):
        raise ConfigError(f"where: {column.name}={value!r} is not finite")
    return x

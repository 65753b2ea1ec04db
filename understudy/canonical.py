"""The canonical form of a table, which every stage works on.

A DataFrame with a RangeIndex and, by column kind: numerical: int64, Int64 (integers with missing
values) or float64; categorical: `category` of str; boolean: bool or `boolean`; datetime:
datetime64[ns]; id and text: as they were read.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from understudy.errors import SchemaError
from understudy.schema import Column, TableSchema, unknown_column

DATE_FORMATS = ("%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%d-%b-%Y", "%Y%m%d")


def conform(table: pd.DataFrame, schema: TableSchema, *, require_all: bool = True) -> pd.DataFrame:
    """`table` with the schema's columns, in its order and canonical dtypes; other columns are left out.

    Raises SchemaError for a missing column (unless `require_all` is False) and for values that
    a column's kind can't hold.
    """
    present = [c for c in schema.columns if c.name in table.columns]
    if require_all and len(present) < len(schema.columns):
        missing = next(c.name for c in schema.columns if c.name not in table.columns)
        raise SchemaError(unknown_column(missing, [str(c) for c in table.columns], "schema column"))
    return pd.DataFrame({c.name: conform_column(table[c.name], c) for c in present}).reset_index(drop=True)


def conform_column(values: pd.Series, column: Column) -> pd.Series:
    """One column in the canonical dtype of its kind. Raises SchemaError naming it."""
    values = values.reset_index(drop=True)
    try:
        if column.kind == "numerical":
            return _numerical(values, column)
        if column.kind == "categorical":
            return _categorical(values, column)
        if column.kind == "boolean":
            return _boolean(values)
        if column.kind == "datetime":
            return to_datetime(values)
        return values
    except (ValueError, TypeError, OverflowError) as e:
        what = str(e).splitlines()[0][:120] if str(e) else type(e).__name__
        raise SchemaError(
            f"column {column.name!r} doesn't hold {column.kind} values ({what}); mend them or change its kind"
        ) from None


def _numerical(values: pd.Series, column: Column) -> pd.Series:
    numbers = pd.to_numeric(values.astype(object) if isinstance(values.dtype, pd.CategoricalDtype) else values)
    missing = numbers.isna()
    # Whole 64-bit numbers must not pass through a float, which holds 53 bits.
    if numbers.dtype.kind in "iu" and column.decimals == 0:
        return numbers.astype("Int64" if missing.any() else "int64")
    floats = numbers.to_numpy(dtype=float, na_value=np.nan)
    if np.isinf(floats).any():
        raise ValueError("it has infinite values")
    if column.decimals is None:
        return pd.Series(floats, name=values.name)
    if column.decimals == 0:
        if (np.abs(floats[~missing]) >= 2**63).any():
            raise ValueError("a value exceeds 64 bits")
        whole = pd.Series(np.round(floats), name=values.name)
        return whole.astype("Int64") if missing.any() else whole.astype("int64")
    return pd.Series(np.round(floats, column.decimals), name=values.name)


def _categorical(values: pd.Series, column: Column) -> pd.Series:
    if isinstance(values.dtype, pd.CategoricalDtype):
        labels = values.cat.categories
        if all(isinstance(c, str) for c in labels):
            return values.cat.remove_unused_categories().cat.as_unordered()
        values = values.astype(object)
    codes, unique = pd.factorize(values, sort=False)
    return from_codes(codes, [label(u) for u in unique])


def from_codes(codes: np.ndarray, labels: list[str]) -> pd.Series:
    """A categorical column from codes (n,) into `labels`; -1 is missing."""
    return pd.Series(pd.Categorical.from_codes(codes, dtype=_dtype(tuple(labels))))  # type: ignore[arg-type]


@lru_cache(maxsize=512)
def _dtype(labels: tuple[str, ...]) -> pd.CategoricalDtype:
    """Made once for columns that are sampled again and again: to check that labels differ takes a while."""
    return pd.CategoricalDtype(pd.Index(list(labels)))


def label(value: Any) -> str:
    """A category as text: 3.0 and 3 are one category."""
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _boolean(values: pd.Series) -> pd.Series:
    words = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
    if values.dtype.kind != "b" and not isinstance(values.dtype, pd.BooleanDtype):
        text = values.astype(object)

        def truth(value: Any) -> Any:
            if value is None or value is pd.NA or value != value:
                return value
            word = str(value).strip().lower()
            if word not in words:
                raise ValueError(f"{word[:40]!r} is neither true nor false")
            return words[word]

        mapped = text.map(truth)
        values = mapped.astype("boolean")
    return values.astype("boolean" if values.isna().any() else "bool")


def to_datetime(values: pd.Series) -> pd.Series:
    """Dates and times as datetime64[ns], without time zone (UTC). Raises ValueError."""
    dates = values.astype(object) if isinstance(values.dtype, pd.CategoricalDtype) else values
    if dates.dtype == object:
        codes, unique = pd.factorize(dates)
        text = pd.Series(unique, dtype=object).map(str)
        parsed = pd.to_datetime(text, format=date_format(text) or "ISO8601")
        dates = parsed.reindex(np.where(codes < 0, len(parsed), codes)).reset_index(drop=True)
    elif dates.dtype.kind != "M":
        dates = pd.to_datetime(dates)
    if isinstance(dates.dtype, pd.DatetimeTZDtype):
        dates = dates.dt.tz_convert("UTC").dt.tz_localize(None)
    return dates.astype("datetime64[ns]")


def date_format(text: pd.Series) -> str | None:
    """The one format of DATE_FORMATS (or ISO 8601) in which every value is a date, else None."""
    sample = text.iloc[:1000]
    for fmt in ("ISO8601", *DATE_FORMATS):
        if pd.to_datetime(sample, format=fmt, errors="coerce").notna().all():
            parsed = pd.to_datetime(text, format=fmt, errors="coerce")
            if parsed.notna().all():
                return fmt
    return None

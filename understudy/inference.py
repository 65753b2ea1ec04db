"""Infer a table's schema: kinds, precision, missing values, identifiers and keys.

A schema file or an explicit `Column` overrides what is inferred here. What is inferred holds no
values of the table (no bounds, no categories), so that a schema can be shared.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from understudy.canonical import conform_column, date_format, to_datetime
from understudy.config import Pii
from understudy.errors import SchemaError
from understudy.pii.columns import find
from understudy.pii.detect import Finding, by_name
from understudy.pii.inside import LEAST_SHARE
from understudy.pii.replace import check_locale
from understudy.schema import Column, TableSchema, unknown_column

MAX_DECIMALS = 6


def infer_schema(
    table: pd.DataFrame,
    *,
    target: str | None = None,
    unit: str | None = None,
    overrides: TableSchema | None = None,
    n_source: int | None = None,
    pii: Pii | None = None,
) -> TableSchema:
    """The schema of a raw table, columns in table order.

    Args:
        target: the column that models will predict from the others.
        unit: the column whose equal values belong to one person (the privacy unit).
        overrides: a (possibly partial) schema from a file; its columns replace inference.
        n_source: how many rows the source has, when `table` is a random sample of them: row numbers then
            have gaps. None: the table is whole.
        pii: what is done about direct identifiers; None: they are dropped.

    Raises:
        SchemaError: unknown column, mixed types, a column without values or with a single one
            (unless `overrides` declares it), infinite values, dates out of range.
        ConfigError: a locale that is not known.
    """
    names = [str(c) for c in table.columns]
    declared: Mapping[str, Column] = {c.name: c for c in overrides.columns} if overrides else {}
    for name in declared:
        if name not in names:
            raise SchemaError(unknown_column(name, names, "schema column"))
    pii = pii or Pii()
    if pii.action == "replace":
        check_locale(pii.locale)
    target = target or (overrides.target if overrides else None)
    unit = unit or (overrides.unit if overrides else None)
    for given, what in ((target, "target"), (unit, "unit")):
        if given is not None and given not in names:
            raise SchemaError(unknown_column(given, names, what))
    columns = []
    for name in names:
        if name in declared:
            conform_column(table[name], declared[name])
            columns.append(_with_nullability(declared[name], table[name]))
        elif name == unit:
            columns.append(
                Column(name=name, kind="id", identifier="unit key", nullable=bool(table[name].isna().any()))
            )
        else:
            columns.append(infer_column(table[name], is_target=name == target, n_source=n_source, pii=pii))
    try:
        schema = TableSchema(columns=tuple(columns), target=target, unit=unit)
    except ValueError as e:
        raise SchemaError(str(e)) from None
    if not schema.modelled:
        raise SchemaError(
            "no column is left to model: all are identifiers or free text; declare kinds in a schema file"
        )
    return schema


def _with_nullability(column: Column, values: pd.Series) -> Column:
    return column.model_copy(update={"nullable": column.nullable or bool(values.isna().any())})


def infer_column(
    values: pd.Series, *, is_target: bool = False, n_source: int | None = None, pii: Pii | None = None
) -> Column:
    """The `Column` of one raw column; `n_source` and `pii` as for `infer_schema`. Raises SchemaError naming it."""
    pii = pii or Pii()
    most_numbers = n_source if n_source is not None and n_source > len(values) else 0
    name = str(values.name)
    present = values.dropna()
    nullable = len(present) < len(values)
    if not len(present):
        raise SchemaError(f"column {name!r} has no values at all; leave it out with --drop {name!r}")
    unique = pd.Series(present.unique())
    if len(unique) == 1 and not is_target:
        raise SchemaError(
            f"column {name!r} has a single value throughout; leave it out with --drop {name!r},"
            " or declare it in a schema file"
        )
    if values.dtype.kind == "b" or isinstance(values.dtype, pd.BooleanDtype):
        return Column(name=name, kind="boolean", nullable=nullable)
    if values.dtype.kind == "M" or isinstance(values.dtype, pd.DatetimeTZDtype):
        return _datetime_column(name, unique, nullable)
    found = None if is_target else find(values, presidio=pii.presidio, language=pii.language)
    if found and (column := _identifier_column(name, nullable, found, pii)):
        return column
    if pd.api.types.is_numeric_dtype(values.dtype):
        return _numeric_column(name, present, unique, nullable, is_target, most_numbers)
    return _text_column(name, present, unique.astype(object), nullable, is_target, most_numbers)


def _identifier_column(name: str, nullable: bool, found: Finding, pii: Pii) -> Column | None:
    """The column of a direct identifier, or of text with identifiers in it; None where there are next to none."""
    if found.by in ("value", "name") or (found.by == "model" and found.share >= 0.5):
        locale = pii.locale if pii.action == "replace" and pii.locale != "en_US" else None
        return Column(
            name=name, kind="id", nullable=nullable, identifier=found.kind, action=pii.action, locale=locale
        )
    return Column(name=name, kind="text", nullable=nullable) if found.share >= LEAST_SHARE else None


def looks_like_text(text: pd.Series, distinct: float) -> bool:
    """Free text: mostly distinct values of several words."""
    words = text.iloc[:2000].str.count(r"\s+").mean() + 1
    return bool(distinct > 0.3 and words >= 4) or bool(text.iloc[:2000].str.len().mean() > 200)


def _datetime_column(name: str, unique: pd.Series, nullable: bool) -> Column:
    try:
        dates = to_datetime(unique)
    except (ValueError, OverflowError) as e:
        raise SchemaError(
            f"column {name!r} has dates out of range ({str(e).splitlines()[0][:80]});"
            " mend them: years 1678 to 2261 can be used"
        ) from None
    stamps = dates.to_numpy().astype("int64")
    for step in (86_400_000_000_000, 3_600_000_000_000, 60_000_000_000, 1_000_000_000, 1_000_000, 1_000):
        if not (stamps % step).any():
            return Column(name=name, kind="datetime", nullable=nullable, step=step)
    return Column(name=name, kind="datetime", nullable=nullable)


def _numeric_column(
    name: str, present: pd.Series, unique: pd.Series, nullable: bool, is_target: bool, most_numbers: int
) -> Column:
    floats = unique.to_numpy(dtype=float)
    if np.isinf(floats).any():
        raise SchemaError(f"column {name!r} has infinite values; replace them by missing values or a number")
    decimals = decimals_of(floats)
    key = len(unique) == len(present) > 50 and decimals == 0
    span = floats.max() - floats.min()
    # Row numbers: all of them, or, in a sample of a longer table, no two equal within its length, where numbers that
    # aren't row numbers would meet often (about n^2 / 2 span pairs).
    counted = span == len(unique) - 1 or (span < most_numbers and len(unique) ** 2 > 40 * span)
    if key and not is_target and (counted or by_name(name) is not None):
        return Column(name=name, kind="id", nullable=nullable, identifier="key", action="replace")
    return Column(
        name=name, kind="numerical", nullable=nullable, decimals=decimals, step=step_of(floats, decimals)
    )


def decimals_of(floats: np.ndarray) -> int | None:
    """The digits after the point that hold every value, at most 6; None if they don't.

    >>> decimals_of(np.array([1.5, 2.25])), decimals_of(np.array([1.0, 3.0])), decimals_of(np.array([np.pi]))
    (2, 0, None)
    """
    scale = np.abs(floats).max(initial=0.0)
    for d in range(MAX_DECIMALS + 1):
        if scale * 10.0**d >= 2**53:
            return None
        if np.array_equal(np.round(floats, d), floats):
            return d
    return None


def step_of(floats: np.ndarray, decimals: int | None) -> int:
    """The greatest step, in units of the last decimal, whose multiples all values are.

    >>> step_of(np.array([10000.0, 30000.0]), 0), step_of(np.array([0.5, 1.0]), 1)
    (10000, 5)
    """
    if decimals is None or len(floats) < 3:
        return 1
    units = np.round(floats * 10.0**decimals)
    if np.abs(units).max(initial=0) >= 2**53:
        return 1
    return max(int(np.gcd.reduce(units.astype("int64"))), 1)


def _text_column(
    name: str, present: pd.Series, unique: pd.Series, nullable: bool, is_target: bool, most_numbers: int
) -> Column:
    text = unique.map(str)
    numbers = pd.to_numeric(text, errors="coerce")
    if numbers.notna().all():
        floats = numbers.to_numpy(dtype=float)
        return _numeric_column(name, present, pd.Series(floats), nullable, is_target, most_numbers)
    if numbers.notna().any():
        _refuse_mixed(name, present.astype(str), text[numbers.notna()])
    if _all_dates(text):
        return _datetime_column(name, pd.to_datetime(text, format=date_format(text)), nullable)
    distinct = len(unique) / len(present)
    if not is_target:
        if looks_like_text(text, distinct):
            return Column(name=name, kind="text", nullable=nullable)
        if (by_name(name) == "key" and distinct > 0.5) or (distinct > 0.95 and len(present) > 50):
            return Column(name=name, kind="id", nullable=nullable, identifier="key", action="replace")
    return Column(name=name, kind="categorical", nullable=nullable)


def _refuse_mixed(name: str, texts: pd.Series, numbers: pd.Series) -> None:
    """Raises SchemaError when at least 80 % of `texts` are among the `numbers`."""
    numeric = texts.isin(set(numbers)).to_numpy()
    if numeric.mean() >= 0.8:
        odd = texts[~numeric].iloc[0]
        raise SchemaError(
            f"column {name!r} mixes numbers with other values such as {odd[:40]!r}"
            f" ({int((~numeric).sum()):,} of {len(texts):,}); mend them, or declare its kind in a schema file"
        )


def _all_dates(text: pd.Series) -> bool:
    return (
        bool(text.str.contains(r"\d[-/.]\w+[-/.]\d|^\d{8}$", regex=True).all())
        and date_format(text) is not None
    )

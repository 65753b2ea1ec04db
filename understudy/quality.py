"""Check a conformed table before anything is learnt from it, and profile it.

What can't be worked with is an error in one line; what merely deserves a look is a warning in
the profile. Rules of a column (missing values, public bounds and categories) are pandera checks
built from the schema; rules of the whole table are below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from understudy.errors import SchemaError, TableError
from understudy.schema import Column, TableSchema
from understudy.splits import unit_codes

if TYPE_CHECKING:
    import pandera.pandas as pa

MIN_ROWS = 50
MOSTLY_MISSING = 0.5
MANY_DUPLICATES = 0.05
RARE_CLASS = 20


def check(table: pd.DataFrame, schema: TableSchema) -> dict[str, Any]:
    """The profile of `table` (conformed to `schema`): rows, units, duplicates, columns, warnings.

    Raises:
        TableError: fewer than `MIN_ROWS` rows; a target without values or with a single one.
        SchemaError: missing values, or values outside the bounds or categories of the schema.
    """
    if len(table) < MIN_ROWS:
        raise TableError(f"the table has {len(table)} rows; at least {MIN_ROWS} are needed to learn from it")
    _check_target(table, schema)
    _check_columns(table, schema)
    return _profile(table, schema)


def _check_target(table: pd.DataFrame, schema: TableSchema) -> None:
    if schema.target is None:
        return
    present = table[schema.target].dropna()
    if not len(present):
        raise TableError(f"target {schema.target!r} has no values; choose another column, or none")
    if present.nunique() == 1:
        value = str(present.iloc[0])[:40]
        raise TableError(
            f"target {schema.target!r} has a single value ({value!r}) in all rows, so nothing can be"
            " predicted; choose another column, or none"
        )


def _check_columns(table: pd.DataFrame, schema: TableSchema) -> None:
    import pandera.pandas as pa

    rules = pa.DataFrameSchema({c.name: _rules(c) for c in schema.modelled})
    try:
        rules.validate(table, lazy=True)
    except pa.errors.SchemaErrors as e:
        raise SchemaError(_first_breach(e, schema)) from None


def _rules(column: Column) -> pa.Column:
    import pandera.pandas as pa

    checks = []
    if column.minimum is not None:
        checks.append(pa.Check.ge(column.minimum, error="minimum"))
    if column.maximum is not None:
        checks.append(pa.Check.le(column.maximum, error="maximum"))
    if column.categories is not None:
        checks.append(pa.Check.isin(column.categories, error="categories"))
    # The dtype is conform's business: both int64 and Int64 hold integers.
    return pa.Column(None, checks, nullable=column.nullable)


def _first_breach(e: pa.errors.SchemaErrors, schema: TableSchema) -> str:
    cases = e.failure_cases
    first = cases.iloc[0]
    name, rule = str(first["column"]), str(first["check"])
    n = int(((cases["column"] == name) & (cases["check"] == rule)).sum())
    column = schema.column(name)
    if rule == "not_nullable":
        return f"column {name!r} has {n:,} missing values, but the schema says nullable: false; mend one of them"
    limits = {"minimum": column.minimum, "maximum": column.maximum, "categories": column.categories}
    limit = next((v for k, v in limits.items() if k == rule), rule)
    listed = ", ".join(map(str, limit[:12])) if isinstance(limit, tuple) else limit
    return (
        f"column {name!r} has {n:,} values outside the schema's {rule} ({listed}), such as"
        f" {str(first['failure_case'])[:40]!r}; mend the table or the schema file"
    )


def _profile(table: pd.DataFrame, schema: TableSchema) -> dict[str, Any]:
    modelled = table[[c.name for c in schema.modelled]]
    columns = {c.name: _column_profile(table[c.name], c) for c in schema.columns if c.name in table}
    duplicates = float(modelled.duplicated().mean())
    return {
        "rows": len(table),
        "units": unit_codes(table, schema.unit)[1],
        "duplicate_rows": round(duplicates, 6),
        "columns": columns,
        "warnings": _warnings(table, schema, columns, duplicates),
    }


def _column_profile(values: pd.Series, column: Column) -> dict[str, Any]:
    profile: dict[str, Any] = {
        "kind": column.kind,
        "missing": round(float(values.isna().mean()), 6),
        "distinct": int(values.nunique()),
    }
    present = values.dropna()
    if column.kind == "numerical" and len(present):
        present = present.astype(float)
        profile |= {
            "mean": float(present.mean()),
            "minimum": float(present.min()),
            "maximum": float(present.max()),
        }
    return profile


def _warnings(table: pd.DataFrame, schema: TableSchema, columns: dict[str, Any], duplicates: float) -> list[str]:
    found = [
        f"column {name!r}: {p['missing']:.0%} of the values are missing"
        for name, p in columns.items()
        if p["missing"] > MOSTLY_MISSING
    ]
    if duplicates > MANY_DUPLICATES:
        remedy = "" if schema.unit else "; if rows of one person repeat, name the person's column with --unit"
        found.append(f"{duplicates:.0%} of the rows repeat an earlier row{remedy}")
    if schema.target is not None and schema.column(schema.target).kind in ("categorical", "boolean"):
        counts = table[schema.target].value_counts()
        found += [
            f"target {schema.target!r}: class {str(k)!r} has only {n} rows"
            for k, n in counts.items()
            if 0 < n < RARE_CLASS
        ]
    return found

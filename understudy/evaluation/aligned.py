"""Several tables as plain arrays over one vocabulary, so that metrics compare values and never codes.

Numerical and datetime columns become floats, categorical and boolean columns integer codes into
labels shared by all tables. `id` and `text` columns are left out, except for the privacy unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from understudy.errors import SchemaError, TableError
from understudy.schema import Column, TableSchema


@dataclass(frozen=True, eq=False)
class View:
    """One table.

    Attributes:
        n_rows: its length.
        numbers: name -> (n_rows,) float64, NaN = missing; datetimes are nanoseconds since 1970.
        codes: name -> (n_rows,) int32 into the labels, -1 = missing.
        units: (n_rows,) integer key of the privacy unit, or None when each row is a unit.
    """

    n_rows: int
    numbers: Mapping[str, np.ndarray]
    codes: Mapping[str, np.ndarray]
    units: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> View:
        """The view of the given row positions."""
        return View(
            n_rows=len(rows),
            numbers={k: v[rows] for k, v in self.numbers.items()},
            codes={k: v[rows] for k, v in self.codes.items()},
            units=None if self.units is None else self.units[rows],
        )

    def sample(self, n_rows: int, rng: np.random.Generator) -> View:
        """`n_rows` rows without replacement, or all of them (unshuffled) when there are no more."""
        if n_rows >= self.n_rows:
            return self
        return self.take(np.sort(rng.choice(self.n_rows, n_rows, replace=False)))

    def missing(self, name: str) -> np.ndarray:
        """(n_rows,) bool."""
        return np.isnan(self.numbers[name]) if name in self.numbers else self.codes[name] < 0


@dataclass(frozen=True, eq=False)
class Aligned:
    """Tables over one vocabulary.

    Attributes:
        columns: the modelled columns, in table order.
        labels: name of a coded column -> (n_labels,) str, the first table's most frequent first.
        views: one per table, in the order given.
    """

    columns: tuple[Column, ...]
    labels: Mapping[str, np.ndarray]
    views: tuple[View, ...]

    @property
    def numbers(self) -> list[str]:
        return [c.name for c in self.columns if is_number(c)]

    @property
    def coded(self) -> list[str]:
        return [c.name for c in self.columns if not is_number(c)]


def is_number(column: Column) -> bool:
    """Whether a column is compared as a quantity (datetime included) rather than by category."""
    return column.kind in ("numerical", "datetime")


def within_one(values: np.ndarray) -> np.ndarray:
    """(n, ...) values over the largest of their column, so that squares neither overflow nor vanish; NaN stays."""
    largest = np.fmax.reduce(np.abs(values), axis=0, initial=0.0)
    return values / np.where(largest > 0, largest, 1.0)


def align(tables: Mapping[str, pd.DataFrame], schema: TableSchema) -> Aligned:
    """Conformed tables as arrays; the first table orders the labels.

    Raises:
        SchemaError: a table lacks a modelled column, or a column can't be read as its kind.
        TableError: a table has no rows, or the schema no modelled column.
    """
    if not schema.modelled:
        raise TableError("nothing to evaluate: the schema has only id and text columns; give it at least one other")
    for name, table in tables.items():
        if len(table) == 0:
            raise TableError(f"the {name} table has no rows; nothing can be evaluated against it")
        absent = [c.name for c in schema.modelled if c.name not in table.columns]
        if absent:
            raise SchemaError(f"the {name} table lacks column {absent[0]!r}; evaluate tables of one schema")
    numbers: dict[str, list[np.ndarray]] = {}
    codes: dict[str, list[np.ndarray]] = {}
    labels: dict[str, np.ndarray] = {}
    for column in schema.modelled:
        series = [t[column.name] for t in tables.values()]
        try:
            if is_number(column):
                numbers[column.name] = [_floats(s) for s in series]
            else:
                codes[column.name], labels[column.name] = _shared_codes(series)
        except (TypeError, ValueError) as e:
            raise SchemaError(f"column {column.name!r} can't be read as {column.kind} ({e}); check the schema") from e
    units = [_units(t, schema.unit) for t in tables.values()]
    views = tuple(
        View(len(t), {k: v[i] for k, v in numbers.items()}, {k: v[i] for k, v in codes.items()}, units[i])
        for i, t in enumerate(tables.values())
    )
    return Aligned(schema.modelled, labels, views)


def _floats(series: pd.Series) -> np.ndarray:
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        stamps = series.to_numpy(dtype="datetime64[ns]")
        return np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64).astype(float))
    values = series.to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def _shared_codes(series: Sequence[pd.Series]) -> tuple[list[np.ndarray], np.ndarray]:
    """Codes of each series into labels that are ordered by frequency in the first (ties by label)."""
    parts = [s if isinstance(s.dtype, pd.CategoricalDtype) else s.astype("category") for s in series]
    values = [p.cat.categories.astype(str) for p in parts]
    union = values[0].append(list(values[1:])).unique()
    raw = []
    for part, names in zip(parts, values, strict=True):
        lookup = np.append(union.get_indexer(names), -1)  # the last entry serves code -1 = missing
        raw.append(lookup[part.cat.codes.to_numpy()])
    counts = np.bincount(raw[0][raw[0] >= 0], minlength=len(union))
    order = np.lexsort((union.to_numpy(dtype=object).astype(str), -counts)) if len(union) else np.empty(0, int)
    rank = np.empty(len(union) + 1, np.int32)
    rank[order] = np.arange(len(union), dtype=np.int32)
    rank[-1] = -1
    used = np.zeros(len(union), bool)
    for r in raw:
        used[rank[r[r >= 0]]] = True
    # categories that a dtype lists but no row holds carry no information: number the rest densely
    dense = np.append(np.cumsum(used, dtype=np.int32) - 1, np.int32(-1)).astype(np.int32)
    return [dense[rank[r]] for r in raw], union.to_numpy(dtype=object)[order][used]


def _units(table: pd.DataFrame, unit: str | None) -> np.ndarray | None:
    if unit is None or unit not in table.columns:
        return None
    keys, _ = pd.factorize(table[unit], use_na_sentinel=True)
    # a row without a key is a unit of its own
    keys = keys.astype(np.int64)
    unknown = keys < 0
    keys[unknown] = keys.max(initial=-1) + 1 + np.arange(unknown.sum())
    return keys

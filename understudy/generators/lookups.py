"""Columns that another column determines (postcode -> city): looked up by value, not learnt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from understudy.dependencies import functional_dependencies
from understudy.encoding import Codec, TableCodec
from understudy.encoding.categorical import CategoricalCodec
from understudy.generators.rows import Condition, Rows
from understudy.schema import TableSchema

MOST_LOST = 0.005
"""The share of units whose value may be suppressed for a lookup still to stand."""


@dataclass
class LookupColumn:
    """A column whose value follows from the determinant's.

    Attributes:
        determinant: the column that does.
        cuts: (m,) float64, ascending: a number below cuts[0] has found[0], and so on; unused for categories.
        found: (m + 2,) values for each interval of numbers, then for a missing one; or, of categories,
            (n_labels + 2,) values for label indices from -1, missing, to n_labels, OTHER.
    """

    index: int
    determinant: int
    cuts: np.ndarray
    found: np.ndarray
    kind: ClassVar[str] = "lookup"

    def of(self, values: np.ndarray) -> np.ndarray:
        """This column's values (n,) for the determinant's."""
        if values.dtype.kind == "f":
            at = np.where(np.isnan(values), len(self.cuts) + 1, np.searchsorted(self.cuts, values, side="right"))
            return self.found[at]
        return self.found[values + 1]

    def draw(self, rows: Rows, rng: np.random.Generator, condition: Condition | None) -> np.ndarray | None:
        rows.put(self.index, self.of(rows.values[self.determinant]))
        return None if condition is None else condition.met(rows.values[self.index]).astype(float)

    def probability(self, rows: Rows) -> np.ndarray:
        looked_up, values = self.of(rows.values[self.determinant]), rows.values[self.index]
        return ((looked_up == values) | ((looked_up != looked_up) & (values != values))).astype(float)

    def through(self, condition: Condition, codec: Codec) -> Condition | None:
        """The same condition asked of the determinant, whose codec is `codec`; None if that can't be said exactly."""
        if not isinstance(codec, CategoricalCodec):
            return None
        met = condition.met(self.found)
        return Condition.on_labels(codec, met[1:-1], bool(met[0]) and codec.null >= 0)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        meta = {"index": self.index, "kind": self.kind, "determinant": self.determinant}
        return meta, {"cuts": self.cuts, "found": self.found}


def find_lookups(
    table: pd.DataFrame, schema: TableSchema, rows: Rows, weight: np.ndarray, min_units: int
) -> dict[int, LookupColumn]:
    """{column: its lookup}. Of columns that determine each other the first one is learnt."""
    lookups: dict[int, LookupColumn] = {}
    codec = rows.codec
    for d in functional_dependencies(table, schema):
        a, b = codec.index(d.determinant), codec.index(d.dependent)
        if b in lookups or a in lookups or d.dependent == schema.target:
            continue
        if any(b == lookup.determinant for lookup in lookups.values()):
            continue
        found = lookup_of(a, b, codec, rows.values, weight, min_units)
        if found is not None:
            lookups[b] = found
    return lookups


def lookup_of(
    a: int, b: int, codec: TableCodec, values: dict[int, np.ndarray], weight: np.ndarray, min_units: int
) -> LookupColumn | None:
    """The lookup of column b by column a, of which every entry rests on `min_units` units; None if too many don't."""
    source, own = values[a], values[b]
    keys, key_of = np.unique(source, return_inverse=True)
    first = np.zeros(len(keys), dtype=own.dtype)
    first[key_of] = own
    if isinstance(codec.codecs[a], CategoricalCodec):
        n_labels = len(codec.codecs[a].labels)  # type: ignore[union-attr]
        units = np.bincount(source + 1, weights=weight, minlength=n_labels + 2)
        found = np.full(n_labels + 2, _usual(own, weight), dtype=own.dtype)
        found[keys + 1] = first
        known = (units >= min_units - 1e-9) | (units == 0)
        known[-1] &= not (source == n_labels).any()  # OTHER stands for many
        cuts = np.empty(0)
    else:
        missing = np.isnan(keys)
        units = np.bincount(key_of, weights=weight)
        numbers = np.flatnonzero(~missing)
        changes = np.flatnonzero(_differ(first[numbers[:-1]], first[numbers[1:]]))
        cuts = (keys[numbers[changes]] + keys[numbers[changes + 1]]) / 2
        run = np.searchsorted(cuts, keys[numbers], side="right")
        units = np.append(
            np.bincount(run, weights=units[numbers], minlength=len(cuts) + 1), units[missing].sum() if missing.any() else 0
        )
        found = np.full(len(cuts) + 2, _usual(own, weight), dtype=own.dtype)
        found[run] = first[numbers]
        if missing.any():
            found[-1] = first[missing][0]
        known = (units >= min_units - 1e-9) | (units == 0)
    unknown_label = len(codec.codecs[b].labels) if isinstance(codec.codecs[b], CategoricalCodec) else None  # type: ignore[union-attr]
    if unknown_label is not None:
        known &= (found != unknown_label) | (units == 0)
    if units[~known].sum() > MOST_LOST * weight.sum():
        return None
    found[~known] = _usual(own, weight)
    return LookupColumn(b, a, cuts, found)


def _differ(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x != y) & ~((x != x) & (y != y))


def _usual(values: np.ndarray, weight: np.ndarray) -> float:
    """The most frequent value."""
    distinct, inverse = np.unique(values, return_inverse=True)
    return distinct[int(np.argmax(np.bincount(inverse, weights=weight)))]  # type: ignore[no-any-return]

"""Columns that another column determines (postcode -> city): looked up by value, not learnt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from understudy.dependencies import functional_dependencies
from understudy.encoding import Codec, TableCodec
from understudy.encoding.categorical import CategoricalCodec
from understudy.encoding.numerical import NumericalCodec
from understudy.errors import ConfigError
from understudy.generators.rows import NO_PROBABILITY, Condition, Rows
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

    def narrowed(self, met: np.ndarray, codec: Codec, known: Condition | None) -> Condition:
        """What is asked of the determinant, whose codec is `codec`, when only entries `met`, bool like `found`, may
        come of it and `known` is asked of it anyway. Raises ConfigError where that leaves nothing."""
        if isinstance(codec, CategoricalCodec):
            null = bool(met[0]) and codec.null >= 0 and (known is None or known.null)
            return Condition.on_labels(codec, met[1:-1] & (True if known is None else known.labels), null)
        edges = np.concatenate([[-np.inf], self.cuts, [np.inf]])
        wanted: list[dict[str, Any] | None] = []
        for low, high in known.ranges if known else [(-np.inf, np.inf)]:
            starts = np.flatnonzero(met[:-1] & ~np.append(False, met[:-2]))
            ends = np.flatnonzero(met[:-1] & ~np.append(met[1:-1], False))
            for a, b in zip(np.maximum(edges[starts], low), np.minimum(edges[ends + 1], high), strict=True):
                if a <= b:
                    wanted.append(_between(float(a), float(b), codec))
        if bool(met[-1]) and codec.null >= 0 and (known is None or known.null):
            wanted.append(None)
        if not wanted:
            raise ConfigError(NO_PROBABILITY)
        return Condition.of(codec, wanted)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        meta = {"index": self.index, "kind": self.kind, "determinant": self.determinant}
        return meta, {"cuts": self.cuts, "found": self.found}


def _between(low: float, high: float, codec: NumericalCodec) -> dict[str, Any]:
    """A range of values as `where` has it, from the first to the last value of the column's grid."""
    if codec.grid:
        low, high = np.ceil(low / codec.grid) * codec.grid, np.floor(high / codec.grid) * codec.grid
    ends = {k: float(x) for k, x in (("min", low), ("max", high)) if np.isfinite(x)}
    if codec.column.kind == "datetime":
        return {k: pd.Timestamp(int(x) * codec.column.step) for k, x in ends.items()}
    return ends


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
    own, dependent = values[b], codec.codecs[b]
    table = _by_label if isinstance(codec.codecs[a], CategoricalCodec) else _by_interval
    cuts, found, units = table(values[a], own, weight, len(getattr(codec.codecs[a], "labels", ())))
    known = (units >= min_units - 1e-9) | (units == 0)
    if isinstance(dependent, CategoricalCodec):
        known &= (found != len(dependent.labels)) | (units == 0)
    if units[~known].sum() > MOST_LOST * weight.sum():
        return None
    found[~known | (units == 0)] = _usual(own, weight)
    return LookupColumn(b, a, cuts, found)


def _by_label(
    source: np.ndarray, own: np.ndarray, weight: np.ndarray, n_labels: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """No cuts; by label index from -1 to n_labels the value found with it, and the units behind it."""
    found = np.zeros(n_labels + 2, dtype=own.dtype)
    found[source + 1] = own
    units = np.bincount(source + 1, weights=weight, minlength=n_labels + 2)
    if units[-1] and np.ptp(own[source == n_labels].astype(float)):
        units[-1] = 1e-6  # OTHER stands for several values
    return np.empty(0), found, units


def _by_interval(
    source: np.ndarray, own: np.ndarray, weight: np.ndarray, _: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cuts half-way between numbers where the value changes, the value of each interval, and the units behind it."""
    keys, key_of = np.unique(source, return_inverse=True)
    missing = np.isnan(keys)
    first = np.zeros(len(keys), dtype=own.dtype)
    first[key_of] = own
    numbers = np.flatnonzero(~missing)
    changes = np.flatnonzero(_differ(first[numbers[:-1]], first[numbers[1:]]))
    cuts = (keys[numbers[changes]] + keys[numbers[changes + 1]]) / 2
    interval = np.where(missing, len(cuts) + 1, np.searchsorted(cuts, keys, side="right"))
    found = np.zeros(len(cuts) + 2, dtype=own.dtype)
    found[interval] = first
    units = np.bincount(interval[key_of], weights=weight, minlength=len(cuts) + 2)
    return cuts, found, units


def _differ(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x != y) & ~((x != x) & (y != y))


def _usual(values: np.ndarray, weight: np.ndarray) -> float:
    """The most frequent value."""
    distinct, inverse = np.unique(values, return_inverse=True)
    return distinct[int(np.argmax(np.bincount(inverse, weights=weight)))]  # type: ignore[no-any-return]


def from_token_table(codec: TableCodec, index: int, determinant: int, table: np.ndarray) -> LookupColumn:
    """Format 1 kept a table of tokens, each of one value: table (n_tokens of the determinant,) uint8."""
    own, source = codec.codecs[index], codec.codecs[determinant]
    tokens = np.arange(source.n_tokens, dtype=np.uint8)
    middle = np.full(len(tokens), 0.5)
    keys, found = source.decode(tokens, middle), own.decode(table[tokens], middle)
    if isinstance(source, CategoricalCodec):
        by_label = np.full(len(source.labels) + 2, found[0])
        by_label[keys + 1] = found
        return LookupColumn(index, determinant, np.empty(0), by_label)
    order = np.argsort(keys)  # missing last
    keys, found = keys[order], found[order]
    numbers = keys[~np.isnan(keys)]
    cuts = (numbers[:-1] + numbers[1:]) / 2
    return LookupColumn(index, determinant, cuts, found if source.null >= 0 else np.append(found, found[-1]))

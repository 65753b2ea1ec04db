"""Tables as small whole numbers: each column cut into bins that the reference table alone decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from understudy.schema import Column, TableSchema

OTHER, MISSING = "other values", "missing"


@dataclass(frozen=True)
class ColumnBins:
    """The bins of one column: `edges` between numbers, or one for each of `labels`; then `other`, then `missing`.

    `other` holds labels that aren't listed, so also those that the reference never had.
    """

    name: str
    edges: np.ndarray | None
    labels: tuple[str, ...]

    @classmethod
    def of(cls, values: pd.Series, column: Column, most: int) -> ColumnBins:
        """At most `most` bins for values and two more; of equal shares where values are numbers."""
        if column.kind in ("numerical", "datetime"):
            numbers = np.sort(_numbers(values.dropna()))
            if not len(numbers):
                return cls(column.name, np.empty(0), ())
            cuts = numbers[(len(numbers) * np.arange(1, most) / most).astype(int)]
            return cls(column.name, np.unique(cuts[cuts > numbers[0]]), ())
        common = values.dropna().astype(str).value_counts().index[:most]
        return cls(column.name, None, tuple(sorted(common)))

    @property
    def size(self) -> int:
        values = len(self.labels) if self.edges is None else len(self.edges) + 1
        return values + 2

    def codes(self, values: pd.Series) -> np.ndarray:
        """(n,) int64 below `size`."""
        missing = values.isna().to_numpy()
        if self.edges is None:
            found = pd.Index(self.labels).get_indexer(pd.Index(values.astype(str)))
            codes = np.where(found < 0, self.size - 2, found)
        else:
            codes = np.zeros(len(values), dtype=np.int64)
            codes[~missing] = np.searchsorted(self.edges, _numbers(values[~missing]), side="right")
        codes[missing] = self.size - 1
        return codes.astype(np.int64)

    def text(self, values: pd.Series) -> pd.Series:
        """The bins' names, for people."""
        return pd.Series(np.array(self._names(), dtype=object)[self.codes(values)], name=self.name)

    def _names(self) -> list[str]:
        if self.edges is None:
            names = list(self.labels)
        else:
            ends = [f"{e:.4g}" for e in self.edges]
            between = [f"{a} to {b}" for a, b in zip(ends, ends[1:], strict=False)]
            names = [f"< {ends[0]}", *between, f">= {ends[-1]}"] if ends else ["values"]
        return [*names, OTHER, MISSING]


@dataclass(frozen=True)
class Bins:
    """The bins of several columns side by side: column j owns the codes from `starts[j]` to `starts[j + 1]`."""

    columns: tuple[ColumnBins, ...]

    @classmethod
    def of(cls, table: pd.DataFrame, schema: TableSchema, most: int) -> Bins:
        """For every modelled column that `table`, the reference, has."""
        present = [c for c in schema.modelled if c.name in table.columns]
        return cls(tuple(ColumnBins.of(table[c.name], c, most) for c in present))

    @property
    def names(self) -> list[str]:
        return [c.name for c in self.columns]

    @property
    def starts(self) -> np.ndarray:
        """(n_columns + 1,)"""
        return np.concatenate([[0], np.cumsum([c.size for c in self.columns])]).astype(np.int64)

    def one_hot(self, table: pd.DataFrame) -> np.ndarray:
        """(n_rows, starts[-1]) float32 of zeros, and ones where a row has the bin."""
        hot = np.zeros((len(table), int(self.starts[-1])), dtype=np.float32)
        rows = np.arange(len(table))
        for start, column in zip(self.starts, self.columns, strict=False):
            hot[rows, start + column.codes(table[column.name])] = 1
        return hot


def _numbers(values: pd.Series) -> np.ndarray:
    """Numbers and dates as float64."""
    plain: Any = values.astype("int64") if values.dtype.kind == "M" else values
    return np.asarray(plain.to_numpy(), dtype=np.float64)

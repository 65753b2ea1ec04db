"""Rows in the making: what is known of each column so far, as values and as split codes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from understudy.encoding import Codec, TableCodec
from understudy.encoding.categorical import CategoricalCodec
from understudy.encoding.numerical import NumericalCodec
from understudy.encoding.quantiles import to_floats
from understudy.encoding.ranges import meets, ranges_of
from understudy.errors import ConfigError

NO_PROBABILITY = "where: the generator gives these conditions together no probability; loosen one of them"


@dataclass
class Rows:
    """`n` rows, of which some columns are known.

    Attributes:
        codes: (n_columns + 1, n) uint8 split codes; the last row is room for a column's prediction.
        values: {column: (n,)} float64 numbers with NaN for missing, or int64 label indices.
    """

    codec: TableCodec
    codes: np.ndarray
    values: dict[int, np.ndarray] = field(default_factory=dict)

    @classmethod
    def empty(cls, codec: TableCodec, n: int) -> Rows:
        return cls(codec, np.zeros((len(codec.codecs) + 1, n), dtype=np.uint8))

    @classmethod
    def of_table(cls, codec: TableCodec, table: pd.DataFrame) -> Rows:
        rows = cls.empty(codec, len(table))
        for j, c in enumerate(codec.codecs):
            series = table[c.column.name]
            if isinstance(c, CategoricalCodec):
                rows.put(j, c.indices_of(series))
            else:
                rows.put(j, to_floats(series, c.column))
        return rows

    @property
    def n(self) -> int:
        return int(self.codes.shape[1])

    def put(self, index: int, values: np.ndarray) -> None:
        """Add the drawn values of one column."""
        codec = self.codec.codecs[index]
        self.values[index] = values
        self.codes[index] = codec.split_codes(values)

    def tokens(self) -> np.ndarray:
        """(n_columns, n) uint8."""
        return np.stack([c.tokens_of(self.values[j]) for j, c in enumerate(self.codec.codecs)])

    def take(self, rows: np.ndarray) -> Rows:
        return Rows(self.codec, self.codes[:, rows], {j: v[rows] for j, v in self.values.items()})


def concatenated(parts: list[Rows]) -> Rows:
    first = parts[0]
    values = {j: np.concatenate([p.values[j] for p in parts]) for j in first.values}
    return Rows(first.codec, np.concatenate([p.codes for p in parts], axis=1), values)


@dataclass(frozen=True)
class Condition:
    """What `where` asks of one column.

    Attributes:
        share: (n_tokens,) the share of each token that is allowed.
        codec: the column's codec, emitting only what is allowed.
        ranges: (k, 2) the closed ranges allowed, of a column of numbers.
        labels: (n_labels,) bool, the categories allowed.
        null: whether a missing value is.
    """

    share: np.ndarray
    codec: Codec
    ranges: np.ndarray
    labels: np.ndarray
    null: bool

    @classmethod
    def of(cls, codec: Codec, wanted: Any) -> Condition:
        """Raises ConfigError for what the column's generator can't emit."""
        share, part = codec.allow(wanted)
        null = codec.null >= 0 and bool(share[codec.null] > 0)
        if isinstance(codec, NumericalCodec):
            ranges, _ = ranges_of(wanted, codec.column)
            return cls(share, codec.restricted(part), ranges, np.empty(0, dtype=bool), null)
        return cls(share, codec.restricted(part), np.empty((0, 2)), part, null)

    @classmethod
    def on_labels(cls, codec: CategoricalCodec, labels: np.ndarray, null: bool) -> Condition:
        """One of the categories `labels` (n_labels,) bool. Raises ConfigError for none."""
        if not labels.any() and not null:
            raise ConfigError(NO_PROBABILITY)
        return cls(codec.shares(labels, null), codec.restricted(labels), np.empty((0, 2)), labels, null)

    def met(self, values: np.ndarray) -> np.ndarray:
        """Which values, (n,) as in `Rows.values`, meet it."""
        if isinstance(self.codec, NumericalCodec):
            return meets(values, self.ranges, self.null, self.codec.grid / 2)
        return np.append(self.labels, [False, self.null])[values]

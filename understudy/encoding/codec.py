"""The codecs of a whole table: fit, encode, split features, state for artifacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from understudy.encoding.categorical import CategoricalCodec
from understudy.encoding.numerical import NumericalCodec
from understudy.encoding.quantiles import to_floats
from understudy.encoding.similar import MAX_FEATURES, code_features
from understudy.errors import ConfigError
from understudy.schema import Column, TableSchema

Codec = CategoricalCodec | NumericalCodec
MIN_UNITS = 11  # El Emam et al.: smaller cells are suppressed before release


@dataclass(frozen=True)
class TableCodec:
    """One codec per modelled column, in table order."""

    codecs: tuple[Codec, ...]

    def encode(self, table: pd.DataFrame) -> np.ndarray:
        """Tokens, (n_columns, n_rows) uint8."""
        return np.stack([c.encode(table[c.column.name]) for c in self.codecs])

    def index(self, name: str) -> int:
        return next(j for j, c in enumerate(self.codecs) if c.column.name == name)

    def values(self, name: str) -> tuple[str, ...]:
        """The categories that a categorical or boolean column can emit. Raises ConfigError for another kind."""
        codec = self.codecs[self.index(name)]
        if not isinstance(codec, CategoricalCodec):
            raise ConfigError(f"column {name!r} is {codec.column.kind} and has no list of values")
        return codec.labels

    def state(self) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
        metas: list[dict[str, Any]] = []
        arrays: dict[str, np.ndarray] = {}
        for j, c in enumerate(self.codecs):
            meta, own = c.state()
            metas.append({"kind": c.kind, **meta})
            arrays |= {f"codec.{j}.{k}": v for k, v in own.items()}
        return metas, arrays

    @classmethod
    def from_state(
        cls, columns: Sequence[Column], metas: Sequence[Mapping[str, Any]], arrays: Mapping[str, np.ndarray]
    ) -> TableCodec:
        codecs: list[Codec] = []
        for j, (column, meta) in enumerate(zip(columns, metas, strict=True)):
            prefix = f"codec.{j}."
            own = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
            kind = CategoricalCodec if meta["kind"] == "categorical" else NumericalCodec
            codecs.append(kind.from_state(column, meta, own))
        return cls(tuple(codecs))


def fit_codec(table: pd.DataFrame, schema: TableSchema, *, min_units: int = MIN_UNITS) -> TableCodec:
    """Codecs for the modelled columns of a conformed table.

    `min_units` is the least number of privacy units behind a category, an exact value or the
    end of a range.
    """
    units = unit_weights(table, schema)
    codecs: list[Codec] = []
    for column in schema.modelled:
        kind = NumericalCodec if column.kind in ("numerical", "datetime") else CategoricalCodec
        codecs.append(kind.fit(table[column.name], column, units, min_units))
    if any(isinstance(c, CategoricalCodec) and c.shares_tokens for c in codecs):
        codecs = _with_similar_buckets(table, schema, codecs, units)
    return TableCodec(tuple(codecs))


def _with_similar_buckets(
    table: pd.DataFrame, schema: TableSchema, codecs: list[Codec], units: np.ndarray
) -> list[Codec]:
    """Let categories that share a token be alike in the other columns: the target, and others evenly spread."""
    simple = [c for c in codecs if not (isinstance(c, CategoricalCodec) and c.shares_tokens)]
    chosen = [c for c in simple if c.column.name == schema.target]
    others = [c for c in simple if c.column.name != schema.target]
    chosen += [others[i] for i in np.unique(np.linspace(0, len(others) - 1, MAX_FEATURES // 2).astype(int)) if others]
    features: list[np.ndarray] = []
    for c in chosen:
        values = table[c.column.name]
        if isinstance(c, CategoricalCodec):
            features += code_features(c.encode(values), c.n_tokens)
        else:
            features.append(c.split_codes(to_floats(values, c.column)).astype(np.float32))
    return [
        c.regrouped(c.indices_of(table[c.column.name]), units, features)
        if isinstance(c, CategoricalCodec) and c.shares_tokens
        else c
        for c in codecs
    ]


def unit_weights(table: pd.DataFrame, schema: TableSchema) -> np.ndarray:
    """1 / (rows of the row's unit), (n_rows,): sums over rows count units."""
    if schema.unit is None or schema.unit not in table:
        return np.ones(len(table))
    codes, _ = pd.factorize(table[schema.unit], use_na_sentinel=False)
    return 1.0 / np.bincount(codes)[codes]

"""Categories and booleans as tokens; rare ones share OTHER, of many the less frequent share buckets (`similar`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from understudy.canonical import from_codes, label
from understudy.encoding.similar import buckets
from understudy.errors import ConfigError
from understudy.schema import Column

OTHER_LABEL = "OTHER"
MAX_TOKENS = 254  # besides OTHER and missing
_MAX_OWN = 128  # categories with a token of their own where there are more than MAX_TOKENS
N_BUCKETS = MAX_TOKENS - _MAX_OWN


@dataclass(frozen=True)
class CategoricalCodec:
    """Tokens of one categorical or boolean column.

    Attributes:
        labels: the categories that can be emitted, most frequent first, (n_labels,).
        token_of: the token of each label, (n_labels,) uint8: its own, or a bucket's.
        share: the share of each label within its token, (n_labels,) float64.
        null: the token of missing values, -1 if the column has none.
        other: the token of categories with too few units, -1 if there are none.
        n_tokens: how many tokens there are.

    A rare category is never emitted: OTHER is left out of samples where it holds less than 5 % of the column or
    too few units, and emitted as the word OTHER where it holds more. So is a missing value that too few units have
    (`emit_null`). Where every category is rare, all of them are the word OTHER.
    """

    kind: ClassVar[str] = "categorical"
    column: Column
    labels: tuple[str, ...]
    token_of: np.ndarray
    share: np.ndarray
    null: int
    other: int
    n_tokens: int
    emit_other: bool
    emit_null: bool = True

    @classmethod
    def fit(cls, values: pd.Series, column: Column, units: np.ndarray, min_units: int) -> CategoricalCodec:
        """`units` holds each row's weight, 1 / (rows of its unit), so that sums count units."""
        codes, levels = _codes(values)
        counts = np.bincount(codes[codes >= 0], weights=units[codes >= 0], minlength=len(levels))
        declared = column.categories is not None
        keep = np.flatnonzero(counts >= (0 if declared else min_units - 1e-9))
        missing = float(units[codes < 0].sum())
        emit_null = missing >= min_units - 1e-9
        if not len(keep) and column.kind == "categorical":
            return cls._nothing_but_other(column, emit_null)
        if not len(keep):  # a boolean's two values are no secret
            keep = np.argsort(-counts, kind="stable")[:1]
        keep = keep[np.argsort(-counts[keep], kind="stable")]
        token_of = np.arange(len(keep))
        if len(keep) > MAX_TOKENS:
            token_of = np.where(token_of < _MAX_OWN, token_of, _MAX_OWN + (token_of - _MAX_OWN) % N_BUCKETS)
        n = int(token_of.max()) + 1
        mass = counts[keep] + 1e-9
        share = mass / np.bincount(token_of, weights=mass, minlength=n)[token_of]
        rare = float(counts.sum() - counts[keep].sum())
        other, null = -1, -1
        if len(keep) < len(levels):
            other, n = n, n + 1
        if column.nullable:
            null, n = n, n + 1
        enough = rare >= max(0.05 * counts.sum(), min_units - 1e-9)
        emit = bool(other >= 0 and column.kind == "categorical" and enough)
        labels = tuple(levels[i] for i in keep)
        return cls(column, labels, token_of.astype(np.uint8), share, null, other, n, emit, emit_null)

    @classmethod
    def _nothing_but_other(cls, column: Column, emit_null: bool) -> CategoricalCodec:
        """One label that stands for every category."""
        token, share, null = np.zeros(1, dtype=np.uint8), np.ones(1), 1 if column.nullable else -1
        return cls(column, (OTHER_LABEL,), token, share, null, -1, 1 + (null >= 0), True, emit_null)

    @property
    def shares_tokens(self) -> bool:
        """Whether some labels have no token of their own."""
        return len(self.labels) > MAX_TOKENS

    def regrouped(self, indices: np.ndarray, units: np.ndarray, features: Sequence[np.ndarray]) -> CategoricalCodec:
        """The same labels, those without a token of their own in buckets of labels alike in `features`.

        `indices` as from `indices_of`, `units` and each feature (n_rows,).
        """
        place = np.where(indices < len(self.labels), indices, -1)
        rest = len(self.labels) - _MAX_OWN
        found = buckets(np.where(place < _MAX_OWN, -1, place - _MAX_OWN), rest, features, units, N_BUCKETS)
        if found is None:
            return self
        token_of = np.concatenate([np.arange(_MAX_OWN), _MAX_OWN + found])
        mass = np.bincount(place[place >= 0], weights=units[place >= 0], minlength=len(self.labels)) + 1e-9
        n = int(token_of.max()) + 1
        share = mass / np.bincount(token_of, weights=mass)[token_of]
        other = n if self.other >= 0 else -1
        n += self.other >= 0
        null = n if self.null >= 0 else -1
        n += self.null >= 0
        return replace(self, token_of=token_of.astype(np.uint8), share=share, other=other, null=null, n_tokens=n)

    def encode(self, values: pd.Series) -> np.ndarray:
        """Tokens, (n,) uint8; an unknown category is OTHER, or the last label where there is none."""
        return self.tokens_of(self.indices_of(values))

    def indices_of(self, values: pd.Series) -> np.ndarray:
        """Label indices, (n,) int64, as `decode` gives them; an unknown category is len(labels), as OTHER is."""
        codes, levels = _codes(values)
        at = pd.Index(self.labels, dtype=object).get_indexer(pd.Index(levels, dtype=object))
        return np.append(np.where(at >= 0, at, len(self.labels)), -1)[codes]

    def tokens_of(self, indices: np.ndarray) -> np.ndarray:
        """The tokens of label indices, (n,) uint8."""
        fallback = self.other if self.other >= 0 else int(self.token_of[-1])
        return np.concatenate([self.token_of, [fallback, max(self.null, 0)]]).astype(np.uint8)[indices]

    def split_codes(self, indices: np.ndarray) -> np.ndarray:
        """What trees split on, (n,) uint8: the tokens."""
        return self.tokens_of(indices)

    def decode(self, tokens: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Label indices, (n,) int64; -1 is missing, len(labels) is OTHER. `u` is uniform on [0, 1)."""
        order = np.argsort(self.token_of, kind="stable")
        sorted_tokens = self.token_of[order]
        if len(order) == sorted_tokens[-1] + 1:
            table = np.full(256, -1, dtype=np.int64)
            table[sorted_tokens] = order
        else:
            cumulative = sorted_tokens + _cumulative(self.share[order], sorted_tokens)
            found = order[np.minimum(np.searchsorted(cumulative, tokens + u, side="right"), len(order) - 1)]
            table = None
        indices = table[tokens] if table is not None else found
        if self.other >= 0:
            indices = np.where(tokens == self.other, len(self.labels), indices)
        return np.where(tokens == self.null, -1, indices) if self.null >= 0 else indices

    def to_series(self, indices: np.ndarray) -> pd.Series:
        if self.column.kind == "boolean":
            truth = np.array([x == "True" for x in self.labels] + [False])
            values = pd.Series(truth[indices])
            return values.astype("boolean").mask(indices < 0) if (indices < 0).any() else values
        labels = (
            [*self.labels, OTHER_LABEL] if self.emit_other and OTHER_LABEL not in self.labels else list(self.labels)
        )
        return from_codes(np.minimum(indices, len(labels) - 1), labels)

    def parts(self, values: pd.Series) -> list[tuple[np.ndarray, np.ndarray]]:
        """The tokens that can emit each value, and P(value | token), as [(tokens (n,), mass (n,))].

        A category that is never emitted has mass 0.
        """
        return self.parts_of(self.indices_of(values))

    def parts_of(self, indices: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """`parts` of label indices, (n,) int64."""
        mass = np.concatenate([self.share, [float(self.emit_other), 1.0]])
        return [(self.tokens_of(indices), mass[indices])]

    def emittable(self) -> np.ndarray:
        """Which tokens a sample may hold, (n_tokens,) bool."""
        ok = np.ones(self.n_tokens, dtype=bool)
        if self.other >= 0 and not self.emit_other:
            ok[self.other] = False
        if self.null >= 0 and not self.emit_null:
            ok[self.null] = False
        return ok

    def allow(self, condition: Any) -> tuple[np.ndarray, np.ndarray]:
        """The share of each token that a condition allows, (n_tokens,), and the allowed labels, (n_labels,) bool.

        Raises ConfigError for a category the generator can't emit.
        """
        if isinstance(condition, Mapping):
            raise ConfigError(f"where: column {self.column.name!r} is {self.column.kind}, it takes values, not a range")
        wanted = condition if isinstance(condition, list | tuple | set) else [condition]
        index = {text: i for i, text in enumerate(self.labels)}
        allowed, null = np.zeros(len(self.labels), dtype=bool), False
        for value in wanted:
            if value is None or value != value or value == "":
                if self.null < 0 or not self.emit_null:
                    raise ConfigError(f"where: column {self.column.name!r} has no missing values")
                null = True
                continue
            text = label(value)
            text = text.capitalize() if self.column.kind == "boolean" else text
            if text not in index:
                near = ", ".join(self.labels[:8]) + (", ..." if len(self.labels) > 8 else "")
                raise ConfigError(
                    f"where: {self.column.name}={text!r} is not a value the generator knows; it knows: {near}"
                )
            allowed[index[text]] = True
        return self.shares(allowed, null), allowed

    def shares(self, allowed: np.ndarray, null: bool) -> np.ndarray:
        """The share of each token, (n_tokens,), of the labels `allowed` (n_labels,) bool, and of a missing value."""
        share = np.bincount(self.token_of, weights=self.share * allowed, minlength=self.n_tokens)
        if null:
            share[self.null] = 1.0
        return share

    def restricted(self, allowed: np.ndarray) -> CategoricalCodec:
        """The same tokens, emitting only the allowed labels."""
        weight = self.share * allowed
        total = np.bincount(self.token_of, weights=weight)[self.token_of]
        share = np.where(total > 0, weight / np.maximum(total, 1e-300), self.share)
        return replace(self, share=share)

    def coarse(self, mass: np.ndarray, n_groups: int) -> np.ndarray:
        """Group the categories of less than half an `n_groups`-th of the rows, (n_tokens,) uint8; others stay alone."""
        rare = mass < 0.5 / n_groups * mass.sum()
        return np.where(rare, np.argmax(rare), np.arange(self.n_tokens)).astype(np.uint8)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        meta = {"labels": list(self.labels), "null": self.null, "other": self.other, "n_tokens": self.n_tokens,
                "emit_other": self.emit_other, "emit_null": self.emit_null}  # fmt: skip
        return meta, {"token_of": self.token_of, "share": self.share}

    @classmethod
    def from_state(cls, column: Column, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> CategoricalCodec:
        return cls(column, tuple(meta["labels"]), arrays["token_of"], arrays["share"], meta["null"], meta["other"],
                   meta["n_tokens"], meta["emit_other"], meta.get("emit_null", True))  # fmt: skip


def _codes(values: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Codes, (n,) with -1 for missing, and the levels as text."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.cat.codes.to_numpy(), [str(c) for c in values.cat.categories]
    codes, levels = pd.factorize(values.astype(object))
    return codes, [label(x) for x in levels]


def _cumulative(share: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Cumulative share within each run of equal tokens, ending just above 1 so that u < 1 stays inside."""
    total = np.cumsum(share)
    starts = np.flatnonzero(np.diff(tokens, prepend=-1))
    base = np.repeat(np.where(starts > 0, total[starts - 1], 0.0), np.diff(np.append(starts, len(tokens))))
    ends = np.append(starts[1:], len(tokens)) - 1
    within = total - base
    within[ends] = 1.0
    return within

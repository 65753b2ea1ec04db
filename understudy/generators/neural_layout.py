"""What a neural generator sees of a table: its learnt columns, each as a coarse and a fine token.

A column of many tokens is factored: P(token) = P(group) P(token | group). Neighbouring numbers share a group, so
that the coarse part is learnt from many rows and the fine part has only to be right within a group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from understudy.encoding import Codec
from understudy.encoding.numerical import NumericalCodec

MOST_WHOLE = 48
"""Columns of at most so many tokens are not factored."""
N_GROUPS = 32
MOST_FINE = 16


@dataclass(frozen=True)
class Layout:
    """The learnt columns in the order in which samples draw them.

    Attributes:
        columns: (n_columns,) int64, the place of each in the codec.
        group: (n_columns, most_tokens) int64, the group of each token; 0 beyond a column's own tokens.
        fine: (n_columns, most_tokens) int64, the place of each token within its group.
        token: (n_columns, n_groups, n_fine) int64, the token at a place; 0 where there is none.
        log_base: (n_columns, most_tokens) float32, log frequencies of the tokens in training; -inf for tokens that
            may not be emitted and beyond a column's own.
        rank: (n_columns, most_tokens) float32, the middle of an ordered column's token on the scale of ranks, in
            (0, 1); NaN for categories and missing values.
    """

    columns: np.ndarray
    group: np.ndarray
    fine: np.ndarray
    token: np.ndarray
    log_base: np.ndarray
    rank: np.ndarray

    @classmethod
    def of(cls, codecs: Sequence[Codec], columns: Sequence[int], tokens: np.ndarray) -> Layout:
        """`columns` in sampling order; tokens (all columns, n_rows) uint8 of the training table."""
        most = max(codecs[j].n_tokens for j in columns)
        group, fine = np.zeros((2, len(columns), most), dtype=np.int64)
        log_base = np.full((len(columns), most), -np.inf, dtype=np.float32)
        rank = np.full((len(columns), most), np.nan, dtype=np.float32)
        for i, j in enumerate(columns):
            codec, n = codecs[j], codecs[j].n_tokens
            mass = np.bincount(tokens[j], minlength=n).astype(float)
            group[i, :n], fine[i, :n] = _factor(codec, mass)
            share = (mass + 0.5) * codec.emittable()
            with np.errstate(divide="ignore"):
                log_base[i, :n] = np.log(share / share.sum())
            if isinstance(codec, NumericalCodec):
                own = mass[: len(codec.knots)] + 1e-9
                rank[i, : len(own)] = (np.cumsum(own) - own / 2) / own.sum()
        return cls(np.asarray(columns, dtype=np.int64), group, fine, _places(group, fine, log_base), log_base, rank)

    @property
    def n_columns(self) -> int:
        return len(self.columns)

    @property
    def n_groups(self) -> int:
        return self.token.shape[1]

    @property
    def n_fine(self) -> int:
        return self.token.shape[2]

    def frequencies(self, rows: np.ndarray) -> np.ndarray:
        """The share of each token among rows (n_rows, n_columns): (n_columns, most_tokens), 0 where never emitted."""
        mass = np.isfinite(self.log_base) * np.stack(
            [np.bincount(column, minlength=self.group.shape[1]) + 0.5 for column in rows.T]
        )
        return mass / mass.sum(axis=1, keepdims=True)

    def arrays(self) -> dict[str, np.ndarray]:
        return {k: getattr(self, k) for k in ("columns", "group", "fine", "log_base", "rank")}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Layout:
        a = arrays
        token = _places(a["group"], a["fine"], a["log_base"])
        return cls(a["columns"], a["group"], a["fine"], token, a["log_base"], a["rank"])


def _factor(codec: Codec, mass: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The group of each token and its place within the group, both (n_tokens,); a group has at most MOST_FINE."""
    n = codec.n_tokens
    if n <= MOST_WHOLE:
        return np.arange(n), np.zeros(n, dtype=np.int64)
    wide = codec.coarse(mass, N_GROUPS).astype(np.int64)
    place = _count_up(wide)
    # A group of many rare categories is cut to pieces.
    group = np.unique(wide * 256 + place // MOST_FINE, return_inverse=True)[1]
    return group, _count_up(group)


def _count_up(group: np.ndarray) -> np.ndarray:
    """How many earlier tokens are of the same group, (n_tokens,)."""
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    within = np.arange(len(group)) - np.repeat(starts, np.diff(np.append(starts, len(group))))
    place = np.empty_like(within)
    place[order] = within
    return place


def _places(group: np.ndarray, fine: np.ndarray, log_base: np.ndarray) -> np.ndarray:
    token = np.zeros((len(group), int(group.max()) + 1, int(fine.max()) + 1), dtype=np.int64)
    for i in range(len(group)):
        own = np.flatnonzero(np.isfinite(log_base[i]))
        token[i, group[i, own], fine[i, own]] = own
    return token

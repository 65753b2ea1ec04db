"""Numbers and dates as tokens in the order of their values: exact values and quantile bins.

A token is an interval with its own quantile function, piecewise linear between knots; an exact
value is an interval of no width. A bin is divided by `N_KNOTS` knots, so that draws inside it
follow the data (uniform draws would smear what lies between). Values come back at the source's
precision and step. Beyond what `min_units` units support on either side only a tail of about the
right length is kept, which ends at the range rounded outwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from understudy.encoding.quantiles import (
    N_KNOTS,
    grid_of,
    open_ends,
    quantile_bins,
    split_edges,
    supported_range,
    to_floats,
)
from understudy.encoding.ranges import ranges_of, show
from understudy.errors import ConfigError
from understudy.schema import Column

MAX_TOKENS = 255
_EXACT_BELOW = 200  # columns with fewer distinct values keep every supported one exact


@dataclass(frozen=True)
class NumericalCodec:
    """Tokens of one numerical or datetime column, in the order of their values.

    Attributes:
        knots: (n_intervals, N_KNOTS) float64, the quantiles of each token; equal for an exact value.
        exact: (n_intervals,) bool, which tokens are one exact value.
        edges: split thresholds on drawn values, (<= 254,) float64, for trees that take this column.
        null: the token of missing values (the last), -1 if the column has none.
        low, high: the range of emitted values.
        span: (n_intervals, 2) the part of the quantile function a condition leaves, 0..1.
        emit_null: whether enough units have a missing value for one to be emitted.

    Dates are counted in steps (days, seconds, ...) since 1970.
    """

    kind: ClassVar[str] = "numerical"
    column: Column
    knots: np.ndarray
    exact: np.ndarray
    edges: np.ndarray
    null: int
    low: float
    high: float
    span: np.ndarray
    emit_null: bool = True

    @property
    def n_tokens(self) -> int:
        return len(self.knots) + (self.null >= 0)

    @property
    def grid(self) -> float:
        """The distance of neighbouring values; 0 for continuous ones."""
        return grid_of(self.column)

    @classmethod
    def fit(
        cls, values: pd.Series, column: Column, units: np.ndarray, min_units: int, max_tokens: int = MAX_TOKENS
    ) -> NumericalCodec:
        """`units` holds each row's weight, 1 / (rows of its unit), so that sums count units."""
        x = to_floats(values, column)
        present = ~np.isnan(x)
        # A column without values is learnt as a zero that no row has.
        distinct, inverse = np.unique(x[present] if present.any() else np.zeros(1), return_inverse=True)
        rows: np.ndarray = np.bincount(inverse)
        support = np.bincount(inverse, weights=units[present] if present.any() else None)
        low, high = supported_range(distinct, support, min_units)
        # A spike is a value that would fill a bin by itself.
        need = min_units - 1e-9 if len(distinct) <= _EXACT_BELOW else max(min_units, rows.sum() / 128)
        spike = support >= need
        if spike.sum() > (most := min(160, max_tokens - 1)):
            spike &= rows > np.sort(rows[spike])[-most - 1]
        grid = grid_of(column)
        rest = np.repeat(distinct[~spike], rows[~spike])
        # A bin holds at least 2 min_units units, so that its knots are nobody's own values.
        n_bins = max(min(max_tokens - int(spike.sum()), int(support[~spike].sum() / (2 * min_units))), 1)
        bins = quantile_bins(np.clip(rest, low, high), n_bins, grid) if len(rest) else np.empty((0, N_KNOTS))
        if len(distinct) > _EXACT_BELOW:  # of few values each says who has it: none beyond the supported range
            low, high = open_ends(bins, rest, (low, high), column)
        knots = np.concatenate([np.repeat(distinct[spike, None], N_KNOTS, axis=1), bins])
        exact = np.arange(len(knots)) < spike.sum()
        order = np.lexsort((~exact, knots[:, 0]))
        knots, exact = knots[order], exact[order]
        null = len(knots) if column.nullable else -1
        span = np.tile([0.0, 1.0], (len(knots), 1))
        emit_null = not present.any() or float(units[~present].sum()) >= min_units - 1e-9
        return cls(column, knots, exact, split_edges(distinct, rows), null, float(low), float(high), span, emit_null)

    def encode(self, values: pd.Series) -> np.ndarray:
        """Tokens, (n,) uint8."""
        return self.tokens_of(to_floats(values, self.column))

    def tokens_of(self, x: np.ndarray) -> np.ndarray:
        tokens = np.zeros(len(x), dtype=np.int64)
        bins = np.flatnonzero(~self.exact)
        spikes = np.flatnonzero(self.exact)
        if len(bins):
            starts = self.knots[bins, 0]
            tokens = bins[np.clip(np.searchsorted(starts, x, side="right") - 1, 0, len(bins) - 1)]
        if len(spikes):
            points = self.knots[spikes, 0]
            at = np.clip(np.searchsorted(points, x), 0, len(points) - 1)
            if len(bins):
                tokens = np.where(points[at] == x, spikes[at], tokens)
            else:
                below = np.maximum(at - 1, 0)
                at = np.where(np.abs(points[below] - x) < np.abs(points[at] - x), below, at)
                tokens = spikes[at]
        return np.where(np.isnan(x), max(self.null, 0), tokens).astype(np.uint8)

    def split_codes(self, x: np.ndarray) -> np.ndarray:
        """The rank of each value among the thresholds, (n,) uint8, for trees that split on it; 0 is missing."""
        return np.where(np.isnan(x), 0, np.searchsorted(self.edges, x, side="right") + 1).astype(np.uint8)

    def decode(self, tokens: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Values, (n,) float64 with NaN for missing: the token's quantile function at `u` in [0, 1)."""
        t = np.minimum(tokens.astype(np.int64), len(self.knots) - 1)
        u = self.span[t, 0] + u * (self.span[t, 1] - self.span[t, 0])
        position = u * (N_KNOTS - 1)
        i = position.astype(np.int64)
        flat = self.knots.ravel()
        at = t * N_KNOTS + i
        x = flat[at] + (position - i) * (flat[np.minimum(at + 1, len(flat) - 1)] - flat[at])
        x = self.snap(x)
        if self.null >= 0:
            x[tokens == self.null] = np.nan
        return x

    def snap(self, x: np.ndarray) -> np.ndarray:
        """To the source's grid, and into the supported range."""
        if self.grid:
            x = np.round(x / self.grid) * self.grid
            if self.column.decimals:
                x = np.round(x, self.column.decimals)
        return np.clip(x, self.low, self.high)

    def to_series(self, x: np.ndarray) -> pd.Series:
        missing = np.isnan(x)
        if self.column.kind == "datetime":
            stamps = np.where(missing, 0, x).astype("int64") * self.column.step
            return (
                pd.Series(stamps.astype("datetime64[ns]")).mask(missing)
                if missing.any()
                else pd.Series(stamps.astype("datetime64[ns]"))
            )
        if self.column.decimals == 0:
            whole = pd.Series(np.where(missing, 0, x).astype("int64"))
            return whole.astype("Int64").mask(missing) if missing.any() else whole
        return pd.Series(x)

    def mass_within(self, x: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """P(value | token), (n,): a probability on the grid, a density where values are continuous."""
        t = np.minimum(tokens.astype(np.int64), len(self.knots) - 1)
        half = self.grid / 2 if self.grid else np.maximum(1e-6 * (self.high - self.low), 1e-300)
        mass = self._cdf(x + half, t) - self._cdf(x - half, t)
        if not self.grid:
            mass = mass / (2 * half)
        # Values beyond the supported range are emitted at its ends.
        return np.where(self.exact[t] | np.isnan(x), 1.0, np.maximum(mass, 1e-12))

    def _cdf(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        knots = self.knots[t]  # (n, N_KNOTS)
        x = np.clip(np.nan_to_num(x), knots[:, 0], knots[:, -1])
        i = np.minimum((knots[:, 1:-1] <= x[:, None]).sum(axis=1), N_KNOTS - 2)
        rows = np.arange(len(t))
        width = np.maximum(knots[rows, i + 1] - knots[rows, i], 1e-300)
        return (i + np.clip((x - knots[rows, i]) / width, 0, 1)) / (N_KNOTS - 1)

    def parts(self, values: pd.Series) -> list[tuple[np.ndarray, np.ndarray]]:
        """The tokens that can emit each value, and P(value | token), as [(tokens (n,), mass (n,)), ...].

        An exact value has its own token, and a bin around it may hit it too.
        """
        return self.parts_of(to_floats(values, self.column))

    def parts_of(self, x: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """`parts` of numbers, (n,) float64 with NaN for missing."""
        tokens = self.tokens_of(x)
        found = [(tokens, self.mass_within(x, tokens))]
        bins = np.flatnonzero(~self.exact)
        if self.exact.any() and len(bins) and self.grid:
            around = bins[np.clip(np.searchsorted(self.knots[bins, 0], x, side="right") - 1, 0, len(bins) - 1)]
            own = self.exact[np.minimum(tokens, len(self.exact) - 1)] & ~np.isnan(x)
            found.append((around.astype(np.uint8), np.where(own, self.mass_within(x, around), 0.0)))
        return found

    def emittable(self) -> np.ndarray:
        """Which tokens a sample may hold, (n_tokens,) bool."""
        ok = np.ones(self.n_tokens, dtype=bool)
        if self.null >= 0:
            ok[self.null] = self.emit_null
        return ok

    def allow(self, condition: Any) -> tuple[np.ndarray, np.ndarray]:
        """The share of each token that a condition allows, (n_tokens,), and the span left of each, (n_intervals, 2).

        A condition is a value, a list of values, or {"min": a, "max": b} (either may be left out).
        Raises ConfigError for what isn't a number or date, or lies outside the generator's range.
        """
        share, span = np.zeros(self.n_tokens), self.span.copy()
        ranges, null = ranges_of(condition, self.column)
        if null:
            if self.null < 0 or not self.emit_null:
                raise ConfigError(f"where: column {self.column.name!r} has no missing values")
            share[self.null] = 1.0
        t, half = np.arange(len(self.knots)), self.grid / 2
        for lo, hi in ranges:
            inside = self.exact & (self.knots[:, 0] >= lo) & (self.knots[:, 0] <= hi)
            a, b = self._cdf(np.full(len(t), lo - half), t), self._cdf(np.full(len(t), hi + half), t)
            part = np.where(self.exact, inside, b - a)
            better = part > share[: len(t)]
            share[: len(t)] = np.maximum(share[: len(t)], part)
            span[better & ~self.exact] = np.stack([a, b], axis=1)[better & ~self.exact]
        if not share.any():
            raise ConfigError(
                f"where: {self.column.name}={condition!r} lies outside what the generator can emit"
                f" ({show(self.low, self.column)} to {show(self.high, self.column)})"
            )
        return share, span

    def restricted(self, span: np.ndarray) -> NumericalCodec:
        return replace(self, span=span)

    def coarse(self, mass: np.ndarray, n_groups: int) -> np.ndarray:
        """Group neighbouring tokens to about `n_groups` groups of equal mass, (n_tokens,) uint8.

        Heavy exact values stay alone. `mass` is the number of rows of each token, (n_tokens,).
        """
        share = mass[: len(self.knots)] / max(mass[: len(self.knots)].sum(), 1)
        groups = np.zeros(self.n_tokens, dtype=np.int64)
        group, filled = 0, 0.0
        for t, s in enumerate(share):
            alone = self.exact[t] and s >= 0.5 / n_groups
            if t and (filled + s > 1.25 / n_groups or alone or filled < 0):
                group, filled = group + 1, 0.0
            groups[t] = group
            filled = -1.0 if alone else filled + s
        if self.null >= 0:
            groups[self.null] = group + 1
        return groups.astype(np.uint8)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        meta = {"null": self.null, "low": self.low, "high": self.high, "emit_null": self.emit_null}
        return meta, {"knots": self.knots, "exact": self.exact.astype(np.uint8), "edges": self.edges}

    @classmethod
    def from_state(cls, column: Column, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> NumericalCodec:
        span = np.tile([0.0, 1.0], (len(arrays["knots"]), 1))
        return cls(
            column,
            arrays["knots"],
            arrays["exact"].astype(bool),
            arrays["edges"],
            meta["null"],
            meta["low"],
            meta["high"],
            span,
            meta.get("emit_null", True),
        )

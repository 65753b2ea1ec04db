"""A column of numbers as tokens relative to columns drawn before it.

A value is a spike of its own column, or the same as another column's (a bill paid in full), or else lies some
way off a line through other columns (`encoding.lines`); that residual has the tokens. So strongly related
numbers keep their relation to the last digit, which no number of bins would hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from understudy.encoding.lines import Line, bend, fit_line, no_line, unbend
from understudy.encoding.numerical import NumericalCodec
from understudy.schema import Column

_MAX_COPIES = 3
_MAX_SPIKES = 96
_N_EDGES = 200
_LEAST_ROWS = 400
Values = Mapping[int, np.ndarray]


@dataclass(frozen=True)
class RelativeCodec:
    """Tokens in this order: spikes, copies, the residual's (`body`), missing.

    Attributes:
        raw: the codec of the column by itself; its range and precision bind every value.
        line: predicts the (bent) value from earlier columns.
        spikes: (n_spikes,) float64, ascending, exact values of the column's own.
        copies: (n_copies,) int64, columns whose value the column may repeat.
        body: the codec of residuals, bend(value) - prediction.
        edges: thresholds on the prediction, for trees that take it.
    """

    raw: NumericalCodec
    line: Line
    spikes: np.ndarray
    copies: np.ndarray
    body: NumericalCodec
    edges: np.ndarray

    @property
    def n_tokens(self) -> int:
        return self.first + len(self.body.knots) + (self.raw.null >= 0)

    @property
    def first(self) -> int:
        """The first token of the body."""
        return len(self.spikes) + len(self.copies)

    @property
    def null(self) -> int:
        return self.n_tokens - 1 if self.raw.null >= 0 else -1

    @property
    def half(self) -> float:
        """Half the distance of neighbouring values; of a narrow band where they are continuous."""
        return self.raw.grid / 2 or max(1e-6 * (self.raw.high - self.raw.low), 1e-300)

    def predict(self, values: Values, n_rows: int) -> np.ndarray:
        """The prediction, (n_rows,), on the column's own grid where it isn't bent."""
        f = self.line.predict(values, n_rows)
        return np.round(f / self.raw.grid) * self.raw.grid if self.raw.grid and not self.line.scale else f

    def prediction_codes(self, f: np.ndarray) -> np.ndarray:
        """Split codes of a prediction, (n,) uint8."""
        return (np.searchsorted(self.edges, f, side="right") + 1).astype(np.uint8)

    def residual(self, x: np.ndarray, f: np.ndarray) -> np.ndarray:
        r = bend(x, self.line.scale) - f
        return np.round(r / self.body.grid) * self.body.grid if self.body.grid else r

    def copied(self, i: int, values: Values) -> np.ndarray:
        """The value of copy `i`, (n,), NaN where this column couldn't hold it."""
        x = values[int(self.copies[i])]
        near = np.abs(self.raw.snap(x) - x) <= 1e-9 * (np.abs(x) + 1)
        return np.where(near, x, np.nan)

    def encode(self, x: np.ndarray, values: Values, f: np.ndarray) -> np.ndarray:
        """Tokens, (n,) uint8: a spike before a copy before a residual."""
        p = len(self.spikes)
        tokens = self.first + self.body.tokens_of(self.residual(x, f)).astype(np.int64)
        for i in reversed(range(len(self.copies))):
            tokens = np.where(self.copied(i, values) == x, p + i, tokens)
        at, hit = self.spike_at(x)
        tokens = np.where(hit, at, tokens)
        return np.where(np.isnan(x), max(self.null, 0), tokens).astype(np.uint8)

    def spike_at(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The nearest spike's token (n,), and whether x is that spike."""
        if not len(self.spikes):
            return np.zeros(len(x), dtype=np.int64), np.zeros(len(x), dtype=bool)
        at = np.clip(np.searchsorted(self.spikes, x), 0, len(self.spikes) - 1)
        return at, self.spikes[at] == x

    def body_values(self, tokens: np.ndarray, u: np.ndarray, f: np.ndarray) -> np.ndarray:
        """Values (n,) of tokens of the body, not yet held to the column's range or precision."""
        own = np.clip(tokens.astype(np.int64) - self.first, 0, len(self.body.knots) - 1)
        return unbend(self.body.decode(own, u) + f, self.line.scale)

    def bounds(
        self, low: float | np.ndarray, high: float | np.ndarray, f: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Where the residuals of values from `low` to `high` lie, two arrays (n,); half a grid step is added."""
        return (
            np.clip(bend(np.asarray(low - self.half), self.line.scale) - f, -1e300, 1e300),
            np.clip(bend(np.asarray(high + self.half), self.line.scale) - f, -1e300, 1e300),
        )

    def emittable(self) -> np.ndarray:
        return np.ones(self.n_tokens, dtype=bool)

    def coarse(self, mass: np.ndarray, n_groups: int) -> np.ndarray:
        """Groups of tokens, (n_tokens,) uint8, as in `NumericalCodec.coarse`: spikes and copies, then the body."""
        total, n_body = max(float(mass.sum()), 1.0), len(self.body.knots)
        groups = np.zeros(self.n_tokens, dtype=np.int64)
        group, filled = 0, 0.0
        for t in range(self.first):
            share = mass[t] / total
            if t and filled + share > 1.25 / n_groups:
                group, filled = group + 1, 0.0
            groups[t] = group
            filled += share
        own = mass[self.first : self.first + n_body]
        start = group + 1 if self.first else 0
        body_groups = max(round(n_groups * own.sum() / total), 2)
        groups[self.first : self.first + n_body] = start + self.body.coarse(own, body_groups)
        if self.null >= 0:
            groups[self.null] = groups.max() + 1
        return np.unique(groups, return_inverse=True)[1].astype(np.uint8)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        meta, arrays = self.body.state()
        line = self.line
        meta |= {"scale": line.scale, "intercept": line.intercept, "decimals": self.body.column.decimals,
                 "step": self.body.column.step}  # fmt: skip
        arrays = {f"body.{k}": v for k, v in arrays.items()}
        arrays |= {"columns": line.columns, "slopes": line.slopes, "scales": line.scales, "fills": line.fills,
                   "spikes": self.spikes, "copies": self.copies, "prediction": self.edges}  # fmt: skip
        return meta, arrays

    @classmethod
    def from_state(
        cls, raw: NumericalCodec, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
    ) -> RelativeCodec:
        a = arrays
        column = Column(name=raw.column.name, kind="numerical", decimals=meta["decimals"], step=meta["step"])
        own = {k.removeprefix("body."): v for k, v in a.items() if k.startswith("body.")}
        body = NumericalCodec.from_state(column, meta, own)
        line = Line(meta["scale"], meta["intercept"], a["columns"], a["slopes"], a["scales"], a["fills"])
        return cls(raw, line, a["spikes"], a["copies"], body, a["prediction"])


def fit_relative(
    index: int, earlier: np.ndarray, raw: NumericalCodec, values: Values, units: np.ndarray, min_units: int,
    *, bent: bool, rng: np.random.Generator,
) -> RelativeCodec | None:  # fmt: skip
    """A codec of column `index` relative to the `earlier` columns of numbers; None where they tell nothing.

    values[k] (n,) float64 with NaN for missing; units (n,) as `unit_weights`.
    """
    x = values[index]
    spikes = _spikes(x, raw, units, min_units)
    rest = ~np.isnan(x) & ~np.isin(x, spikes)
    copies = _copies(x, rest, earlier, values, units, min_units)
    for k in copies:
        rest &= values[int(k)] != x
    if rest.sum() < _LEAST_ROWS:
        return None
    rows = np.flatnonzero(rest)
    line = fit_line(x[rows], {int(k): values[int(k)][rows] for k in earlier}, earlier, bent=bent, rng=rng)
    if line is None and (bent or not len(copies)):
        return None
    line = line or no_line()
    grid_kept = not line.scale
    column = Column(
        name=raw.column.name, kind="numerical",
        decimals=(0 if raw.column.kind == "datetime" else raw.column.decimals) if grid_kept else None,
        step=raw.column.step if grid_kept and raw.column.kind == "numerical" else 1,
    )  # fmt: skip
    part = RelativeCodec(raw, line, spikes, copies, raw, np.empty(0))
    f = part.predict(values, len(x))
    residual = bend(x[rows], line.scale) - f[rows]
    body = NumericalCodec.fit(
        pd.Series(residual if not grid_kept or not raw.grid else np.round(residual / raw.grid) * raw.grid),
        column, units[rows], min_units, max_tokens=254 - part.first,
    )  # fmt: skip
    edges = np.unique(np.quantile(f, np.arange(1, _N_EDGES) / _N_EDGES))
    return RelativeCodec(raw, line, spikes, copies, body, edges)


def _spikes(x: np.ndarray, raw: NumericalCodec, units: np.ndarray, min_units: int) -> np.ndarray:
    """Exact values that hold far more than their neighbours; none where every value is exact."""
    if raw.exact.all():
        return np.empty(0)
    distinct, inverse = np.unique(x[~np.isnan(x)], return_inverse=True)
    support = np.bincount(inverse, weights=units[~np.isnan(x)])
    around = np.convolve(np.pad(support, 5, mode="edge"), np.ones(11), mode="valid") - support
    heavy = (support >= max(min_units - 1e-9, support.sum() / 500)) & (support > 0.4 * around)
    heavy |= np.isin(distinct, raw.knots[raw.exact, 0])
    kept = np.flatnonzero(heavy)
    return distinct[np.sort(kept[np.argsort(-support[kept], kind="stable")][:_MAX_SPIKES])]


def _copies(
    x: np.ndarray, rest: np.ndarray, earlier: np.ndarray, values: Values, units: np.ndarray, min_units: int
) -> np.ndarray:
    """The earlier columns that x often repeats exactly, most often first."""
    least = max(0.01 * units[rest].sum(), 3 * min_units)
    shared = [(float(units[rest & (values[int(k)] == x)].sum()), int(k)) for k in earlier]
    found = sorted((s for s in shared if s[0] > least), reverse=True)
    return np.array([k for _, k in found[:_MAX_COPIES]], dtype=np.int64)

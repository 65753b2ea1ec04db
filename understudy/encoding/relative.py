"""A column of numbers as tokens relative to columns drawn before it.

A value is a spike of its own column, or the same as another column's (a bill paid in full), or lies near a line
through other columns (`encoding.lines`), where a token stands for the residual, or else far from it, where a token
stands for the value. Near is where bins of residuals are narrower than bins of values. So strongly related numbers
keep their relation to the last digit, which no number of bins of values would hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from understudy.encoding.lines import Line, bend, fit_line, no_line, unbend
from understudy.encoding.numerical import NumericalCodec
from understudy.schema import Column

_MAX_COPIES = 3
_MAX_SPIKES = 64
_MAX_BINS = 94  # of residuals, and of values
_N_EDGES = 200
_LEAST_ROWS = 400
Values = Mapping[int, np.ndarray]


@dataclass(frozen=True)
class RelativeCodec:
    """Tokens in this order: spikes, copies, residuals (`near`), values (`far`), missing. Some values have several.

    Attributes:
        raw: the codec of the column by itself; its range and precision bind every value.
        line: predicts the (bent) value from earlier columns.
        spikes: (n_spikes,) float64, ascending, exact values of the column's own.
        copies: (n_copies,) int64, columns whose value the column may repeat.
        near: the codec of residuals, bend(value) - prediction.
        far: the codec of values far from the line, None where there are hardly any.
        edges: thresholds on the prediction, for trees that take it.
    """

    raw: NumericalCodec
    line: Line
    spikes: np.ndarray
    copies: np.ndarray
    near: NumericalCodec
    far: NumericalCodec | None
    edges: np.ndarray

    @property
    def n_tokens(self) -> int:
        return self.first_far + self.n_far + (self.raw.null >= 0)

    @property
    def first(self) -> int:
        """The first token of a residual."""
        return len(self.spikes) + len(self.copies)

    @property
    def first_far(self) -> int:
        return self.first + len(self.near.knots)

    @property
    def n_far(self) -> int:
        return len(self.far.knots) if self.far else 0

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
        return np.round(r / self.near.grid) * self.near.grid if self.near.grid else r

    def copied(self, i: int, values: Values) -> np.ndarray:
        """The value of copy `i`, (n,), NaN where this column couldn't hold it."""
        x = values[int(self.copies[i])]
        near = np.abs(self.raw.snap(x) - x) <= 1e-9 * (np.abs(x) + 1)
        return np.where(near, x, np.nan)

    def encode(self, x: np.ndarray, values: Values, f: np.ndarray, near: np.ndarray) -> np.ndarray:
        """Tokens, (n,) uint8: a spike before a copy, before a residual where `near` (n,) says so, before a value."""
        p = len(self.spikes)
        tokens = self.first + self.near.tokens_of(self.residual(x, f)).astype(np.int64)
        if self.far:
            tokens = np.where(near, tokens, self.first_far + self.far.tokens_of(x).astype(np.int64))
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

    def near_values(self, tokens: np.ndarray, u: np.ndarray, f: np.ndarray) -> np.ndarray:
        """Values (n,) of tokens of residuals, not yet held to the column's range or precision."""
        own = np.clip(tokens.astype(np.int64) - self.first, 0, len(self.near.knots) - 1)
        return unbend(self.near.decode(own, u) + f, self.line.scale)

    def far_values(self, tokens: np.ndarray, u: np.ndarray) -> np.ndarray:
        if self.far is None:
            return np.full(len(tokens), np.nan)
        own = np.clip(tokens.astype(np.int64) - self.first_far, 0, self.n_far - 1)
        return self.far.decode(own, u)

    def bounds(
        self, low: float | np.ndarray, high: float | np.ndarray, f: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Where the residuals of values from `low` to `high` lie, two arrays (n,); half a grid step is added."""
        return (
            np.clip(bend(np.asarray(low - self.half), self.line.scale) - f, -1e300, 1e300),
            np.clip(bend(np.asarray(high + self.half), self.line.scale) - f, -1e300, 1e300),
        )

    def emittable(self) -> np.ndarray:
        ok = np.ones(self.n_tokens, dtype=bool)
        if self.null >= 0:
            ok[self.null] = self.raw.emit_null
        return ok

    def coarse(self, mass: np.ndarray, n_groups: int) -> np.ndarray:
        """Groups of tokens, (n_tokens,) uint8, as in `NumericalCodec.coarse`: spikes and copies, residuals, values."""
        total = max(float(mass.sum()), 1.0)
        groups = np.zeros(self.n_tokens, dtype=np.int64)
        group, filled = 0, 0.0
        for t in range(self.first):
            share = mass[t] / total
            if t and filled + share > 1.25 / n_groups:
                group, filled = group + 1, 0.0
            groups[t] = group
            filled += share
        start = group + 1 if self.first else 0
        for codec, first in ((self.near, self.first), (self.far, self.first_far)):
            if codec is not None:
                own = mass[first : first + len(codec.knots)]
                some = max(round(n_groups * own.sum() / total), 1)
                groups[first : first + len(codec.knots)] = start + codec.coarse(own, some)[: len(codec.knots)]
                start = int(groups.max()) + 1
        if self.null >= 0:
            groups[self.null] = start
        return np.unique(groups, return_inverse=True)[1].astype(np.uint8)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        line = self.line
        near, arrays = _prefixed("near", self.near)
        far, more = _prefixed("far", self.far) if self.far else (None, {})
        meta = {"scale": line.scale, "intercept": line.intercept, "decimals": self.near.column.decimals,
                "step": self.near.column.step, "near": near, "far": far}  # fmt: skip
        arrays |= more | {"columns": line.columns, "slopes": line.slopes, "scales": line.scales, "fills": line.fills,
                          "spikes": self.spikes, "copies": self.copies, "prediction": self.edges}  # fmt: skip
        return meta, arrays

    @classmethod
    def from_state(
        cls, raw: NumericalCodec, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
    ) -> RelativeCodec:
        a = arrays
        column = Column(name=raw.column.name, kind="numerical", decimals=meta["decimals"], step=meta["step"])
        near = NumericalCodec.from_state(column, meta["near"], _part("near", a))
        far = NumericalCodec.from_state(raw.column, meta["far"], _part("far", a)) if meta["far"] else None
        line = Line(meta["scale"], meta["intercept"], a["columns"], a["slopes"], a["scales"], a["fills"])
        return cls(raw, line, a["spikes"], a["copies"], near, far, a["prediction"])


def _prefixed(prefix: str, codec: NumericalCodec) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    meta, arrays = codec.state()
    return meta, {f"{prefix}.{k}": v for k, v in arrays.items()}


def _part(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {k.removeprefix(f"{prefix}."): v for k, v in arrays.items() if k.startswith(f"{prefix}.")}


def fit_relative(
    index: int, earlier: np.ndarray, raw: NumericalCodec, values: Values, units: np.ndarray, min_units: int,
    *, bent: bool, rng: np.random.Generator,
) -> tuple[RelativeCodec, np.ndarray] | None:  # fmt: skip
    """A codec of column `index` relative to the `earlier` columns of numbers, and the tokens, (n,) uint8, of its rows.

    None where the earlier columns tell nothing. values[k] (n,) float64 with NaN for missing; units (n,) as
    `unit_weights`.
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
    column = _residual_column(raw, line)
    codec = RelativeCodec(raw, line, spikes, copies, replace(raw, column=column), None, np.empty(0))
    f = codec.predict(values, len(x))
    r = codec.residual(x, f)
    near = rest.copy()
    if len(line.columns):
        slope = np.sqrt(x[rows] ** 2 + line.scale**2) if line.scale else 1.0
        near[rows] = _widths(r[rows]) * slope < _widths(x[rows])
        if near.sum() < max(_LEAST_ROWS, 0.05 * len(rows)):
            return None
    far = rest & ~near
    if units[far].sum() < 4 * min_units:
        near, far = rest, np.zeros(len(x), dtype=bool)
    present = raw.column.model_copy(update={"nullable": False})
    bins = _MAX_BINS if far.any() else 2 * _MAX_BINS
    codec = replace(
        codec,
        near=NumericalCodec.fit(pd.Series(r[near]), column, units[near], min_units, max_tokens=bins),
        far=NumericalCodec.fit(raw.to_series(x[far]), present, units[far], min_units, bins) if far.any() else None,
        edges=np.unique(np.quantile(f, np.arange(1, _N_EDGES) / _N_EDGES)),
    )
    return codec, codec.encode(x, values, f, near)


def _residual_column(raw: NumericalCodec, line: Line) -> Column:
    """Residuals of a bent line are continuous, others on the column's own grid."""
    if line.scale:
        return Column(name=raw.column.name, kind="numerical")
    if raw.column.kind == "datetime":
        return Column(name=raw.column.name, kind="numerical", decimals=0)
    return Column(name=raw.column.name, kind="numerical", decimals=raw.column.decimals, step=raw.column.step)


def _widths(x: np.ndarray) -> np.ndarray:
    """The width of the 128-quantile bin around each value, (n,)."""
    edges = np.quantile(x, np.linspace(0, 1, 129))
    return np.diff(edges)[np.clip(np.searchsorted(edges, x, side="right") - 1, 0, 127)]  # type: ignore[no-any-return]


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

"""A column of `forest` that is modelled relative to columns of numbers before it (`encoding.relative`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from understudy.encoding.intervals import draw_interval, interval_mass
from understudy.encoding.lines import unbend
from understudy.encoding.numerical import NumericalCodec
from understudy.encoding.ranges import meets
from understudy.encoding.relative import RelativeCodec
from understudy.generators import draws
from understudy.generators.bag import Bag
from understudy.generators.rows import Condition, Rows

_LEAST = 1e-9  # residuals with less of their mass inside the column's range put it on the nearer end
Bound = float | np.ndarray


@dataclass
class RelativeColumn:
    """A bag over relative tokens. Its distribution is that of the tokens, with the residuals cut off where
    values leave the column's range, and without copies of values that the column couldn't hold."""

    index: int
    codec: RelativeCodec
    bag: Bag
    kind: ClassVar[str] = "relative"

    def draw(self, rows: Rows, rng: np.random.Generator, condition: Condition | None) -> np.ndarray | None:
        codec = self.codec
        f = codec.predict(rows.values, rows.n)
        rows.codes[-1] = codec.prediction_codes(f)
        leaf, u = self.bag.pick(rows.codes, rng, spread=condition is None)
        copies = self._copies(rows)
        if condition is not None:
            x, mass = self._within(leaf, f, copies, u, condition, np.zeros(rows.n, dtype=bool))
            rows.put(self.index, x)
            return mass
        tokens = np.empty(rows.n, dtype=np.uint8)
        draws.draw(leaf, self.bag.cdf, u, tokens)
        x = codec.near_values(tokens, u, f)
        near = (tokens >= codec.first) & (tokens < codec.first_far)
        again = near & ~((x >= codec.raw.low - codec.half) & (x <= codec.raw.high + codec.half))
        x = np.where(tokens >= codec.first_far, codec.far_values(tokens, u), x)
        if len(codec.spikes):
            x = np.where(tokens < len(codec.spikes), codec.spikes[np.minimum(tokens, len(codec.spikes) - 1)], x)
        for i, values in enumerate(copies):
            x = np.where(tokens == len(codec.spikes) + i, values, x)
            again |= (tokens == len(codec.spikes) + i) & np.isnan(values)
        x = codec.raw.snap(x)
        if codec.null >= 0:
            x[tokens == codec.null] = np.nan
        redo = np.flatnonzero(again)
        if len(redo):  # what was drawn can't be: draw these from what can
            fresh = rng.random(len(redo))
            x[redo], _ = self._within(leaf[redo], f[redo], copies[:, redo], fresh, None, near[redo])
        rows.put(self.index, x)
        return None

    def _copies(self, rows: Rows) -> np.ndarray:
        """(n_copies, n) float64, NaN where a copy can't be."""
        if not len(self.codec.copies):
            return np.empty((0, rows.n))
        return np.stack([self.codec.copied(i, rows.values) for i in range(len(self.codec.copies))])

    def _within(
        self, leaf: np.ndarray, f: np.ndarray, copies: np.ndarray, u: np.ndarray, condition: Condition | None,
        near_only: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """Values (k,) within the condition, and its probability, (k,); `near_only` (k,) rows are to be residuals."""
        codec, raw, p = self.codec, self.codec.raw, len(self.codec.spikes)
        ranges = np.array([[raw.low, raw.high]])
        if condition is not None:
            ranges = np.clip(condition.ranges, raw.low, raw.high)
        points = self.bag.pmf[leaf][:, : codec.first].astype(np.float64)
        points[:, p:] *= ~np.isnan(copies).T
        missing = self.bag.pmf[leaf, codec.null].astype(np.float64) if codec.null >= 0 else np.zeros(len(leaf))
        scale = self._scale(leaf, f)
        whole = points.sum(axis=1) + missing + self._share(codec.first, codec.first_far + codec.n_far)[leaf]
        points[:, :p] *= meets(codec.spikes, ranges, False, codec.half)
        for i in range(len(copies)):
            points[:, p + i] *= meets(copies[i], ranges, False, codec.half)
        others = ~near_only
        weights = [points * others[:, None], (missing * others * (condition is None or condition.null))[:, None]]
        weights += [(scale * self._near(leaf, f, lo, hi))[:, None] for lo, hi in ranges]
        weights += [(self._far(leaf, lo, hi) * others)[:, None] for lo, hi in ranges]
        chosen, rest, total = _choose(np.concatenate(weights, axis=1), u)
        x = np.full(len(leaf), np.nan)
        x = np.where(chosen < p, codec.spikes[np.minimum(chosen, p - 1)] if p else x, x)
        for i in range(len(copies)):
            x = np.where(chosen == p + i, copies[i], x)
        for r, (lo, hi) in enumerate(ranges):
            at = np.flatnonzero(chosen == codec.first + 1 + r)
            drawn = self._drawn(codec.first, codec.near, leaf[at], codec.bounds(lo, hi, f[at]), rest[at])
            drawn = np.where(np.isnan(drawn), 0.0, drawn)
            x[at] = raw.snap(np.clip(unbend(drawn + f[at], codec.line.scale), lo, hi))
            at = np.flatnonzero(chosen == codec.first + 1 + len(ranges) + r)
            bounds = (np.full(len(at), lo - codec.half), np.full(len(at), hi + codec.half))
            x[at] = raw.snap(np.clip(self._drawn(codec.first_far, codec.far, leaf[at], bounds, rest[at]), lo, hi))
        return x, total / np.maximum(whole, 1e-300)

    def _drawn(
        self, first: int, codec: NumericalCodec | None, leaf: np.ndarray, bounds: tuple[np.ndarray, np.ndarray],
        u: np.ndarray,
    ) -> np.ndarray:  # fmt: skip
        out = np.empty(len(leaf))
        if codec is not None:
            draw_interval(leaf, self.bag.pmf, first, codec.knots, *bounds, u, out)
        return out

    def _share(self, first: int, end: int) -> np.ndarray:
        """The probability of the tokens from `first` to before `end`, by leaf."""
        return self.bag.pmf[:, first:end].sum(axis=1, dtype=np.float64)  # type: ignore[no-any-return]

    def _scale(self, leaf: np.ndarray, f: np.ndarray) -> np.ndarray:
        """By how much to raise residuals for those that would leave the column's range, (k,)."""
        inside = self._near(leaf, f, self.codec.raw.low, self.codec.raw.high)
        return self._share(self.codec.first, self.codec.first_far)[leaf] / np.maximum(inside, _LEAST)

    def _near(self, leaf: np.ndarray, f: np.ndarray, low: Bound, high: Bound) -> np.ndarray:
        """The probability of a residual whose value lies from `low` to `high`, (k,)."""
        out = np.zeros(len(leaf))
        lows, highs = self.codec.bounds(low, high, f)
        interval_mass(leaf, self.bag.pmf, self.codec.first, self.codec.near.knots, lows, highs, out)
        return out

    def _far(self, leaf: np.ndarray, low: Bound, high: Bound) -> np.ndarray:
        """The probability of a value by itself from `low` to `high`, (k,)."""
        out = np.zeros(len(leaf))
        if self.codec.far is not None:
            lows, highs = (np.broadcast_to(np.asarray(b, dtype=float), (len(leaf),)) for b in (low, high))
            interval_mass(
                leaf, self.bag.pmf, self.codec.first_far, self.codec.far.knots, lows - self.codec.half,
                highs + self.codec.half, out,
            )  # fmt: skip
        return out

    def probability(self, rows: Rows) -> np.ndarray:
        codec, pmf, x = self.codec, self.bag.pmf, rows.values[self.index]
        missing = np.isnan(x)
        held = np.where(missing, codec.raw.low, x)
        f = codec.predict(rows.values, rows.n)
        rows.codes[-1] = codec.prediction_codes(f)
        copies = self._copies(rows)
        spike, is_spike = codec.spike_at(x)
        total = np.zeros(rows.n)
        for root in self.bag.roots:
            leaf = self.bag.leaves(rows.codes, root)
            own = self._scale(leaf, f) * self._near(leaf, f, held, held) + self._far(leaf, held, held)
            if not codec.raw.grid:
                own /= 2 * codec.half
            own += np.where(is_spike, pmf[leaf, spike], 0.0)
            whole = np.ones(rows.n)
            for i, values in enumerate(copies):
                p = pmf[leaf, len(codec.spikes) + i]
                own += np.where(values == x, p, 0.0)
                whole -= np.where(np.isnan(values), p, 0.0)
            if codec.null >= 0:
                own = np.where(missing, pmf[leaf, codec.null], own)
            total += own / np.maximum(whole, 1e-300)
        return total / len(self.bag.roots)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        meta, arrays = self.codec.state()
        return {"index": self.index, "kind": self.kind, "codec": meta}, arrays | self.bag.arrays()


def _choose(weights: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each row of weights (k, m) a column drawn by u (k,), what u leaves over, and the row's total."""
    cumulated = np.cumsum(weights, axis=1)
    total = cumulated[:, -1]
    v = u * total
    chosen = np.minimum((cumulated <= v[:, None]).sum(axis=1), weights.shape[1] - 1)
    k = np.arange(len(weights))
    rest = (v - cumulated[k, chosen]) / np.maximum(weights[k, chosen], 1e-300) + 1
    return chosen, np.clip(rest, 0, 1 - 1e-12), total

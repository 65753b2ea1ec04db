"""A column of `forest` that is modelled relative to columns of numbers before it (`encoding.relative`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from understudy.encoding.intervals import draw_interval, interval_mass
from understudy.encoding.lines import unbend
from understudy.encoding.ranges import meets
from understudy.encoding.relative import RelativeCodec
from understudy.generators import trees
from understudy.generators.bag import Bag
from understudy.generators.rows import Condition, Rows

_LEAST = 1e-9  # a body with less of its mass inside the column's range puts all of it on the nearer end


@dataclass
class RelativeColumn:
    """A bag over relative tokens. Its distribution is that of the tokens, with the body's residuals cut off where
    values leave the column's range, and without copies of values that the column couldn't hold."""

    index: int
    codec: RelativeCodec
    bag: Bag
    kind: ClassVar[str] = "relative"

    def draw(self, rows: Rows, rng: np.random.Generator, condition: Condition | None) -> np.ndarray | None:
        codec = self.codec
        u: np.ndarray = rng.random(rows.n)
        f = codec.predict(rows.values, rows.n)
        rows.codes[-1] = codec.prediction_codes(f)
        leaf = self.bag.pick(rows.codes, u)
        copies = self._copies(rows)
        if condition is not None:
            everything = np.arange(rows.n)
            x, mass = self._within(everything, leaf, f, copies, u, condition, np.zeros(rows.n, dtype=bool))
            rows.put(self.index, x)
            return mass
        tokens = np.empty(rows.n, dtype=np.uint8)
        trees.draw(leaf, self.bag.cdf, u, tokens)
        x = codec.body_values(tokens, u, f)
        inside = (x >= codec.raw.low - codec.half) & (x <= codec.raw.high + codec.half)
        body = tokens >= codec.first
        if len(codec.spikes):
            x = np.where(tokens < len(codec.spikes), codec.spikes[np.minimum(tokens, len(codec.spikes) - 1)], x)
        for i, values in enumerate(copies):
            x = np.where(tokens == len(codec.spikes) + i, values, x)
        if codec.null >= 0:
            body &= tokens != codec.null
        again = np.flatnonzero((body & ~inside) | (~body & np.isnan(x)))
        x = codec.raw.snap(x)
        if codec.null >= 0:
            x[tokens == codec.null] = np.nan
            again = again[tokens[again] != codec.null]
        if len(again):  # what was drawn can't be: draw these from what can
            fresh = rng.random(len(again))
            x[again], _ = self._within(again, leaf[again], f[again], copies[:, again], fresh, None, body[again])
        rows.put(self.index, x)
        return None

    def _copies(self, rows: Rows) -> np.ndarray:
        """(n_copies, n) float64, NaN where a copy can't be."""
        if not len(self.codec.copies):
            return np.empty((0, rows.n))
        return np.stack([self.codec.copied(i, rows.values) for i in range(len(self.codec.copies))])

    def _within(
        self, at: np.ndarray, leaf: np.ndarray, f: np.ndarray, copies: np.ndarray, u: np.ndarray,
        condition: Condition | None, body_only: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """Values (k,) of rows that meet the condition, and the probability of it; `body_only` (k,) leaves out points."""
        codec, pmf, half = self.codec, self.bag.pmf, self.codec.half
        raw, p = codec.raw, len(codec.spikes)
        ranges = np.array([[raw.low, raw.high]]) if condition is None else np.clip(condition.ranges, raw.low, raw.high)
        null = condition is None or condition.null
        spikes = meets(codec.spikes, ranges, False, half)
        points = pmf[leaf][:, : codec.first].astype(np.float64)
        points[:, p:] *= ~np.isnan(copies).T
        whole = points.sum(axis=1)
        points[:, :p] *= spikes
        for i in range(len(copies)):
            points[:, p + i] *= meets(copies[i], ranges, False, half)
        points[body_only] = 0.0
        missing = pmf[leaf, codec.null].astype(np.float64) if codec.null >= 0 else np.zeros(len(leaf))
        body = pmf[:, codec.first : codec.first + len(codec.body.knots)].sum(axis=1, dtype=np.float64)[leaf]
        whole += missing + body
        scale = body / np.maximum(self._mass(leaf, f, raw.low, raw.high), _LEAST)
        bodies = np.stack([scale * self._mass(leaf, f, lo, hi) for lo, hi in ranges], axis=1)  # (k, n_ranges)
        weights = np.column_stack([points, missing * (null & ~body_only), bodies])
        total = weights.sum(axis=1)
        cumulated = np.cumsum(weights, axis=1)
        v = u * total
        chosen = np.minimum((cumulated <= v[:, None]).sum(axis=1), weights.shape[1] - 1)
        k = np.arange(len(leaf))
        rest = np.clip((v - cumulated[k, chosen]) / np.maximum(weights[k, chosen], 1e-300) + 1, 0, 1 - 1e-12)
        x = np.full(len(leaf), np.nan)
        x = np.where(chosen < p, codec.spikes[np.minimum(chosen, p - 1)] if p else x, x)
        for i in range(len(copies)):
            x = np.where(chosen == p + i, copies[i], x)
        for r, (lo, hi) in enumerate(ranges):
            mine = np.flatnonzero(chosen == codec.first + 1 + r)
            drawn = np.empty(len(mine))
            low, high = codec.bounds(lo, hi, f[mine])
            draw_interval(leaf[mine], pmf, codec.first, codec.body.knots, low, high, rest[mine], drawn)
            ends = np.where(np.isnan(drawn), np.clip(unbend(f[mine], codec.line.scale), lo, hi), 0.0)
            values = np.clip(unbend(np.nan_to_num(drawn) + f[mine], codec.line.scale), lo, hi)
            x[mine] = raw.snap(np.where(np.isnan(drawn), ends, values))
        return x, total / np.maximum(whole, 1e-300)

    def _mass(self, leaf: np.ndarray, f: np.ndarray, low: float, high: float) -> np.ndarray:
        """The probability that a body token is drawn and its value lies from `low` to `high`, (k,)."""
        out = np.zeros(len(leaf))
        lows, highs = self.codec.bounds(low, high, f)
        interval_mass(leaf, self.bag.pmf, self.codec.first, self.codec.body.knots, lows, highs, out)
        return out

    def probability(self, rows: Rows) -> np.ndarray:
        codec, pmf, x = self.codec, self.bag.pmf, rows.values[self.index]
        missing = np.isnan(x)
        held = np.where(missing, codec.raw.low, x)
        f = codec.predict(rows.values, rows.n)
        rows.codes[-1] = codec.prediction_codes(f)
        copies = self._copies(rows)
        spike, is_spike = codec.spike_at(x)
        lows, highs = codec.bounds(held, held, f)
        total = np.zeros(rows.n)
        for root in self.bag.roots:
            leaf = self.bag.leaves(rows.codes, root)
            own = np.zeros(rows.n)
            interval_mass(leaf, pmf, codec.first, codec.body.knots, lows, highs, own)
            body = pmf[:, codec.first : codec.first + len(codec.body.knots)].sum(axis=1, dtype=np.float64)[leaf]
            own *= body / np.maximum(self._mass(leaf, f, codec.raw.low, codec.raw.high), _LEAST)
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

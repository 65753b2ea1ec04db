"""Compiled kernels over mixtures of tokens: the mass of an interval, and a draw inside one.

Row i has the distribution sum_t pmf[leaf_i, first + t] Q_t over the tokens t of a codec, where Q_t is
piecewise uniform between knots[t] (n_knots,), or a point where they are all equal.
"""

from __future__ import annotations

import numpy as np

from understudy.compiled import compiled


@compiled
def _below(knots, x):
    """Q(X <= x) of one token, knots (n_knots,)."""
    last = len(knots) - 1
    if x <= knots[0]:
        return 0.0
    if x >= knots[last]:
        return 1.0
    j = 0
    while knots[j + 1] <= x:
        j += 1
    return (j + (x - knots[j]) / (knots[j + 1] - knots[j])) / last


@compiled
def _share(knots, low, high):
    """Q(low <= X <= high) of one token."""
    first, last = knots[0], knots[len(knots) - 1]
    if last < low or first > high:
        return 0.0
    if first == last:
        return 1.0
    return _below(knots, high) - _below(knots, low)


@compiled
def interval_mass(leaf, pmf, first, knots, low, high, out):
    """Add P(low_i <= X <= high_i) of each row i to out (n,)."""
    for i in range(len(leaf)):
        for t in range(len(knots)):
            if knots[t, 0] > high[i]:
                break
            p = pmf[leaf[i], first + t]
            if p > 0.0:
                out[i] += p * _share(knots[t], low[i], high[i])


@compiled
def draw_interval(leaf, pmf, first, knots, low, high, u, out):
    """Draw X given low_i <= X <= high_i, from u (n,) uniform on [0, 1); out (n,) is NaN where that has no mass."""
    share = np.zeros(len(knots))
    last = knots.shape[1] - 1
    for i in range(len(leaf)):
        total = 0.0
        for t in range(len(knots)):
            share[t] = 0.0
            if knots[t, 0] <= high[i]:
                share[t] = pmf[leaf[i], first + t] * _share(knots[t], low[i], high[i])
            total += share[t]
        out[i] = np.nan
        if total <= 0.0:
            continue
        rest = u[i] * total
        chosen = -1
        for t in range(len(knots)):
            if share[t] > 0.0:
                chosen = t
                if rest < share[t]:
                    break
                rest -= share[t]
        k = knots[chosen]
        if k[0] == k[last]:
            out[i] = k[0]
            continue
        a, b = _below(k, low[i]), _below(k, high[i])
        position = (a + (b - a) * min(rest / share[chosen], 1.0)) * last
        j = min(int(position), last - 1)
        out[i] = min(max(k[j] + (position - j) * (k[j + 1] - k[j]), low[i]), high[i])

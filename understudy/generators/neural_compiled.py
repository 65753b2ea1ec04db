"""Draw from the CPU's network with compiled kernels around the matrix products.

The first layer is a sum of looked-up vectors. The same numbers as `neural_mlp` and `neural_heads`, to single
precision (a test compares them), about twice as fast, and with random numbers spread evenly over alike rows, so that
the counts of tokens vary less than those of independent rows would (systematic sampling, as in `draws.spread`).
"""

from __future__ import annotations

import numpy as np
import torch

from understudy.compiled import compiled_fast
from understudy.generators.draws import spread
from understudy.generators.neural_mlp import NarrowMlp

_LAYER_NORM_EPSILON = 1e-5
_STEPS = 4096
"""Rows count as alike whose mean token is the same on a scale of so many steps."""
# erf(x) = x P(x^2) / Q(x^2) on [-4, 4], the rational minimax approximation of Eigen and XLA
_P = (-2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05,
      -7.34990630326855e-04, -2.95459980854025e-03, -1.60960333262415e-02)  # fmt: skip
_Q = (-1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03,
      -1.42647390514189e-02)  # fmt: skip
_P0, _P1, _P2, _P3, _P4, _P5, _P6 = (np.float32(c) for c in _P)
_Q0, _Q1, _Q2, _Q3, _Q4 = (np.float32(c) for c in _Q)


@compiled_fast
def _gelu(h):
    """x (1 + erf(x / sqrt 2)) / 2 of every element of h (n,), in place."""
    for k in range(len(h)):
        x = h[k] * np.float32(0.7071067811865476)
        x = np.float32(4.0) if x > np.float32(4.0) else x
        x = np.float32(-4.0) if x < np.float32(-4.0) else x
        y = x * x
        p = (((((_P0 * y + _P1) * y + _P2) * y + _P3) * y + _P4) * y + _P5) * y + _P6
        q = (((_Q0 * y + _Q1) * y + _Q2) * y + _Q3) * y + _Q4
        h[k] = h[k] * (np.float32(0.5) + np.float32(0.5) * x * p / q)


@compiled_fast
def _normalise(h, out):
    n = len(h)
    mean = np.float32(0.0)
    for k in range(n):
        mean += h[k]
    mean /= np.float32(n)
    square = np.float32(0.0)
    for k in range(n):
        square += (h[k] - mean) * (h[k] - mean)
    scale = np.float32(1.0) / np.sqrt(square / np.float32(n) + np.float32(_LAYER_NORM_EPSILON))
    for k in range(n):
        out[k] = (h[k] - mean) * scale


@compiled_fast
def _first(tokens, table, offsets, bias, h, state):
    """gelu of the first layer into h (n, width): `bias` and what each seen token adds to it; normalised into state.

    tokens (n_seen, n) uint8; table (n_all_tokens, width), the rows of a seen column from offsets (n_seen,) on.
    """
    for r in range(len(h)):
        own = h[r]
        own[:] = bias
        for s in range(len(tokens)):
            row = table[offsets[s] + tokens[s, r]]
            for k in range(len(own)):
                own[k] += row[k]
        _gelu(own)
        _normalise(own, state[r])


@compiled_fast
def _add(h, inner, bias, state):
    """h += gelu(inner + bias), row by row, normalised into state (n, width); `inner` is used up."""
    for r in range(len(h)):
        own, total = inner[r], h[r]
        for k in range(len(own)):
            own[k] += bias[k]
        _gelu(own)
        for k in range(len(own)):
            total[k] += own[k]
        _normalise(total, state[r])


@compiled_fast
def _hidden(inner, bias, group):
    """gelu(inner + bias[group]), row by row, in place; bias (n_groups, width)."""
    for r in range(len(inner)):
        own, more = inner[r], bias[group[r]]
        for k in range(len(own)):
            own[k] += more[k]
        _gelu(own)


@compiled_fast
def _biased(logits, bias, group):
    """logits + bias[group], less each row's largest, in place; bias (n_groups, m)."""
    for r in range(len(logits)):
        own, more = logits[r], bias[group[r]]
        most = own[0] + more[0]
        for g in range(len(own)):
            own[g] += more[g]
            most = own[g] if own[g] > most else most
        for g in range(len(own)):
            own[g] -= most


@compiled_fast
def _draw(weights, u, out):
    """An index of each row with probability proportional to its weights (n, m); u (n,) is left uniform again."""
    n, m = weights.shape
    for r in range(n):
        total = np.float32(0.0)
        for g in range(m):
            total += weights[r, g]
        rest = u[r] * total
        chosen = 0
        for g in range(m):
            w = weights[r, g]
            if w > 0.0:
                chosen = g
                if rest < w:
                    break
                rest -= w
        u[r] = min(max(rest / weights[r, chosen], 0.0), 0.9999999)
        out[r] = chosen


class CompiledMlp:
    """What `NarrowMlp` needs to draw its columns in the layout's order, as plain arrays."""

    def __init__(self, network: NarrowMlp) -> None:
        heads, columns, d = network.heads, network.columns, network.VECTOR
        self.width, self.slots = columns.width, heads.slots
        vectors, first = _array(network.vectors), _array(columns.first)
        self.tables, self.offsets = [], np.arange(network.n_columns) * vectors.shape[1]
        for i in range(network.n_columns):
            seen = [vectors[s] @ first[i, s * d : (s + 1) * d] for s in range(i)]
            self.tables.append(np.concatenate([*seen, np.zeros((1, self.width), dtype=np.float32)]))
        self.first_bias = _array(columns.first_bias)[:, 0]
        self.layers = [[_array(w[i]) for w in columns.layers] for i in range(network.n_columns)]
        self.biases = [[_array(b[i, 0]) for b in columns.biases] for i in range(network.n_columns)]
        weight = _array(heads.weight) + _array(heads.smooth) @ _array(heads.waves)
        bias = _array(heads.bias) + _array(heads.closed)
        self.weight = [np.ascontiguousarray(weight[i, :, :size]) for i, size in enumerate(heads.sizes)]
        self.bias = [bias[i : i + 1, :size] for i, size in enumerate(heads.sizes)]
        self.steps = [np.linspace(0, _STEPS - 1, size, dtype=np.float32) for size in heads.sizes]
        self.inner, self.inner_group = _array(heads.inner), _array(heads.inner_group)
        self.weight_fine = _array(heads.weight_fine)
        self.bias_fine = _array(heads.bias_fine) + _array(heads.closed_fine)
        self.token = _array(heads.token).astype(np.uint8)

    def logits(self, i: int, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """States (n, width) and logits (n, n_groups) of column `i` given tokens (i, n) uint8 of those before it."""
        n = tokens.shape[1]
        h, states = np.empty((n, self.width), np.float32), np.empty((n, self.width), np.float32)
        _first(tokens, self.tables[i], self.offsets, self.first_bias[i], h, states)
        for weight, bias in zip(self.layers[i], self.biases[i], strict=True):
            _add(h, _product(states, weight), bias, states)
        logits = _product(states, self.weight[i])
        _biased(logits, self.bias[i], np.zeros(n, np.int64))
        return states, logits

    def draw(self, i: int, tokens: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Tokens (n,) uint8 of column `i` given tokens (i, n) of those before it."""
        states, logits = self.logits(i, tokens)
        n = len(logits)
        weights = np.exp(logits, out=logits)
        key = (weights @ self.steps[i]) / weights.sum(axis=1)
        u = np.empty(n)
        spread(key.astype(np.int32), rng.permutation(n), _STEPS, rng.random(), u)
        group, place = np.empty(n, np.int64), np.zeros(n, np.int64)
        _draw(weights, u, group)
        k = self.slots[i]
        if k >= 0:
            hidden = _product(states, self.inner[k])
            _hidden(hidden, self.inner_group[k], group)
            fine = _product(hidden, self.weight_fine[k])
            _biased(fine, self.bias_fine[k], group)
            _draw(np.exp(fine, out=fine), u, place)
        return self.token[i][group, place]


def _product(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return torch.mm(torch.from_numpy(x), torch.from_numpy(weight)).numpy()  # type: ignore[no-any-return]


def _array(tensor: object) -> np.ndarray:
    return tensor.detach().cpu().numpy()  # type: ignore[attr-defined, no-any-return]

"""Compiled kernels for sampling: find the leaf of each row, spread its random numbers, draw its token."""

from __future__ import annotations

import numpy as np

from understudy.compiled import compiled

GOLDEN = 0.6180339887498949

@compiled
def leaves(codes, feature, mask, left, start, out):
    """The node each row ends in, out (n,) int32.

    codes (n_columns, n) uint8; start (n,) int32, the root of each row's tree.
    """
    for i in range(codes.shape[1]):
        node = start[i]
        while feature[node] >= 0:
            c = codes[feature[node], i]
            go_left = (mask[node, c >> 6] >> np.uint64(c & 63)) & np.uint64(1)
            node = left[node] + (0 if go_left else 1)
        out[i] = node


@compiled
def spread(leaf, order, n_leaves, start, out):
    """Numbers uniform on [0, 1) into out (n,), evenly spread over the rows of a leaf and of leaves next to it.

    leaf (n,) int32; order (n,) int64, a random permutation of the rows; start, uniform on [0, 1). The numbers are a
    Kronecker sequence of the golden ratio, along the rows sorted by leaf.
    """
    place = np.zeros(n_leaves + 1, np.int64)
    for i in range(len(leaf)):
        place[leaf[i] + 1] += 1
    for k in range(n_leaves):
        place[k + 1] += place[k]
    for k in range(len(order)):
        i = order[k]
        x = start + GOLDEN * place[leaf[i]]
        place[leaf[i]] += 1
        out[i] = x - np.floor(x)


@compiled
def draw(leaf, cdf, u, out):
    """Draw a token for each row: the first one whose cumulative probability exceeds u.

    leaf (n,) int32 rows of cdf (n_leaves, n_tokens) float32, u (n,) float64 in [0, 1), which is
    replaced by what it leaves over inside the token, uniform again; out (n,) uint8.
    """
    last = cdf.shape[1] - 1
    for i in range(len(leaf)):
        row = cdf[leaf[i]]
        v = u[i] * row[last]
        lo, hi = 0, last
        while lo < hi:
            middle = (lo + hi) >> 1
            if row[middle] > v:
                hi = middle
            else:
                lo = middle + 1
        below = row[lo - 1] if lo > 0 else np.float32(0)
        width = row[lo] - below
        rest = (v - below) / width if width > 0 else 0.5
        u[i] = min(max(rest, 0.0), 0.9999999)
        out[i] = lo

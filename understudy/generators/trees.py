"""Compiled kernels: grow an entropy tree on byte codes, count and shrink what is in its leaves.

Growing costs O(rows x features) a level whatever the number of classes: a node's rows are
counting-sorted by each feature's codes and moved one by one from the right child to the left,
updating the sum of c log c from a table. Categories are ordered within the node by how often
they hold its majority class (optimal for two classes: Breiman et al. 1984, theorem 4.5; a good
heuristic for more).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from understudy.compiled import compiled

MULTIPLES = (0.1, 0.3, 1.0, 3.0)
"""Of the usual weight of a parent in its child's distribution, one of which each node takes."""


class Tree(NamedTuple):
    """A tree in arrays, node 0 the root; children come in pairs.

    feature (n_nodes,) int16, -1 for a leaf; mask (n_nodes, 4) uint64, the codes that go left;
    left (n_nodes,) int32, the left child (the right one follows it); parent (n_nodes,) int32.
    """

    feature: np.ndarray
    mask: np.ndarray
    left: np.ndarray
    parent: np.ndarray


@compiled
def _best_split(
    x, ordered, rows, classes, weight, n_classes, clogc, min_leaf, total_left, order, sorted_rows
):
    """Best gain of one feature over `rows`, and the codes that go left as (gain, mask).

    x (n,) uint8 codes of the feature; ordered: numeric order, else by the majority class.
    """
    n = len(rows)
    counts = np.zeros(257, np.int64)
    for i in range(n):
        counts[x[rows[i]] + 1] += 1
    mask = np.zeros(4, np.uint64)
    distinct = 0
    for c in range(256):
        distinct += counts[c + 1] > 0
    if distinct < 2:
        return -1.0, mask
    for c in range(256):
        order[c] = c
    if not ordered:
        majority = np.argmax(total_left)
        score = np.full(256, -1.0)
        for i in range(n):
            if classes[rows[i]] == majority:
                score[x[rows[i]]] += 1.0
        for c in range(256):
            score[c] = (score[c] + 1.0) / counts[c + 1] if counts[c + 1] > 0 else -1.0
        order[:] = np.argsort(score)
    start = np.zeros(256, np.int64)
    filled = 0
    for k in range(256):
        start[order[k]] = filled
        filled += counts[order[k] + 1]
    for i in range(n):
        c = x[rows[i]]
        sorted_rows[start[c]] = rows[i]
        start[c] += 1
    right = total_left.copy()
    left = np.zeros(n_classes, np.int64)
    sum_left, sum_right = 0.0, 0.0
    weight_right = 0.0
    for k in range(n_classes):
        sum_right += clogc[right[k]]
    whole = sum_right - clogc[n]
    for i in range(n):
        weight_right += weight[sorted_rows[i]]
    weight_left = 0.0
    best, cut = -1.0, -1
    at = 0
    for k in range(256):
        size = counts[order[k] + 1]
        if size == 0:
            continue
        for i in range(at, at + size):
            r = sorted_rows[i]
            y = classes[r]
            a, b = left[y], right[y]
            sum_left += clogc[a + 1] - clogc[a]
            sum_right += clogc[b - 1] - clogc[b]
            left[y] = a + 1
            right[y] = b - 1
            weight_left += weight[r]
            weight_right -= weight[r]
        at += size
        if at < n and weight_left >= min_leaf and weight_right >= min_leaf:
            gain = sum_left - clogc[at] + sum_right - clogc[n - at] - whole
            if gain > best:
                best, cut = gain, k
    if cut >= 0:
        for k in range(cut + 1):
            c = order[k]
            if counts[c + 1] > 0:
                mask[c >> 6] |= np.uint64(1) << np.uint64(c & 63)
    return best, mask


@compiled
def _tally(rows, classes, weight, counts):
    """Count the classes of `rows` into counts (n_classes,) int64; their total weight."""
    total = 0.0
    for i in range(len(rows)):
        counts[classes[rows[i]]] += 1
        total += weight[rows[i]]
    return total


@compiled
def _partition(x, mask, rows):
    """Reorder `rows` so that those whose code is in `mask` come first; how many there are."""
    i, j = 0, len(rows) - 1
    while i <= j:
        c = x[rows[i]]
        if (mask[c >> 6] >> np.uint64(c & 63)) & np.uint64(1):
            i += 1
        else:
            rows[i], rows[j] = rows[j], rows[i]
            j -= 1
    return i


@compiled
def grow(codes, ordered, features, classes, weight, rows, n_classes, min_leaf, penalty, max_depth):
    """Grow a tree: split while the gain in log-likelihood (nats) exceeds `penalty` per class present.

    A node is split for the first level of classes; where that gains too little, for the next one.
    codes (n_columns, n) uint8; ordered (n_columns,) bool; features (p,) int64, the columns to split on;
    classes (n_levels, n) uint8, from coarse to fine; n_classes (n_levels,) int64; weight (n,) float64, summed for
    `min_leaf`; rows (m,) int64, reordered in place. Returns the fields of `Tree`.
    """
    n = len(rows)
    most = 2 * max(int(n / max(min_leaf * 0.5, 1.0)), 1) + 3
    feature = np.full(most, -1, np.int16)
    mask = np.zeros((most, 4), np.uint64)
    left_child = np.zeros(most, np.int32)
    parent = np.full(most, -1, np.int32)
    begin = np.zeros(most, np.int64)
    end = np.zeros(most, np.int64)
    depth = np.zeros(most, np.int64)
    end[0] = n
    n_nodes = 1
    clogc = np.zeros(n + 2)
    for i in range(1, n + 2):
        clogc[i] = i * np.log(i)
    order = np.zeros(256, np.int64)
    scratch = np.zeros(n, np.int64)
    node = 0
    while node < n_nodes:
        a, b = begin[node], end[node]
        here = rows[a:b]
        m = b - a
        for level in range(len(n_classes)):
            if feature[node] >= 0 or depth[node] >= max_depth or n_nodes + 2 > most:
                break
            counts = np.zeros(n_classes[level], np.int64)
            total = _tally(here, classes[level], weight, counts)
            if total < 2 * min_leaf:
                break
            present = np.sum(counts > 0)
            best = penalty * (present - 1)
            if present < 2:
                continue
            for j in range(len(features)):
                f = features[j]
                gain, m4 = _best_split(
                    codes[f],
                    ordered[f],
                    here,
                    classes[level],
                    weight,
                    n_classes[level],
                    clogc,
                    min_leaf,
                    counts,
                    order,
                    scratch[:m],
                )
                if gain > best:
                    best = gain
                    feature[node] = f
                    mask[node] = m4
        if feature[node] >= 0:
            i = a + _partition(codes[feature[node]], mask[node], here)
            left_child[node] = n_nodes
            for child in range(2):
                parent[n_nodes + child] = node
                depth[n_nodes + child] = depth[node] + 1
            begin[n_nodes], end[n_nodes] = a, i
            begin[n_nodes + 1], end[n_nodes + 1] = i, b
            n_nodes += 2
        node += 1
    return (
        feature[:n_nodes].copy(),
        mask[:n_nodes].copy(),
        left_child[:n_nodes].copy(),
        parent[:n_nodes].copy(),
    )


@compiled
def count(leaf, tokens, n_nodes, n_tokens):
    """Rows of each token in each node, (n_nodes, n_tokens) float64, from the node of every row."""
    counts = np.zeros((n_nodes, n_tokens))
    for i in range(len(leaf)):
        counts[leaf[i], tokens[i]] += 1.0
    return counts


@compiled
def _concentration(counts, prior, usual):
    """The multiple of `usual` under which counts (k,) are most likely, drawn from a Dirichlet around prior (k,).

    So a node that differs clearly from its parent goes its own way, and one that may differ by chance doesn't
    (empirical Bayes; the likelihood is Polya's: Minka 2000, equation 3).
    """
    total = counts.sum()
    best, chosen = -np.inf, usual
    for multiple in MULTIPLES:
        w = usual * multiple
        likelihood = math.lgamma(w) - math.lgamma(w + total)
        for k in range(len(counts)):
            if counts[k] > 0.0 and prior[k] > 0.0 and w > 0.0:
                likelihood += math.lgamma(w * prior[k] + counts[k]) - math.lgamma(w * prior[k])
        if likelihood > best:
            best, chosen = likelihood, w
    return chosen


@compiled
def shrink(counts, feature, left, levels, weights, floor):
    """Probabilities of the tokens in every node, shrunk toward the parent's; (n_nodes, n_tokens) float64.

    levels (n_levels, n_tokens) int64: nested groups of tokens, from coarse to the tokens themselves. A group's share
    of the group it lies in is (c + w p_parent) / (n + w), with w of `weights` (n_levels,); at the coarsest level a
    multiple of it, see `_concentration`. The root is shrunk toward `floor` (n_tokens,).
    """
    n_nodes, n_tokens = counts.shape
    for node in range(n_nodes - 1, -1, -1):
        if feature[node] >= 0:
            for t in range(n_tokens):
                counts[node, t] = counts[left[node], t] + counts[left[node] + 1, t]
    p = np.ones((n_nodes, n_tokens))
    parent = np.full(n_nodes, -1, np.int64)
    for node in range(n_nodes):
        if feature[node] >= 0:
            parent[left[node]] = node
            parent[left[node] + 1] = node
    own, prior = np.zeros(n_tokens), np.zeros(n_tokens)
    outer_own, outer_prior = np.zeros(n_tokens), np.zeros(n_tokens)
    for node in range(n_nodes):
        q = floor if node == 0 else p[parent[node]]
        outer_own[:] = counts[node].sum()
        outer_prior[:] = 1.0
        for level in range(len(weights)):
            own[:] = 0.0
            prior[:] = 0.0
            for t in range(n_tokens):
                own[levels[level, t]] += counts[node, t]
                prior[levels[level, t]] += q[t]
            w = weights[level]
            if level == 0 and node > 0:
                w = _concentration(own, prior, w)
            for t in range(n_tokens):
                g = levels[level, t]
                if prior[g] <= 0.0:
                    p[node, t] = 0.0
                else:
                    p[node, t] *= (own[g] + w * prior[g] / outer_prior[t]) / (outer_own[t] + w)
            for t in range(n_tokens):
                outer_own[t] = own[levels[level, t]]
                outer_prior[t] = prior[levels[level, t]]
    return p

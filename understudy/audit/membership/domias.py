"""Attack 4, DOMIAS: is the density of S higher at x than that of R?

Score: log p_S(x) - log p_R(x), van Breugel et al. (AISTATS 2023, arXiv 2302.12580), who estimate the densities
with kernels or flows. Here both are tree-shaped Bayesian networks over binned columns, the best such
approximation of the joint distribution (Chow and Liu, IEEE Transactions on Information Theory 14, 1968). The
tree is learned on R and S together, so that the two densities differ by their counts only.
"""

from __future__ import annotations

import numpy as np

from understudy.audit.membership.bins import bin_tables
from understudy.audit.tables import AuditTables

PRIOR = 2.0
"""Rows' worth of the marginal distribution that every conditional one is mixed with."""
MAX_COLUMNS = 80
"""A wider table's tree spans this many columns, drawn at random: pairs grow with the square."""


def score(tables: AuditTables, rng: np.random.Generator) -> np.ndarray:
    """(n_units,) differences of log-densities, nats."""
    binned = bin_tables(tables)
    chosen = np.sort(rng.permutation(len(binned.sizes))[:MAX_COLUMNS])
    sizes = [binned.sizes[j] for j in chosen]
    pool, r, s = (t[:, chosen] for t in (binned.pool, binned.reference, binned.synthetic))
    tree = chow_liu(np.vstack([r, s]), sizes)
    return tables.per_unit(log_density(pool, s, tree, sizes) - log_density(pool, r, tree, sizes))


def chow_liu(rows: np.ndarray, sizes: list[int]) -> list[tuple[int, int | None]]:
    """(column, parent) pairs, parents first: the spanning tree of greatest mutual information (Prim).

    Args:
        rows: (n, columns) bin numbers.
        sizes: bins of each column.
    """
    n_columns = len(sizes)
    gain = np.zeros((n_columns, n_columns))
    for a in range(n_columns):
        for b in range(a):
            gain[a, b] = gain[b, a] = _mutual_information(rows[:, a], rows[:, b], sizes[a], sizes[b])
    tree: list[tuple[int, int | None]] = [(0, None)]
    best, parent = gain[0].copy(), np.zeros(n_columns, dtype=int)
    outside = np.arange(n_columns) != 0
    while outside.any():
        new = int(np.argmax(np.where(outside, best, -np.inf)))
        tree.append((new, int(parent[new])))
        outside[new] = False
        better = gain[new] > best
        best[better], parent[better] = gain[new][better], new
    return tree


def log_density(
    queries: np.ndarray, rows: np.ndarray, tree: list[tuple[int, int | None]], sizes: list[int]
) -> np.ndarray:
    """(n_queries,) log-probabilities, nats, of (n_queries, columns) bins under the tree fitted on (n, columns) `rows`.

    Conditional distributions are shrunk toward their column's marginal one, that toward the uniform one.
    """
    total = np.zeros(len(queries))
    for column, parent in tree:
        counts = np.bincount(rows[:, column], minlength=sizes[column])
        marginal = (counts + 1 / sizes[column]) / (len(rows) + 1)
        if parent is None:
            total += np.log(marginal[queries[:, column]])
            continue
        joint = np.zeros((sizes[parent], sizes[column]))
        np.add.at(joint, (rows[:, parent], rows[:, column]), 1)
        conditional = (joint + PRIOR * marginal) / (joint.sum(axis=1, keepdims=True) + PRIOR)
        total += np.log(conditional[queries[:, parent], queries[:, column]])
    return total


def _mutual_information(a: np.ndarray, b: np.ndarray, n_a: int, n_b: int) -> float:
    joint = np.bincount(a * n_b + b, minlength=n_a * n_b).reshape(n_a, n_b) / len(a)
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / independent[seen])).sum())

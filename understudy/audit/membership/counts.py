"""Attack 5, cell counts: are the cells that x falls into fuller in S than in R?

Score: the sum over the cells of x in the 1-, 2- and 3-way tables of log((c_S + a) / (c_R + a)),
with S's counts scaled to R's size. DOMIAS (van Breugel et al., 2302.12580) with marginals as the
density; such an attack won SNAKE (Allard et al., 2402.06699).
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from understudy.audit.tables import AuditTables, Block

BINS = 20
"""Quantile bins of R a numerical column; columns of no more distinct values keep them exact."""
LABELS = 40
"""A categorical column's most frequent labels; the others share one bin."""
PSEUDO_COUNT = 1.0
MAX_SUBSETS = 400
"""Three-way tables looked at; wider tables have theirs drawn at random."""


def score(tables: AuditTables, rng: np.random.Generator) -> np.ndarray:
    """(n_units,) scores."""
    pool, reference, synthetic, sizes = _binned(tables)
    scale = len(reference) / len(synthetic)
    total = np.zeros(len(pool))
    for subset in _subsets(len(sizes), rng):
        shape = tuple(sizes[j] for j in subset)
        cells = int(np.prod(shape))
        at_pool, at_r, at_s = (
            np.ravel_multi_index(tuple(t[:, j] for j in subset), shape) for t in (pool, reference, synthetic)
        )
        c_s, c_r = np.bincount(at_s, minlength=cells) * scale, np.bincount(at_r, minlength=cells)
        total += np.log((c_s + PSEUDO_COUNT) / (c_r + PSEUDO_COUNT))[at_pool]
    return tables.per_unit(total)


def _subsets(n_columns: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    few = [s for size in (1, 2) for s in combinations(range(n_columns), size)]
    if n_columns * (n_columns - 1) * (n_columns - 2) // 6 <= MAX_SUBSETS:
        return few + list(combinations(range(n_columns), 3))
    if len(few) > 4 * MAX_SUBSETS:
        few = [few[i] for i in np.sort(rng.choice(len(few), 4 * MAX_SUBSETS, replace=False))]
    drawn = {tuple(sorted(rng.choice(n_columns, 3, replace=False).tolist())) for _ in range(MAX_SUBSETS)}
    return few + sorted(drawn)


def _binned(tables: AuditTables) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[int]]:
    """(n, columns) bin numbers of the pool, R and S, and the number of bins of each column."""
    blocks = (tables.pool, tables.reference, tables.synthetic)
    columns: list[list[np.ndarray]] = []
    sizes = []
    for j in range(tables.pool.numbers.shape[1]):
        edges = _edges(tables.reference, j)
        columns.append([_number_bins(b.numbers[:, j], edges) for b in blocks])
        sizes.append(len(edges) + 2)
    for j, n_levels in enumerate(tables.levels):
        common = np.bincount(tables.reference.codes[:, j] + 1, minlength=n_levels + 1)
        common += np.bincount(tables.synthetic.codes[:, j] + 1, minlength=n_levels + 1)
        kept = np.argsort(-common, kind="stable")[:LABELS]
        number = np.full(n_levels + 1, len(kept))
        number[kept] = np.arange(len(kept))
        columns.append([number[b.codes[:, j] + 1] for b in blocks])
        sizes.append(len(kept) + 1)
    pool, reference, synthetic = (np.column_stack([c[i] for c in columns]) for i in range(3))
    return pool, reference, synthetic, sizes


def _edges(reference: Block, j: int) -> np.ndarray:
    known = reference.numbers[:, j]
    known = known[~np.isnan(known)]
    distinct = np.unique(known)
    if len(distinct) <= BINS:
        return distinct
    return np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1]))


def _number_bins(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="left"))

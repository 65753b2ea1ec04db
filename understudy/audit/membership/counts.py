"""Attack 5, cell counts: are the cells that x falls into fuller in S than in R?

Score: the sum over the cells of x in the 1-, 2- and 3-way tables of log((c_S + a) / (c_R + a)),
with S's counts scaled to R's size. DOMIAS (van Breugel et al., 2302.12580) with marginals as the
density; such an attack won SNAKE (Allard et al., 2402.06699).
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from understudy.audit.membership.bins import bin_tables
from understudy.audit.tables import AuditTables

PSEUDO_COUNT = 1.0
MAX_SUBSETS = 400
"""Three-way tables looked at; wider tables have theirs drawn at random."""


def score(tables: AuditTables, rng: np.random.Generator) -> np.ndarray:
    """(n_units,) scores."""
    binned = bin_tables(tables)
    scale = len(binned.reference) / len(binned.synthetic)
    total = np.zeros(len(binned.pool))
    for subset in _subsets(len(binned.sizes), rng):
        shape = tuple(binned.sizes[j] for j in subset)
        cells = int(np.prod(shape))
        at_pool, at_r, at_s = (
            np.ravel_multi_index(tuple(t[:, j] for j in subset), shape)
            for t in (binned.pool, binned.reference, binned.synthetic)
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

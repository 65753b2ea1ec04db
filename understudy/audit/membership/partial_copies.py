"""An attack beyond the specification, partial copies: does S repeat some of x's values together, to the digit?

Score: over random subsets of the columns, how much more often rows of S than rows of R agree with x in all
of them, each agreement weighted by how surprising it is. A generator that glues halves of training rows together,
or copies all but a few noisy columns, copies no row and is near to none, and yet gives it all away.
"""

from __future__ import annotations

import numpy as np

from understudy.audit.tables import AuditTables
from understudy.audit.tier0 import hash_rows

SUBSETS = 96
"""Subsets looked at: the two halves of the columns in their order, then random ones of 2 columns and more."""


def score(tables: AuditTables, rng: np.random.Generator) -> np.ndarray:
    """(n_units,) scores."""
    pool, r, s = (block.keys() for block in (tables.pool, tables.reference, tables.synthetic))
    total = np.zeros(len(pool))
    for subset in subsets(pool.shape[1], SUBSETS, rng):
        at_pool, at_r, at_s = (hash_rows(keys[:, subset]) for keys in (pool, r, s))
        in_r, in_s = _share(at_pool, at_r), _share(at_pool, at_s)
        surprise = -np.log((in_r * len(r) + in_s * len(s) + 0.5) / (len(r) + len(s) + 0.5))
        # of a key that n rows hold, S repeating it says little: shares that differ by chance cancel
        total += surprise * (in_s - in_r) / (in_s + in_r + 1 / len(s) + 1 / len(r))
    return tables.per_unit(total)


def subsets(n_columns: int, most: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Both halves of the columns, then distinct random subsets of 2 columns to all but one."""
    half = n_columns // 2
    found: dict[tuple[int, ...], None] = {}
    for columns in (range(half), range(half, n_columns)):
        if len(columns) > 1:
            found[tuple(columns)] = None
    for _ in range(most):
        if n_columns < 3:
            break
        size = int(rng.integers(2, n_columns))
        found[tuple(np.sort(rng.permutation(n_columns)[:size]).tolist())] = None
    return [np.array(columns) for columns in found]


def _share(queries: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """(n_queries,) the share of `keys` that equal each query."""
    values, counts = np.unique(keys, return_counts=True)
    at = np.minimum(np.searchsorted(values, queries), len(values) - 1)
    return np.where(values[at] == queries, counts[at], 0) / len(keys)

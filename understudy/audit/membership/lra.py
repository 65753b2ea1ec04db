"""Attack 6, Gen-LRA: would the synthetic rows around x be likelier if x had trained?

Score: the sum, over the 200 synthetic rows s nearest to x, of log p(s | R and x) - log p(s | R), the
generative likelihood ratio attack of Ward et al. (arXiv 2508.21146). With a kernel estimate of the
density, adding x to the n rows of R changes it to (n p_R(s) + K(s, x)) / (n + 1), so that nothing is
fitted anew for each x. The kernel falls off exponentially with Gower's distance, which makes it a product of Laplace
kernels on ranks and of Aitchison and Aitken's on categories (Biometrika 63, 1976).

For the vulnerable stratum only: around a row in a crowd one row more or less changes nothing.
"""

from __future__ import annotations

import numpy as np

from understudy.audit.neighbours import nearest, nearest_rows
from understudy.audit.tables import AuditTables

AROUND = 200
"""Synthetic rows around x."""
IN_KERNEL = 50
"""Rows of R whose kernels are summed; farther ones add next to nothing."""
BANDWIDTH_RANK = 5
"""The bandwidth is the median distance of a synthetic row to its 5th nearest row of R."""


def score(tables: AuditTables, rng: np.random.Generator, chosen: np.ndarray) -> np.ndarray:
    """(n_units,) scores; NaN where the (n_units,) bool `chosen` is False. `rng` is not used."""
    rows = np.flatnonzero(chosen[tables.pool.units])
    distance, at = nearest_rows(tables.pool.geometry.take(rows), tables.synthetic.geometry, AROUND)
    near = np.unique(at)
    to_reference = nearest(tables.synthetic.geometry.take(near), tables.reference.geometry, IN_KERNEL)
    rank = min(BANDWIDTH_RANK, to_reference.shape[1]) - 1
    bandwidth = max(float(np.median(to_reference[:, rank])), 1e-3)
    kernel_sum = np.full(len(tables.synthetic), np.nan)  # n p_R(s)
    kernel_sum[near] = np.exp(-to_reference / bandwidth).sum(axis=1)
    added = np.exp(-distance / bandwidth) / np.maximum(kernel_sum[at], 1e-12)
    n = len(tables.reference)
    row_scores = np.zeros(len(tables.pool))
    row_scores[rows] = (np.log1p(added) - np.log1p(1 / n)).sum(axis=1)
    return np.where(chosen, tables.per_unit(row_scores), np.nan)

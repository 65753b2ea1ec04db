"""Attack 2, DPI: which share of x's nearest rows is synthetic?

Score: the share of S among the 20 nearest neighbours of x in S u R: the data plagiarism index of
Ward, Wang and Cheng (arXiv 2406.13012). S and R enter with equal sizes; a larger S is
cut into parts as large as R, whose shares are averaged.
"""

from __future__ import annotations

import numpy as np

from understudy.audit.neighbours import nearest
from understudy.audit.tables import NEIGHBOURS, AuditTables

MAX_PARTS = 4


def score(tables: AuditTables, rng: np.random.Generator) -> np.ndarray:
    """(n_units,) shares in [0, 1]."""
    shares = []
    for synthetic, reference in tables.equal_parts(MAX_PARTS, rng):
        if len(synthetic) == len(tables.synthetic):
            to_synthetic = tables.to_synthetic
        else:
            to_synthetic = nearest(tables.pool.geometry, synthetic.geometry, NEIGHBOURS)
        if len(reference) == len(tables.reference):
            to_reference = tables.to_reference
        else:
            to_reference = nearest(tables.pool.geometry, reference.geometry, NEIGHBOURS)
        shares.append(synthetic_share(to_synthetic, to_reference))
    return tables.per_unit(np.mean(shares, axis=0))


def synthetic_share(to_synthetic: np.ndarray, to_reference: np.ndarray) -> np.ndarray:
    """(n,) the share of the first table among the k nearest of both.

    Args:
        to_synthetic, to_reference: (n, k) ascending distances. Rows tied at the k-th distance
            share the places that are left.
    """
    k = to_synthetic.shape[1]
    edge = np.sort(np.hstack([to_synthetic, to_reference]), axis=1)[:, k - 1, None]  # (n, 1)
    inside, tied = (to_synthetic < edge).sum(axis=1), (to_synthetic == edge).sum(axis=1)
    all_inside = inside + (to_reference < edge).sum(axis=1)
    all_tied = tied + (to_reference == edge).sum(axis=1)
    return (inside + tied * (k - all_inside) / all_tied) / k

"""Bins of every column, fixed by R and S alone, for the attacks that count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from understudy.audit.tables import AuditTables, Block

BINS = 20
"""Quantile bins of R a numerical column; columns of no more distinct values keep them exact."""
LABELS = 40
"""A categorical column's most frequent labels; the others share one bin."""


@dataclass(frozen=True, eq=False)
class Binned:
    """(n_rows, columns) bin numbers of the pool, R and S, and how many bins each column has."""

    pool: np.ndarray
    reference: np.ndarray
    synthetic: np.ndarray
    sizes: tuple[int, ...]


def bin_tables(tables: AuditTables) -> Binned:
    """All three tables in the same bins."""
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
    return Binned(pool, reference, synthetic, tuple(sizes))


def _edges(reference: Block, j: int) -> np.ndarray:
    known = reference.numbers[:, j]
    known = known[~np.isnan(known)]
    distinct = np.unique(known)
    if len(distinct) <= BINS:
        return distinct
    return np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1]))


def _number_bins(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="left"))

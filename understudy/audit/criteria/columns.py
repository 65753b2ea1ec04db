"""The audit's tables as the three criteria read them: one row a unit, and any subset of the columns.

A person with several rows is attacked by one of them, drawn at random: a unit is then a success or not, its trials are
one as everyone's are, and the draw knows nothing of the coin, so that members and non-members stay exchangeable.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from understudy.audit.neighbours import Geometry
from understudy.audit.tables import AuditTables, Block
from understudy.audit.tier0 import hash_rows
from understudy.errors import SchemaError
from understudy.schema import unknown_column

MAX_COLUMNS = 32
"""Columns that an attack looks at; of a wider table as many are drawn at random."""


@dataclass(frozen=True, eq=False)
class Targets:
    """What is attacked and with what. Columns are numbered as in `AuditTables.columns`: numbers first.

    Attributes:
        tables: the audit's.
        pool: (n_units rows) one row of each unit of A, in the order of the coin.
        holes: (p,) bool, numerical and datetime columns in which any table misses a value.
    """

    tables: AuditTables
    pool: Block
    holes: np.ndarray

    @classmethod
    def draw(cls, tables: AuditTables, rng: np.random.Generator) -> Targets:
        blocks = (tables.pool, tables.reference, tables.synthetic)
        holes = np.any([np.isnan(b.numbers).any(axis=0) for b in blocks], axis=0)
        return cls(tables, tables.pool.take(one_row_each(tables.pool.units, rng)), holes)

    @property
    def n_columns(self) -> int:
        return len(self.tables.columns)

    @property
    def n_numbers(self) -> int:
        return self.pool.numbers.shape[1]

    def names(self, columns: Iterable[int]) -> tuple[str, ...]:
        return tuple(self.tables.columns[j].name for j in columns)

    def numbered(self, names: Iterable[str], what: str) -> list[int]:
        """The columns of these `names`; SchemaError for one that isn't modelled, with the nearest name."""
        known = self.names(range(self.n_columns))
        for name in names:
            if name not in known:
                raise SchemaError(unknown_column(name, known, what))
        return [known.index(name) for name in dict.fromkeys(names)]

    def within_budget(self, rng: np.random.Generator, keep: Iterable[int] = ()) -> list[int]:
        """All columns, or `MAX_COLUMNS` of them at random, `keep` always among them; ascending."""
        kept = list(keep)
        others = [j for j in range(self.n_columns) if j not in kept]
        room = max(0, MAX_COLUMNS - len(kept))
        drawn = others if len(others) <= room else rng.permutation(others)[:room].tolist()
        return sorted([*kept, *drawn])

    def part(self, block: Block, columns: Iterable[int]) -> Geometry:
        """The block's rows in Gower's geometry of some of the columns (`tables.Scale.geometry`)."""
        p = self.n_numbers
        chosen = list(columns)
        numbers, labels = [j for j in chosen if j < p], [j - p for j in chosen if j >= p]
        holed = [j for j in numbers if self.holes[j]]
        gone = np.isnan(block.numbers[:, holed]).astype(np.int32)
        sizes = tuple(self.tables.levels[j] for j in labels) + (2,) * len(holed)
        weights = (1.0,) * len(labels) + (0.5,) * len(holed)
        return Geometry(block.geometry.ranks[:, numbers], np.hstack([block.codes[:, labels], gone]), sizes, weights)

    def cells(self, block: Block, columns: Iterable[int], bins: int | None) -> np.ndarray:
        """(n,) uint64, equal where rows are equal in `columns`; numbers exactly, or in `bins` ranges of rank."""
        chosen = list(columns)
        if bins is None:
            return hash_rows(block.keys()[:, chosen])
        p = self.n_numbers
        keys = np.empty((len(block), len(chosen)), dtype=np.int64)
        for i, j in enumerate(chosen):
            if j >= p:
                keys[:, i] = block.codes[:, j - p]
            else:
                binned = np.floor(block.geometry.ranks[:, j] * bins).astype(np.int64)
                keys[:, i] = np.where(np.isnan(block.numbers[:, j]), -1, binned)
        return hash_rows(keys)


def one_row_each(units: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n_units,) the position of a random row of each unit, in the order of the units' numbers."""
    order = rng.permutation(len(units))
    return order[np.unique(units[order], return_index=True)[1]]

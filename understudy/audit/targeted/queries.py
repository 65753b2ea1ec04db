"""What an attacker counts in a synthetic table to find out whether one person trained its generator.

Query-based features, after Houssiau et al. (TAPAS, arXiv 2211.06550) and Meeus et al. (2306.10308): how many rows
agree with the target in a random subset of its values; and naive summaries as Stadler et al. take (2011.07018). Numbers
agree when they are equal, close in rank, or as extreme: isolated people are often isolated by an extreme.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from understudy.audit.tables import AuditTables, numbers_of
from understudy.schema import Column

N_QUERIES = 150
MAX_ORDER = 6
"""Columns in a query: more are almost never met by another row."""
CLOSE = (0.02, 0.1)
"""Half-widths, in the ranks of R, of "close"."""
QUANTITIES = ("numerical", "datetime")


@dataclass(frozen=True)
class Atom:
    """One value of the target as a condition: a number within [low, high], or a label (None: missing)."""

    column: str
    low: float = 0.0
    high: float = 0.0
    label: str | None = None
    number: bool = False


@dataclass(frozen=True, eq=False)
class Values:
    """A synthetic table for counting: numbers (m,) float per column, labels (m,) codes and their words."""

    n_rows: int
    numbers: dict[str, np.ndarray]
    codes: dict[str, np.ndarray]
    words: dict[str, dict[str, int]]

    @classmethod
    def of(cls, table: pd.DataFrame, columns: Sequence[Column]) -> Values:
        numbers, codes, words = {}, {}, {}
        for c in columns:
            if c.kind in QUANTITIES:
                numbers[c.name] = numbers_of(table, (c,))[:, 0]
            else:
                codes[c.name], labels = pd.factorize(table[c.name].astype(object))
                words[c.name] = {str(w): i for i, w in enumerate(labels)}
        return cls(len(table), numbers, codes, words)

    def meets(self, atom: Atom) -> np.ndarray:
        """(m,) bool."""
        if atom.number:
            x = self.numbers[atom.column]
            return np.isnan(x) if np.isnan(atom.low) else (x >= atom.low) & (x <= atom.high)
        code = -1 if atom.label is None else self.words[atom.column].get(atom.label, -2)
        return self.codes[atom.column] == code

    def summary(self) -> np.ndarray:
        """The naive features: of numbers mean, spread, extremes and how many are missing; of labels how many there
        are, and the shares of the most and the least common."""
        found: list[float] = []
        for x in self.numbers.values():
            known = x[~np.isnan(x)]
            spread = (known.mean(), known.std(), known.min(), known.max()) if len(known) else (0.0,) * 4
            found += [*map(float, spread), float(len(known))]
        for c in self.codes.values():
            counts = np.bincount(c[c >= 0], minlength=1)
            found += [float(len(counts)), float(counts.max()), float(counts.min()), float((c < 0).sum())]
        return np.array(found)


@dataclass(frozen=True, eq=False)
class Queries:
    """The questions about one target.

    Attributes:
        atoms: conditions, each of which the target meets in one of its rows.
        asked: (n_queries, n_atoms) float32 of 0 and 1, the atoms that a row must meet to be counted.
        close: (n_columns,) the atom of each column that says "about the same".
    """

    atoms: tuple[Atom, ...]
    asked: np.ndarray
    close: np.ndarray

    def answers(self, table: Values) -> np.ndarray:
        """(n_features,) counts of rows, and how much the rows that are most like the target agree with it."""
        met = np.array([table.meets(a) for a in self.atoms], dtype=np.float32)  # (n_atoms, m)
        counts = (self.asked @ (1 - met) == 0).sum(axis=1)
        agree = met[self.close].sum(axis=0)  # (m,) columns
        best = np.sort(agree)[::-1][:5].mean() if len(agree) else 0.0
        near = [(agree >= len(self.close) - k).sum() for k in range(1, 4)]
        return np.concatenate([counts, [best, *near], table.summary()])


def draw_queries(tables: AuditTables, target: np.ndarray, rng: np.random.Generator) -> Queries:
    """Questions about the unit whose rows of the pool are `target`, each about values of one of its rows."""
    columns = tables.columns
    atoms: list[Atom] = []
    rows: list[list[list[int]]] = []  # row, column: its atoms
    for row in target:
        rows.append([])
        for j, column in enumerate(columns):
            mine = _atoms(tables, row, column, j)
            rows[-1].append(list(range(len(atoms), len(atoms) + len(mine))))
            atoms += mine
    asked: set[tuple[int, ...]] = {(a,) for row in rows for mine in row for a in mine}
    for row in rows:
        asked |= {tuple(mine[0] for mine in row), tuple(_about(mine) for mine in row)}
    for _ in range(N_QUERIES):
        row = rows[rng.integers(len(rows))]
        order = int(rng.integers(1, min(MAX_ORDER, len(columns)) + 1))
        subset = np.sort(rng.permutation(len(columns))[:order])
        asked.add(tuple(int(rng.choice(row[j])) for j in subset))
    matrix = np.zeros((len(asked), len(atoms)), dtype=np.float32)
    for q, chosen in enumerate(sorted(asked)):
        matrix[q, list(chosen)] = 1
    return Queries(tuple(atoms), matrix, np.array([_about(mine) for mine in rows[0]]))


def _about(atoms: list[int]) -> int:
    """The condition that says "about the same"."""
    return atoms[min(1, len(atoms) - 1)]


def _atoms(tables: AuditTables, row: int, column: Column, j: int) -> list[Atom]:
    """Conditions on one value, the strictest first, then the one that says "about the same"."""
    if column.kind not in QUANTITIES:
        value = tables.pool.frame[column.name].iloc[row]
        return [Atom(column.name, label=None if pd.isna(value) else str(value))]
    number = float(tables.pool.numbers[row, j])
    if np.isnan(number):
        return [Atom(column.name, number, number, number=True)]
    found = [Atom(column.name, number, number, number=True)]
    known = tables.reference.numbers[:, j]
    known = np.sort(known[~np.isnan(known)])
    if len(known):
        rank = (np.searchsorted(known, number, "left") + np.searchsorted(known, number, "right")) / (2 * len(known))
        for width in CLOSE:
            low, high = np.quantile(known, np.clip([rank - width, rank + width], 0, 1))
            found.append(Atom(column.name, min(number, low), max(number, high), number=True))
        low, high = (number, np.inf) if rank >= 0.5 else (-np.inf, number)
        found.append(Atom(column.name, low, high, number=True))
    return found

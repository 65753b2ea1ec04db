"""How far two tables differ, column by column and pair by pair, and how far they would by chance.

The effect of a column is the share of rows that would have to change their bin for the two tables to agree (half
the sum of absolute differences; total variation distance). A shuffled column keeps its own distribution, so pairs of
columns are compared too: the same distance between the tables' *interactions*, P(a, b) - P(a) P(b), which only a
changed dependence moves.

Thresholds come from a simulation at these very numbers of rows: both tables are drawn again, with replacement,
`DRAWS` times, person by person where a person has several rows, and the differences of the draws from their own
tables are what chance does (the centred bootstrap). Effects are compared in units of their standard deviation, and
the largest over all columns and pairs of every draw sets one common limit: a window that differs by chance only
exceeds any of its thresholds with probability 1 / (DRAWS + 1), however many columns there are. What is known to
differ already (`baseline`) is added to a threshold: distances obey the triangle inequality.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from understudy.monitoring.bins import Bins
from understudy.schema import TableSchema

DRAWS = 199
FLOOR = 0.02
"""No smaller effect alarms, however certain it is."""
VALUE_BINS, PAIR_BINS = 10, 5
MOST_PAIR_BINS = 500
"""Bins of all columns together in the comparison of pairs, whose time grows with the square."""
MOST_PAIRED = MOST_PAIR_BINS // 4
"""Of wider tables the pairs aren't compared: a column needs two bins, other values and missing ones."""
VALUES, DEPENDENCE = "values", "dependence"


@dataclass(frozen=True)
class Effect:
    """How far one column (`values`) or one pair of columns (`dependence`) moved, as a share of rows."""

    column: str
    statistic: str
    effect: float
    threshold: float
    partner: str = ""
    by_chance: float = 0.0
    """What it is on average between samples of one table."""

    @property
    def beyond_chance(self) -> float:
        """What is left of the effect without chance, which adds to it in quadrature."""
        return math.sqrt(max(self.effect**2 - self.by_chance**2, 0.0))

    @property
    def alarm(self) -> bool:
        return self.effect > self.threshold

    @property
    def key(self) -> str:
        return f"{self.column} | {self.partner}" if self.partner else self.column


@dataclass(frozen=True)
class Weights:
    """Numbers of times that each row of a table was drawn: (n_draws, n_rows) float32."""

    drawn: np.ndarray

    @classmethod
    def of(cls, n_rows: int, units: np.ndarray | None, rng: np.random.Generator) -> Weights:
        """Draw units, (n_rows,) of 0, 1, ..., with replacement; None: each row is one."""
        unit = np.arange(n_rows) if units is None else units
        n_units = int(unit.max()) + 1
        drawn = np.empty((DRAWS, n_rows), dtype=np.float32)
        for row in drawn:
            row[:] = np.bincount(rng.integers(0, n_units, n_units), minlength=n_units)[unit]
        return cls(drawn)


def compare(
    current: pd.DataFrame, reference: pd.DataFrame, schema: TableSchema, *, rng: np.random.Generator,
    units: np.ndarray | None = None, reference_units: np.ndarray | None = None,
    baseline: Mapping[str, float] | None = None, dependence: bool = True,
) -> list[Effect]:  # fmt: skip
    """The effects of all modelled columns that both tables have, and of their pairs.

    Args:
        current, reference: conformed tables.
        units, reference_units: (n_rows,) which rows belong together, as 0, 1, ...; None: each row is independent.
        baseline: effects that are there already, by `Effect.key`.
        dependence: whether to compare pairs, if there are at most `MOST_PAIRED` columns.
    """
    shared = [n for n in reference.columns if n in current.columns]
    mine, theirs = current[shared], reference[shared]
    weights = Weights.of(len(mine), units, rng), Weights.of(len(theirs), reference_units, rng)
    bins = Bins.of(theirs, schema, VALUE_BINS)
    observed, simulated = _values(bins, mine, theirs, weights)
    keys = [(name, "") for name in bins.names]
    if dependence and 1 < len(bins.names) <= MOST_PAIRED:
        coarse = Bins.of(theirs, schema, max(2, min(PAIR_BINS, MOST_PAIR_BINS // len(bins.names) - 2)))
        pairs = np.triu_indices(len(coarse.names), 1)
        moved, by_chance = _interactions(coarse, mine, theirs, weights, pairs)
        observed, simulated = np.concatenate([observed, moved]), np.concatenate([simulated, by_chance], axis=1)
        keys += [(coarse.names[i], coarse.names[j]) for i, j in zip(*pairs, strict=True)]
    known = baseline or {}
    found = []
    figures = zip(keys, observed, _limits(simulated), simulated.mean(axis=0), strict=True)
    for (column, partner), effect, limit, chance in figures:
        statistic = DEPENDENCE if partner else VALUES
        made = Effect(column, statistic, float(effect), max(FLOOR, float(limit)), partner, float(chance))
        found.append(replace(made, threshold=made.threshold + known.get(made.key, 0.0)))
    return found


def _limits(simulated: np.ndarray) -> np.ndarray:
    """The limit of each statistic, (n_statistics,), from its simulated values (n_draws, n_statistics)."""
    mean, deviation = simulated.mean(axis=0), simulated.std(axis=0)
    scale = np.where(deviation > 0, deviation, np.inf)
    highest = float(((simulated - mean) / scale).max())
    return np.asarray(mean + highest * deviation)


def _values(
    bins: Bins, current: pd.DataFrame, reference: pd.DataFrame, weights: tuple[Weights, Weights]
) -> tuple[np.ndarray, np.ndarray]:
    """Distances of each column: observed (n_columns,) and simulated (n_draws, n_columns)."""
    differences, centre = [], []
    for table, drawn in zip((current, reference), weights, strict=True):
        hot = bins.one_hot(table)
        share = hot.mean(axis=0, dtype=np.float64)  # (K,)
        centre.append(share)
        differences.append(drawn.drawn @ hot / drawn.drawn.sum(axis=1, keepdims=True) - share)  # (B, K)
    starts = bins.starts[:-1]
    observed = np.add.reduceat(np.abs(centre[0] - centre[1]), starts) / 2
    return observed, np.add.reduceat(np.abs(differences[0] - differences[1]), starts, axis=1) / 2


def _interactions(
    bins: Bins, current: pd.DataFrame, reference: pd.DataFrame, weights: tuple[Weights, Weights],
    pairs: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Distances of the interactions of each pair: observed (n_pairs,) and simulated (n_draws, n_pairs)."""
    starts = bins.starts[:-1]
    hots = [bins.one_hot(table) for table in (current, reference)]
    centres = [_interaction(hot, None) for hot in hots]

    def distances(difference: np.ndarray) -> np.ndarray:
        by_row = np.add.reduceat(np.abs(difference), starts, axis=0)
        return np.asarray(np.add.reduceat(by_row, starts, axis=1)[pairs] / 2)

    simulated = np.empty((len(weights[0].drawn), len(pairs[0])))
    for draw in range(len(simulated)):
        moved = [_interaction(h, w.drawn[draw]) - c for h, w, c in zip(hots, weights, centres, strict=True)]
        simulated[draw] = distances(moved[0] - moved[1])
    return distances(centres[0] - centres[1]), simulated


def _interaction(hot: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """P(a, b) - P(a) P(b) for all bins a, b: (K, K)."""
    weighted, rows = hot, float(len(hot))
    if weight is not None:
        drawn = np.flatnonzero(weight)  # about 63 % of the rows
        hot, rows = hot[drawn], float(weight.sum())
        weighted = hot * weight[drawn, None]
    share = weighted.sum(axis=0, dtype=np.float64) / rows
    return np.asarray((weighted.T @ hot) / rows - np.outer(share, share))

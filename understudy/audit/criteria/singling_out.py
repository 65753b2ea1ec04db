"""Singling out: predicates true of exactly one synthetic row that are true of exactly one real person.

After Giomi et al., PoPETs 2023 (arXiv 2211.10459), and Cohen and Nissim, PNAS 117 (2020). A predicate fixes 1 to 4
attributes to a row's values: categories to themselves, numbers exactly or to one of 50 or 10 ranges of rank. Rows
that S holds twice count once.

**What is counted.** Anonymeter counts queries. Queries share their tables and, more so the more of them there are,
their targets; the surplus of hits on members over non-members need not spread as a binomial's then. Here people are
counted: a person is singled out if any predicate that is unique in S selects them and nobody else *of the whole
pool*. That is a function of S and the pool without its coin, so that, nothing leaking, which of those singled out are
members is a hypergeometric draw, Fisher's test exact and the score interval calibrated. (Unique among members, or among
non-members, only, people's hits would depend on the coin through each other.)

**Which predicates.** All that are unique in S, over sets of attributes chosen on R alone: with half of R in the place
of S, those that select most of that half's own people uniquely, and fewest of the other half's. Sets of random
attributes (the row "queries", reported for comparison with Anonymeter's figures, not gated) dilute: a leak of every
member's row would pass as a small risk if members are a fifth of those who trained, and predicates on them thus a
fifth of all.
"""

from __future__ import annotations

import dataclasses
from itertools import combinations
from math import comb

import numpy as np

from understudy.audit.criteria.columns import Targets, one_row_each
from understudy.audit.criteria.risk import Attempt
from understudy.audit.residual import Residual
from understudy.audit.tables import Block
from understudy.audit.tier0 import hash_rows

SIZES = (1, 2, 3, 4)
BINS: tuple[int | None, ...] = (None, 50, 10)
CANDIDATES = 40
"""Sets of attributes that are tried on R, of each size and fineness."""
KEPT = 3
"""Of these, how many are used."""
MAX_CHANCE = 0.03
"""Share of R's other half that a kept set may single out: chance, which only blurs."""
MAX_TUNING_ROWS = 10_000
SETS = 40
"""Sets of attributes, of each size, that the `queries` are spread over."""

View = tuple[tuple[int, ...], int | None]
"""A set of attributes, and the ranges their numbers are cut into."""


def attempts(targets: Targets, rng: np.random.Generator) -> list[Attempt]:
    """One attempt for each number of attributes."""
    synthetic = _distinct(targets.tables.synthetic)
    shuffled = _shuffled(targets.tables.reference, len(synthetic), rng)
    reference = targets.tables.reference
    reference = reference.take(one_row_each(reference.units, rng)[:MAX_TUNING_ROWS])
    columns = targets.within_budget(rng)
    found = []
    for size in SIZES:
        if size > len(columns):
            break
        views = _choose(targets, reference, _sets(columns, size, CANDIDATES, rng), rng)
        hit, by_chance = (_singled_out(targets, views, table) for table in (synthetic, shuffled))
        used = sorted({j for chosen, _ in views for j in chosen})
        noun = "1 attribute" if size == 1 else f"{size} attributes"
        found.append(
            Attempt(
                criterion="singling_out",
                detail=noun,
                columns=targets.names(used),
                idea=f"A description by {noun} that fits one synthetic row fits nobody else, but does fit,",
                asked=np.ones(len(hit), dtype=bool),
                hit=hit,
                baseline=float(by_chance.mean()),
            )
        )
    return found


def queries(targets: Targets, n_queries: int, rng: np.random.Generator) -> tuple[Attempt, Residual]:
    """`n_queries` predicates on random attributes, unique in S, counted on as many members as non-members."""
    synthetic = _distinct(targets.tables.synthetic)
    shuffled = _shuffled(targets.tables.reference, len(synthetic), rng)
    member = targets.tables.member
    sides = [rng.permutation(np.flatnonzero(side))[: min(member.sum(), (~member).sum())] for side in (member, ~member)]
    columns = targets.within_budget(rng)
    sizes = [size for size in SIZES if size <= len(columns)]
    sets = [s for size in sizes for s in _sets(columns, size, SETS, rng)]
    asked = hits_in = hits_out = asked_blind = hits_blind = 0
    for turn, i in enumerate(rng.permutation(len(sets))):
        bins = BINS[int(rng.integers(len(BINS)))]
        real = targets.cells(targets.pool, sets[i], bins)
        take = -(-(n_queries - asked) // (len(sets) - turn))  # what sets of few unique cells leave, later ones take
        cells = rng.permutation(_once(targets.cells(synthetic, sets[i], bins)))[:take]
        blind = rng.permutation(targets.cells(shuffled, sets[i], bins))[:take]
        alone = [_once(real[side]) for side in sides]
        asked, asked_blind = asked + len(cells), asked_blind + len(blind)
        hits_in += int(np.isin(cells, alone[0]).sum())
        hits_out += int(np.isin(cells, alone[1]).sum())
        hits_blind += int(np.isin(blind, alone[1]).sum())
    attempt = Attempt(
        criterion="singling_out",
        detail="queries",
        columns=targets.names(sorted({j for s in sets for j in s})),
        idea="A description by 1 to 4 random attributes that fits one synthetic row fits exactly one person for",
        asked=np.zeros(len(member), dtype=bool),
        hit=np.zeros(len(member), dtype=bool),
        baseline=hits_blind / max(1, asked_blind),
        gated=False,
    )
    return attempt, Residual(hits_in, asked, hits_out, asked)


def _choose(
    targets: Targets, reference: Block, sets: list[tuple[int, ...]], rng: np.random.Generator
) -> list[View]:
    """The sets that single out best on R, for each fineness; S and A have no part in it."""
    order = rng.permutation(len(reference))
    own = np.zeros(len(reference), dtype=bool)
    own[order[: len(order) // 2]] = True
    chosen: list[View] = []
    for bins in BINS:
        gains = []
        for s in sets:
            cells = targets.cells(reference, s, bins)
            alone = np.isin(cells, _once(cells))
            chance = np.isin(cells[~own], np.intersect1d(_once(cells[own]), _once(cells[~own]))).mean()
            gain = float(alone[own].mean() - chance)
            if chance <= MAX_CHANCE and gain > 0:
                gains.append((gain, s))
        gains.sort(key=lambda g: -g[0])
        chosen += [(s, bins) for _, s in gains[:KEPT]]
    return chosen


def _singled_out(targets: Targets, views: list[View], synthetic: Block) -> np.ndarray:
    """(n_units,) bool: alone in the pool in a cell that one row of `synthetic` is alone in."""
    hit = np.zeros(len(targets.pool), dtype=bool)
    for columns, bins in views:
        real = targets.cells(targets.pool, columns, bins)
        hit |= np.isin(real, np.intersect1d(_once(real), _once(targets.cells(synthetic, columns, bins))))
    return hit


def _once(cells: np.ndarray) -> np.ndarray:
    """The cells that hold exactly one row."""
    values, counts = np.unique(cells, return_counts=True)
    return values[counts == 1]


def _sets(columns: list[int], size: int, most: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Sets of `size` columns: all of them, or `most` at random."""
    if comb(len(columns), size) <= most:
        return list(combinations(columns, size))
    found: dict[tuple[int, ...], None] = {}
    while len(found) < most:
        found[tuple(np.sort(rng.permutation(columns)[:size]).tolist())] = None
    return list(found)


def _distinct(block: Block) -> Block:
    """Each distinct row once."""
    return block.take(np.sort(np.unique(hash_rows(block.keys()), return_index=True)[1]))


def _shuffled(block: Block, n_rows: int, rng: np.random.Generator) -> Block:
    """At most `n_rows` of a block, each column permuted by itself: what people are like, without any person."""
    mixed = block.take(rng.permutation(len(block))[:n_rows])
    numbers, ranks, codes = mixed.numbers.copy(), mixed.geometry.ranks.copy(), mixed.codes.copy()
    for j in range(numbers.shape[1]):
        order = rng.permutation(len(mixed))
        numbers[:, j], ranks[:, j] = numbers[order, j], ranks[order, j]
    for j in range(codes.shape[1]):
        codes[:, j] = codes[rng.permutation(len(mixed)), j]
    geometry = dataclasses.replace(mixed.geometry, ranks=ranks)
    return dataclasses.replace(mixed, numbers=numbers, codes=codes, geometry=geometry)

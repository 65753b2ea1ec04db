"""Linkability: do the two halves of a person's record lead to the same synthetic row?

After Giomi et al., PoPETs 2023 (arXiv 2211.10459). An attacker holds some attributes of a person from one source and
the others from another. They succeed if one of the k synthetic rows nearest to the person by the first half is
among the k nearest by the second: the table has joined what was apart. Distance is Gower's; among equally near
rows those named are drawn at random, independently for the two halves.

Each person is tried on one of `SPLITS` ways to halve the columns, drawn at random, so that no verdict hangs on a lucky
one. A half gets every other column in the order of how many values a column has, so that none holds all
the identifying ones. With named quasi-identifiers there is one more attempt: those against all other columns.

A person is a trial; whether it succeeds is a function of their row, S and draws that know nothing of the coin.
"""

from __future__ import annotations

import numpy as np

from understudy.audit.criteria.columns import Targets
from understudy.audit.criteria.risk import Attempt
from understudy.audit.neighbours import nearest_rows

NEIGHBOURS = (1, 10)
SPLITS = 8

Halves = tuple[list[int], list[int]]


def attempts(targets: Targets, quasi_identifiers: list[int], rng: np.random.Generator) -> list[Attempt]:
    """One attempt for each k, on random halves, and on the `quasi_identifiers` if any; none in a single column."""
    columns = targets.within_budget(rng, quasi_identifiers)
    others = [j for j in columns if j not in quasi_identifiers]
    if len(columns) < 2:
        return []
    found = _try("random halves", targets, [_halve(targets, columns, rng) for _ in range(SPLITS)], rng)
    if quasi_identifiers and others:
        found += _try("quasi-identifiers", targets, [(quasi_identifiers, others)], rng)
    return found


def _try(halving: str, targets: Targets, splits: list[Halves], rng: np.random.Generator) -> list[Attempt]:
    n_units, n_rows = len(targets.pool), len(targets.tables.synthetic)
    most = min(max(NEIGHBOURS), n_rows)
    which = rng.permutation(np.arange(n_units) % len(splits))
    links = np.empty((n_units, 2, most), dtype=np.int64)
    for i, halves in enumerate(splits):
        mine = np.flatnonzero(which == i)
        pool = targets.pool.take(mine)
        for side, half in enumerate(halves):
            order = rng.permutation(n_rows)
            points = targets.part(targets.tables.synthetic.take(order), half)
            links[mine, side] = order[nearest_rows(targets.part(pool, half), points, most)[1]]
    used = sorted({j for a, b in splits for j in a + b})
    return [
        Attempt(
            criterion="linkability",
            detail=f"{halving}, k = {k}",
            columns=targets.names(used),
            idea=_idea(halving, k),
            asked=np.ones(n_units, dtype=bool),
            hit=(links[:, 0, :k, None] == links[:, 1, None, :k]).any(axis=(1, 2)),
            baseline=_chance(min(k, most), n_rows),
        )
        for k in NEIGHBOURS
    ]


def _idea(halving: str, k: int) -> str:
    named = "the quasi-identifiers and the other columns"
    sources = "two halves of the columns" if halving == "random halves" else named
    if k == 1:
        return f"The synthetic row that {sources} point to is one and the same for"
    return f"Of the {k} synthetic rows that {sources} point to, one is the same for"


def _halve(targets: Targets, columns: list[int], rng: np.random.Generator) -> Halves:
    """Neighbours in the order of the columns' numbers of distinct values go to different halves."""
    reference = targets.tables.reference
    keys = reference.keys()
    order = sorted(rng.permutation(columns).tolist(), key=lambda j: -len(np.unique(keys[:, j])))
    first = []
    for i in range(0, len(order), 2):
        pair = rng.permutation(order[i : i + 2]).tolist()
        first.append(pair[0])
    return first, [j for j in columns if j not in first]


def _chance(k: int, n: int) -> float:
    """The probability that two random sets of `k` of `n` rows share one."""
    apart = np.prod([max(0, n - k - i) / (n - i) for i in range(k)])
    return float(1 - apart)

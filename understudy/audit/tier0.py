"""Tier 0: copies and direct identifiers; seconds, and anyone can check them by hand.

Synthetic rows of a table with few columns or few values coincide with real rows by chance. So
what counts is not that they match, but that they match members more often than non-members.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from understudy.audit import rare, stats
from understudy.audit.policy import Policy
from understudy.audit.tables import AuditTables
from understudy.schema import TableSchema
from understudy.splits import unit_codes

SUBSETS = 6
CHANCE = 0.001
"""How probable a significant surplus of members' identifiers may be by accident: a match is a hard FAIL."""
UNIQUE = 0.95
"""A column subset identifies when this share of R's rows is unique in it, even without any one of its columns."""

Kind = Literal["rows", "subset", "rare"]


class CopyTest(BaseModel):
    """How many units have a row, or a rare value, that occurs in S.

    Attributes:
        kind: `rows`: all modelled columns are compared; `subset`: those that identify; `rare`: single values that
            few real units hold (`rare.shown`).
        columns: the columns compared.
        hits_in, n_in, hits_out, n_out: matched units and units, members and non-members.
        p_value: one-sided Fisher test.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    columns: tuple[str, ...]
    hits_in: int
    n_in: int
    hits_out: int
    n_out: int
    p_value: float

    @property
    def what(self) -> str:
        """What the counts are of, in words."""
        if self.kind == "rare":
            return "The synthetic table shows rare categories or gaps held by"
        columns = "full rows" if self.kind == "rows" else f"rows in {', '.join(self.columns)}"
        return f"The synthetic table holds copies ({columns}) of"

    def exceeds(self, policy: Policy) -> bool:
        """Whether the match, read as an attack that says "member", is beyond the policy's limits."""
        tpr, fpr = self.hits_in / self.n_in, self.hits_out / self.n_out
        return tpr > policy.tpr_ratio * fpr or tpr - fpr > policy.max_advantage


class IdentifierMatch(BaseModel):
    """Values of an id or text column of S that belong to real units.

    `leaked`: members' values occur while those of nobody who never trained do, or significantly
    more often: they were not drawn independently of the members.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    hits_in: int
    n_in: int
    hits_out: int
    n_out: int
    leaked: bool


def copies(tables: AuditTables, policy: Policy, rng: np.random.Generator) -> list[CopyTest]:
    """One test on full rows, one on each of a few column subsets that identify rows of R, one on rare values."""
    names = tuple(c.name for c in tables.columns)
    pool, synthetic, reference = tables.pool.keys(), tables.synthetic.keys(), tables.reference.keys()
    everything = np.arange(len(names))
    tests = []
    for subset in [everything, *_identifying_subsets(reference, rng)]:
        matched = tables.any_of_unit(np.isin(hash_rows(pool[:, subset]), hash_rows(synthetic[:, subset])))
        kind: Kind = "rows" if len(subset) == len(names) else "subset"
        tests.append(_test(kind, tuple(names[j] for j in subset), matched, tables.member))
    labels = names[tables.pool.numbers.shape[1] :]
    tests.append(_test("rare", labels, rare.shown(tables, policy.rare_support), tables.member))
    return tests


def identifiers(tables: Mapping[str, pd.DataFrame], schema: TableSchema) -> list[IdentifierMatch]:
    """Each id or text column that S has, its values matched against the real ones.

    `tables` are members, nonmembers, reference and synthetic. Surrogates may coincide with real values by
    chance (numbers 1 to n, common names); those of non-members and of R say how often.
    """
    found = []
    for column in schema.columns:
        if column.modelled or not all(column.name in t.columns for t in tables.values()):
            continue
        values = set(tables["synthetic"][column.name].dropna().astype(str))
        hits, sizes = [], []
        for name in ("members", "nonmembers", "reference"):
            table = tables[name]
            codes, n_units = unit_codes(table, schema.unit if schema.unit in table.columns else None)
            matched = (table[column.name].astype(str).isin(values) & table[column.name].notna()).to_numpy()
            hits.append(int((np.bincount(codes, weights=matched, minlength=n_units) > 0).sum()))
            sizes.append(n_units)
        outside, n_outside = hits[1] + hits[2], sizes[1] + sizes[2]
        more = stats.fisher_greater(hits[0], sizes[0], outside, n_outside) <= CHANCE
        found.append(
            IdentifierMatch(
                column=column.name, hits_in=hits[0], n_in=sizes[0], hits_out=outside, n_out=n_outside,
                leaked=hits[0] > 0 and (outside == 0 or more),
            )  # fmt: skip
        )
    return found


def _test(kind: Kind, columns: tuple[str, ...], matched: np.ndarray, member: np.ndarray) -> CopyTest:
    counts = {
        "hits_in": int(matched[member].sum()),
        "n_in": int(member.sum()),
        "hits_out": int(matched[~member].sum()),
        "n_out": int((~member).sum()),
    }
    return CopyTest(kind=kind, columns=columns, **counts, p_value=stats.fisher_greater(*counts.values()))


def _identifying_subsets(reference: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Up to `SUBSETS` proper subsets of columns that identify rows of R without any one of their columns.

    Grown in random order. Were one column the key (an exact income), a generator that only draws
    single values from the table would seem to copy rows.
    """
    rows = reference[rng.permutation(len(reference))[:5_000]]
    n_columns = rows.shape[1]

    def identifies(columns: np.ndarray) -> bool:
        _, counts = np.unique(hash_rows(rows[:, columns]), return_counts=True)
        return bool((counts == 1).sum() >= UNIQUE * len(rows))

    found: dict[tuple[int, ...], None] = {}
    for _ in range(SUBSETS):
        order = rng.permutation(n_columns)
        for size in range(2, n_columns):
            subset = order[:size]
            if identifies(subset) and all(identifies(np.delete(subset, i)) for i in range(size)):
                found[tuple(np.sort(subset).tolist())] = None
                break
    return [np.array(s) for s in found]


def hash_rows(keys: np.ndarray) -> np.ndarray:
    """(n,) uint64 of (n, d) int64 rows: Fibonacci multiply and xor-shift; 2**-64 per accidental pair."""
    value = np.zeros(len(keys), dtype=np.uint64)
    for column in keys.T:
        value = (value ^ column.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        value ^= value >> np.uint64(29)
        value *= np.uint64(0xBF58476D1CE4E5B9)
        value ^= value >> np.uint64(32)
    return value

"""Tier 0, rare values: what in S only a few real units could have supplied.

A rare category or pattern of missing values that S shows is a flag, which doesn't decide the gate: it may have
come from rows that the audit doesn't see. That those of members are shown more often than those of
non-members (`shown`) is a test, which does. Support is counted over the audit's real tables (members,
non-members, reference), in units: an undercount when more rows trained. Flags give columns and counts, never
the values.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from understudy.audit.tables import AuditTables, Block
from understudy.schema import TableSchema
from understudy.splits import unit_codes


class Flag(BaseModel):
    """`what` is wrong with `column` (None: with whole rows), and how often."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str | None
    what: str
    count: int


def shown(tables: AuditTables, support: int) -> np.ndarray:
    """(n_units,) bool: the unit holds a category, or a pattern of missing values, that fewer than `support` units of A
    and R hold, and S shows it."""
    pool, reference, synthetic = (_labels(b) for b in (tables.pool, tables.reference, tables.synthetic))
    units = np.concatenate([tables.pool.units, tables.reference.units + tables.n_units])
    found = np.zeros(len(pool), dtype=bool)
    for j in range(pool.shape[1]):
        values = np.concatenate([pool[:, j], reference[:, j]])
        held = pd.DataFrame({"value": values, "unit": units}).drop_duplicates()["value"].value_counts()
        rare = held.index[(held < support) & (held.index >= 0)].to_numpy()
        found |= np.isin(pool[:, j], np.intersect1d(rare, synthetic[:, j]))
    return tables.any_of_unit(found)


def _labels(block: Block) -> np.ndarray:
    """(n_rows, q + 1) codes of the labels, -1 = missing, and a non-negative hash of which values are missing."""
    gone = np.hstack([np.isnan(block.numbers), block.codes < 0])
    place = np.random.default_rng(0).integers(0, 2**62, gone.shape[1])  # the same for every block
    pattern = np.bitwise_xor.reduce(np.where(gone, place, 0), axis=1)
    return np.column_stack([block.codes.astype(np.int64), pattern])


def flags(tables: Mapping[str, pd.DataFrame], schema: TableSchema, support: int) -> list[Flag]:
    """Rare categories, exact extremes of the members, and rare patterns of missing values in S."""
    real = {n: t for n, t in tables.items() if n != "synthetic"}
    synthetic = tables["synthetic"]
    units = _units(real, schema)
    found: list[Flag] = []
    for column in schema.modelled:
        name = column.name
        if column.kind == "categorical":
            joined = pd.concat([t[name].astype(object) for t in real.values()], ignore_index=True)
            rare = _rare(joined, units, synthetic[name], support)
            if rare:
                found.append(Flag(column=name, what=f"categories held by fewer than {support} real units", count=rare))
        elif column.kind in ("numerical", "datetime"):
            for end in ("minimum", "maximum"):
                held = _extreme_support(real, synthetic, name, end, units)
                if 0 < held < support:
                    what = f"the members' exact {end}, held or passed by fewer than {support} real units"
                    found.append(Flag(column=name, what=what, count=held))
    names = [c.name for c in schema.modelled]
    patterns = [_missing(t[names]) for t in real.values()]
    mine = _missing(synthetic[names][synthetic[names].isna().any(axis=1)])
    rare = _rare(pd.concat(patterns, ignore_index=True), units, mine, support)
    if rare:
        what = f"patterns of missing values held by fewer than {support} real units"
        found.append(Flag(column=None, what=what, count=rare))
    return found


def _units(real: Mapping[str, pd.DataFrame], schema: TableSchema) -> np.ndarray:
    """(rows of all real tables,) unit numbers that differ between tables."""
    numbers, start = [], 0
    for table in real.values():
        codes, n_units = unit_codes(table, schema.unit if schema.unit in table.columns else None)
        numbers.append(codes + start)
        start += n_units
    return np.concatenate(numbers)


def _missing(table: pd.DataFrame) -> pd.Series:
    """(n_rows,) which values of each row are missing, as bytes."""
    return pd.Series([row.tobytes() for row in table.isna().to_numpy()], dtype=object)


def _rare(joined: pd.Series, units: np.ndarray, synthetic: pd.Series, support: int) -> int:
    """How many distinct values of `synthetic` fewer than `support` units hold."""
    real = pd.DataFrame({"value": joined.to_numpy(dtype=object), "unit": units}).dropna()
    held = real.groupby("value")["unit"].nunique()
    return sum(int(held.get(v, 0)) < support for v in synthetic.dropna().unique())


def _extreme_support(
    real: Mapping[str, pd.DataFrame], synthetic: pd.DataFrame, name: str, end: str, units: np.ndarray
) -> int:
    """Units at or beyond the members' extreme, or 0 when S doesn't have it as its own."""
    mine, members = synthetic[name].dropna(), real["members"][name].dropna()
    if not len(mine) or not len(members):
        return 0
    extreme = members.max() if end == "maximum" else members.min()
    if extreme != (mine.max() if end == "maximum" else mine.min()):
        return 0
    beyond = [(t[name] >= extreme if end == "maximum" else t[name] <= extreme).fillna(False) for t in real.values()]
    return len(np.unique(units[pd.concat(beyond).to_numpy(dtype=bool)]))

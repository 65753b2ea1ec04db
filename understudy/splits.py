"""The coin-flip split the audit rests on (privacy-audit.md, Set-up).

Units (persons, or rows where no unit is named), never rows, are assigned at random, without
strata and without regard to time, so that members and non-members are exchangeable:

    pool A      a fair, independent coin per unit: members (heads) train, non-members don't
    reference   as many units as A; never trains, never a target
    test        never trains
    rest        trains

    train    = members + rest
    holdout  = test + non-members: what evaluation may use as fresh rows

The trade. A larger pool detects smaller leaks (500 units a side detect a membership AUC of .545,
1,000 .532, 5,000 .514), but every unit of A takes one and a half out of train. So the pool is as
large as `audit_units` a side need, within [`min_pool_share`, `max_pool_share`] of the units and at
most `max_audit_units` a side. With the defaults 70 % of the units of a table of 12,500 units and
more train; of a table of 6,700 and fewer, 49 %, because an audit that can't conclude is worth
less than the rows it saves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from understudy.errors import TableError

if TYPE_CHECKING:
    import pandas as pd

    from understudy.config import Preprocess

MIN_UNITS = 50


@dataclass(frozen=True)
class Sizes:
    """How many privacy units go where; what is left trains besides the members."""

    units: int
    pool: int
    reference: int
    test: int

    @property
    def rest(self) -> int:
        return self.units - self.pool - self.reference - self.test


@dataclass(frozen=True)
class Split:
    """The five tables; `members` is a part of `train`, the others are disjoint from it."""

    train: pd.DataFrame
    members: pd.DataFrame
    nonmembers: pd.DataFrame
    reference: pd.DataFrame
    test: pd.DataFrame


def sizes(units: int, options: Preprocess) -> Sizes:
    """How many of `units` go into the pool, the reference and the test table.

    >>> from understudy.config import Preprocess
    >>> sizes(20_000, Preprocess())
    Sizes(units=20000, pool=3200, reference=3200, test=1200)
    """
    if units < MIN_UNITS:
        raise TableError(f"the table has {units} privacy units; the split needs at least {MIN_UNITS}")
    wanted = max(2 * options.audit_units, options.min_pool_share * units)
    pool = round(min(wanted, options.max_pool_share * units, 2 * options.max_audit_units))
    return Sizes(units=units, pool=pool, reference=pool, test=max(1, round(options.test_share * units)))


def split(table: pd.DataFrame, unit: str | None, options: Preprocess, rng: np.random.Generator) -> Split:
    """Split `table` by the values of its column `unit` (None: by row).

    `rng` tosses the coins: pass `np.random.default_rng()`, which draws from OS entropy, unless
    the table is public. A missing unit value is a unit of its own. Rows keep the table's order.
    Raises TableError for fewer than `MIN_UNITS` units.
    """
    codes, n_units = unit_codes(table, unit)
    size = sizes(n_units, options)
    order = rng.permutation(n_units)
    pool, reference, test, _ = np.split(order, np.cumsum([size.pool, size.reference, size.test]))
    heads = rng.integers(0, 2, len(pool), dtype=np.int8) == 1

    def rows(chosen: np.ndarray) -> np.ndarray:  # (n_rows,) True where the row's unit is chosen
        mark = np.zeros(n_units, dtype=bool)
        mark[chosen] = True
        return mark[codes]

    away = rows(np.concatenate([pool[~heads], reference, test]))
    masks = (~away, rows(pool[heads]), rows(pool[~heads]), rows(reference), rows(test))
    return Split(*(table.loc[mask].reset_index(drop=True) for mask in masks))


def unit_codes(table: pd.DataFrame, unit: str | None) -> tuple[np.ndarray, int]:
    """(n_rows,) the number of each row's unit, and how many units there are."""
    import pandas as pd

    if unit is None:
        return np.arange(len(table)), len(table)
    codes, values = pd.factorize(table[unit])  # -1 where missing
    codes = codes.astype(np.int64)
    missing = codes < 0
    codes[missing] = len(values) + np.arange(missing.sum())
    return codes, len(values) + int(missing.sum())

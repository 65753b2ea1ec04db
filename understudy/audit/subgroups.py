"""An attack's success by subgroup: does the generator expose some people more than others?

For any attack that scores or hits units, of any tier. Groups with fewer than `MINIMUM` units on a side are
counted together as "others"; if these are too few as well they are left out, since their rates would say
little and might say it of single people.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from understudy.audit import stats
from understudy.audit.residual import Residual
from understudy.audit.tables import AuditTables
from understudy.errors import SchemaError
from understudy.schema import unknown_column

MINIMUM = 30
OTHERS = "others"
MISSING = "missing"
QUARTERS = ("lowest quarter", "second quarter", "third quarter", "highest quarter")


class SubgroupRisk(BaseModel):
    """One attack on one group of units.

    Attributes:
        column, group: the group: a value of the column, a quarter of it on R, `missing`, or `others`.
        measure: `auc` of scores, or `rho` of hits, the residual risk.
        n_in, n_out: members and non-members.
        value, low, high: with the two-sided interval: DeLong's, or the score interval of `residual`.
        rate_in, rate_out: of hits, the share of each side; None of scores.
        p_value: one-sided, of "no better than chance" or "members are hit no more often"; not corrected for the
            number of groups.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    group: str
    measure: Literal["auc", "rho"]
    n_in: int
    n_out: int
    value: float
    low: float
    high: float
    rate_in: float | None
    rate_out: float | None
    p_value: float


def by_subgroup(
    scores: np.ndarray, member: np.ndarray, groups: np.ndarray, *, column: str, confidence: float = 0.95
) -> list[SubgroupRisk]:
    """The success within each group, the largest group first.

    Args:
        scores: (n,) of units; bool: whether the attack hits, else higher says "member".
        member: (n,) bool.
        groups: (n,) str, of `groups_of`.
        column: what the groups are of.
        confidence: of the intervals.
    """
    names, which, counts = np.unique(groups.astype(str), return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    chosen = [(str(names[i]), which == i) for i in order]
    large = [(name, mask) for name, mask in chosen if _enough(mask, member)]
    small = [mask for _, mask in chosen if not _enough(mask, member)]
    if small and _enough(rest := np.any(small, axis=0), member):
        large.append((OTHERS, rest))
    return [_measure(column, name, scores[mask], member[mask], confidence) for name, mask in large]


def groups_of(tables: AuditTables, column: str, rows: np.ndarray) -> np.ndarray:
    """(n_units,) str, each unit's group by a modelled `column`, read in one row of each unit.

    `rows` (n_units,) are positions in the pool, of `criteria.columns.one_row_each`. SchemaError for an unknown column.
    """
    known = [c.name for c in tables.columns]
    if column not in known:
        raise SchemaError(unknown_column(column, known, "the subgroups' column"))
    j, n_numbers = known.index(column), tables.pool.numbers.shape[1]
    if j >= n_numbers:
        values = tables.pool.frame[column].iloc[rows]
        return np.where(values.isna(), MISSING, values.astype(object).map(str)).astype(str)
    ranks = tables.pool.geometry.ranks[rows, j]
    quarter = np.array(QUARTERS)[np.clip((ranks * 4).astype(int), 0, 3)]
    return np.where(np.isnan(tables.pool.numbers[rows, j]), MISSING, quarter).astype(str)


def _enough(mask: np.ndarray, member: np.ndarray) -> bool:
    return min(int((mask & member).sum()), int((mask & ~member).sum())) >= MINIMUM


def _measure(column: str, group: str, scores: np.ndarray, member: np.ndarray, confidence: float) -> SubgroupRisk:
    inside, outside = scores[member], scores[~member]
    if scores.dtype == bool:
        counts = Residual(int(inside.sum()), len(inside), int(outside.sum()), len(outside))
        value, (low, high) = counts.value, counts.interval(confidence)
        p_value = stats.fisher_greater(counts.hits_in, counts.n_in, counts.hits_out, counts.n_out)
        rates: tuple[float | None, float | None] = (float(inside.mean()), float(outside.mean()))
    else:
        area = stats.delong(inside, outside)
        value, (low, high), p_value, rates = area.value, area.interval(confidence), area.p_value, (None, None)
    return SubgroupRisk(
        column=column,
        group=group,
        measure="rho" if scores.dtype == bool else "auc",
        n_in=len(inside),
        n_out=len(outside),
        value=value,
        low=low,
        high=high,
        rate_in=rates[0],
        rate_out=rates[1],
        p_value=p_value,
    )

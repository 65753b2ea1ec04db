"""What one attack found in one stratum: an AUC and a true positive rate with their bounds."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from understudy.audit import stats
from understudy.audit.policy import Policy, tpr_level

Stratum = Literal["all", "vulnerable"]
WHO: dict[Stratum, str] = {"all": "all", "vulnerable": "most exposed"}
"""Strata in the words of messages and reports."""


POINTS = (0.001, 0.01, 0.1)
"""False-alarm rates at which every attack is reported; the gate judges at `Risk.level`."""


class Point(BaseModel):
    """Members found at a nominal false-alarm rate `level`: the rate, its 95 % Clopper-Pearson interval, and the
    false-alarm rate that the non-members realised."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: float
    tpr: float
    low: float
    high: float
    fpr: float


class Risk(BaseModel):
    """What one attack found in one stratum.

    Attributes:
        attack: its name in `ATTACKS`.
        stratum: `all` units of the pool, or the `vulnerable` tenth.
        n_in, n_out: members and non-members in the stratum.
        auc, auc_low, auc_high: area under the ROC curve, two-sided 95 % DeLong interval.
        auc_upper, auc_p: one-sided upper bound; p-value of "no better than chance".
        level: the nominal false-alarm rate; None when the stratum is too small for any.
        supported: whether, at that level, a generator without leak would clear the limit (`policy`).
        tpr, tpr_low, tpr_high, tpr_upper: true positive rate there, its Clopper-Pearson bounds.
        fpr: the false-alarm rate that the non-members realised.
        tpr_p: p-value of "members are flagged no more often than non-members".
        points: the members found at the rates of `POINTS` that the stratum is large enough for.
        gated: whether the verdict depends on it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    attack: str
    stratum: Stratum
    n_in: int
    n_out: int
    auc: float
    auc_low: float
    auc_high: float
    auc_upper: float
    auc_p: float
    level: float | None
    supported: bool
    tpr: float
    tpr_low: float
    tpr_high: float
    tpr_upper: float
    fpr: float
    tpr_p: float
    points: tuple[Point, ...] = ()
    gated: bool = True

    @property
    def advantage(self) -> float:
        """2 AUC - 1: by how much the attack beats a coin, in [-1, 1]."""
        return 2 * self.auc - 1


def measure(
    attack: str,
    stratum: Stratum,
    scores: np.ndarray,
    member: np.ndarray,
    policy: Policy,
    rng: np.random.Generator,
    expected: np.ndarray | None = None,
    *,
    inflation: float = 1.0,
    gated: bool = True,
) -> Risk:
    """The risk that (n,) `scores` show for the (n,) bool `member`; 2 units a side at least.

    With (n,) `expected` ranks (`adjust`) the AUC is adjusted for chance imbalance. `inflation` multiplies its
    standard error, for scores that learned from coins (`stack`).
    """
    inside, outside = scores[member], scores[~member]
    if expected is None:
        area = stats.delong(inside, outside)
    else:
        area = stats.adjusted_auc(inside, outside, expected[member], expected[~member])
    area = area.inflated(inflation)
    low, high = area.interval(policy.confidence)
    level, supported = tpr_level(len(inside), len(outside), policy)
    if level is None:
        rates = stats.Rates(0, len(inside), 0, len(outside))
    else:
        rates = stats.crossfit_rates(inside, outside, level, rng)
    tpr_low, tpr_high = rates.interval(policy.confidence)
    return Risk(
        attack=attack,
        stratum=stratum,
        n_in=len(inside),
        n_out=len(outside),
        auc=area.value,
        auc_low=low,
        auc_high=high,
        auc_upper=area.upper(policy.confidence),
        auc_p=area.p_value,
        level=level,
        supported=supported,
        tpr=rates.tpr,
        tpr_low=tpr_low,
        tpr_high=tpr_high,
        tpr_upper=rates.upper(policy.confidence),
        fpr=rates.fpr,
        tpr_p=rates.p_value,
        points=_points(inside, outside, policy, rng),
        gated=gated,
    )


def _points(
    inside: np.ndarray, outside: np.ndarray, policy: Policy, rng: np.random.Generator
) -> tuple[Point, ...]:
    found = []
    for level in POINTS:
        if stats.threshold_rank(len(outside) // 2, level) < 1:
            continue
        rates = stats.crossfit_rates(inside, outside, level, rng)
        low, high = rates.interval(policy.confidence)
        found.append(Point(level=level, tpr=rates.tpr, low=low, high=high, fpr=rates.fpr))
    return tuple(found)

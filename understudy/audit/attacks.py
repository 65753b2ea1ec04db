"""The ensemble: which membership attacks there are, and what one of them found in one stratum.

An attack is a function of (tables, rng) that gives each unit of the pool a score, higher for
"trained". It never sees the coin. A further attack is one file and one entry of `ATTACKS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from understudy.audit import adjust, attack_classifier, attack_counts, attack_distance, attack_dpi, stats
from understudy.audit.policy import Policy, tpr_level
from understudy.audit.tables import AuditTables

Stratum = Literal["all", "vulnerable"]
WHO: dict[Stratum, str] = {"all": "all", "vulnerable": "most exposed"}
"""Strata in the words of messages and reports."""


@dataclass(frozen=True)
class Attack:
    """`score(tables, rng)` -> (n_units,); `title` and `idea` are for the report's reader."""

    score: Callable[[AuditTables, np.random.Generator], np.ndarray]
    title: str
    idea: str


ATTACKS: dict[str, Attack] = {
    "distance_1": Attack(
        partial(attack_distance.score, k=1),
        "Nearest synthetic row",
        "Is the nearest synthetic row closer than the nearest row of a fresh real table?",
    ),
    "distance_5": Attack(
        partial(attack_distance.score, k=5),
        "Five nearest synthetic rows",
        "The same with the five nearest rows, which finds a crowd rather than a copy.",
    ),
    "dpi": Attack(
        attack_dpi.score,
        "Synthetic neighbours",
        "How many of the 20 nearest rows, synthetic and fresh real ones together, are synthetic?",
    ),
    "classifier": Attack(
        attack_classifier.score,
        "Classifier",
        "Does a model that learned to tell synthetic from fresh real rows take this row for synthetic?",
    ),
    "counts": Attack(
        attack_counts.score,
        "Cell counts",
        "Are combinations of up to three of this row's values more frequent in the synthetic table?",
    ),
}


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
) -> Risk:
    """The risk that (n,) `scores` show for the (n,) bool `member`; 2 units a side at least.

    With (n,) `expected` ranks (`adjust`) the AUC is adjusted for chance imbalance.
    """
    inside, outside = scores[member], scores[~member]
    if expected is None:
        area = stats.delong(inside, outside)
    else:
        area = stats.adjusted_auc(inside, outside, expected[member], expected[~member])
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
    )


def run_attacks(
    tables: AuditTables, vulnerable: np.ndarray, policy: Policy, rng: np.random.Generator, *, adjusted: bool = False
) -> tuple[list[Risk], dict[str, np.ndarray]]:
    """Every attack on every stratum that has members and non-members; and the (n_units,) scores.

    `adjusted` narrows the AUCs' intervals at the cost of a few seconds.
    """
    scores = {name: attack.score(tables, rng) for name, attack in ATTACKS.items()}
    expected: dict[str, np.ndarray] = {}
    if adjusted:
        features = adjust.covariates(tables)
        expected = {name: adjust.expected(s, features, rng) for name, s in scores.items()}
    strata: dict[Stratum, np.ndarray] = {"all": np.ones(tables.n_units, dtype=bool), "vulnerable": vulnerable}
    risks = []
    for stratum, chosen in strata.items():
        member = tables.member[chosen]
        if min(member.sum(), (~member).sum()) < 2:
            continue
        for name, score in scores.items():
            ranks = expected[name][chosen] if adjusted else None
            risks.append(measure(name, stratum, score[chosen], member, policy, rng, ranks))
    return risks, scores

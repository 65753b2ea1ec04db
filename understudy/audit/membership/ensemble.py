"""The ensemble: which membership attacks there are, and what one of them found in one stratum.

An attack is a function of (tables, rng) that gives each unit of the pool a score, higher for
"trained". It never sees the coin. A further attack is one file and one entry of `ATTACKS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from understudy.audit import adjust
from understudy.audit.membership import classifier, counts, distance, dpi
from understudy.audit.membership.risk import Risk, Stratum, measure
from understudy.audit.policy import Policy
from understudy.audit.tables import AuditTables


@dataclass(frozen=True)
class Attack:
    """`score(tables, rng)` -> (n_units,); `title` and `idea` are for the report's reader."""

    score: Callable[[AuditTables, np.random.Generator], np.ndarray]
    title: str
    idea: str


ATTACKS: dict[str, Attack] = {
    "distance_1": Attack(
        partial(distance.score, k=1),
        "Nearest synthetic row",
        "Is the nearest synthetic row closer than the nearest row of a fresh real table?",
    ),
    "distance_5": Attack(
        partial(distance.score, k=5),
        "Five nearest synthetic rows",
        "The same with the five nearest rows, which finds a crowd rather than a copy.",
    ),
    "dpi": Attack(
        dpi.score,
        "Synthetic neighbours",
        "How many of the 20 nearest rows, synthetic and fresh real ones together, are synthetic?",
    ),
    "classifier": Attack(
        classifier.score,
        "Classifier",
        "Does a model that learned to tell synthetic from fresh real rows take this row for synthetic?",
    ),
    "counts": Attack(
        counts.score,
        "Cell counts",
        "Are combinations of up to three of this row's values more frequent in the synthetic table?",
    ),
}


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

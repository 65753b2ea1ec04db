"""The ensemble: which membership attacks there are, and running them.

An attack is a function of (tables, rng) that gives each unit of the pool a score, higher for
"trained". But for the stack it never sees the coin. A further attack is one file and one entry of `ATTACKS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from understudy.audit import adjust
from understudy.audit.membership import (
    classifier,
    counts,
    distance,
    domias,
    dpi,
    lra,
    partial_copies,
    stack,
    surrogate,
    white_box,
)
from understudy.audit.membership.risk import Risk, Stratum, measure
from understudy.audit.policy import Policy
from understudy.audit.tables import AuditTables


@dataclass(frozen=True)
class Attack:
    """One attack.

    Attributes:
        score: (tables, rng) -> (n_units,), or None when the generator doesn't offer what it needs. The one with
            `only_vulnerable` takes the stratum too.
        title, idea: for the report's reader.
        needs: `tables`: the synthetic and the reference table; `refit`: also a generator of the same kind;
            `model`: the released generator itself (white-box); `scores`: those of the others.
        only_vulnerable: it is run on that stratum alone.
    """

    score: Callable[..., np.ndarray | None]
    title: str
    idea: str
    needs: Literal["tables", "refit", "model", "scores"] = "tables"
    only_vulnerable: bool = False


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
    "distance_value": Attack(
        distance.score_by_value,
        "Nearest row, by value",
        "The same with numbers compared by value instead of rank, which spreads the outliers.",
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
    "domias": Attack(
        domias.score,
        "Density ratio",
        "Is this row likelier under a network of dependences learned from the synthetic table?",
    ),
    "counts": Attack(
        counts.score,
        "Cell counts",
        "Are combinations of up to three of this row's values more frequent in the synthetic table?",
    ),
    "partial_copies": Attack(
        partial_copies.score,
        "Partial copies",
        "Does the synthetic table repeat several of this row's values together, to the digit?",
    ),
    "lra": Attack(
        lra.score,
        "Local likelihood",
        "Would the synthetic rows around this one be likelier if it had trained?",
        only_vulnerable=True,
    ),
    "surrogate": Attack(
        surrogate.score,
        "Surrogate generator",
        "Would the same kind of generator, fitted on the synthetic table, expect this row?",
        needs="refit",
    ),
    "stack": Attack(
        stack.combine, "All together", "What a model that weighs the attacks above finds.", needs="scores"
    ),
    "white_box": Attack(
        white_box.score,
        "Likelihood (white-box)",
        "Does the generator itself expect this row? Needs the generator, not only its rows.",
        needs="model",
    ),
}
STRATA: tuple[Stratum, ...] = ("all", "vulnerable")


def score_all(tables: AuditTables, vulnerable: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """(n_units,) scores of every attack that can be run, by name; NaN where an attack doesn't look.

    Each attack draws from a stream of its own, so that one more leaves the others as they are.
    """
    streams = dict(zip(ATTACKS, rng.spawn(len(ATTACKS)), strict=True))
    there = {"tables": True, "refit": tables.refit is not None, "model": tables.model is not None, "scores": False}
    found: dict[str, np.ndarray] = {}
    for name, attack in ATTACKS.items():
        if not there[attack.needs]:
            continue
        more: tuple[Any, ...] = (vulnerable,) if attack.only_vulnerable else ()
        if attack.only_vulnerable and not vulnerable.any():
            continue
        scores = attack.score(tables, streams[name], *more)
        if scores is not None:
            found[name] = scores
    stacked = [s for name, s in found.items() if ATTACKS[name].needs != "model" and not ATTACKS[name].only_vulnerable]
    if min(tables.member.sum(), (~tables.member).sum()) >= 2 * stack.FOLDS:
        found["stack"] = stack.combine(np.column_stack(stacked), tables.member, streams["stack"])
    return {name: found[name] for name in ATTACKS if name in found}


def run_attacks(
    tables: AuditTables, vulnerable: np.ndarray, policy: Policy, rng: np.random.Generator, *, adjusted: bool = False
) -> tuple[list[Risk], dict[str, np.ndarray]]:
    """Every attack on every stratum that has members and non-members; and the (n_units,) scores.

    `adjusted` narrows the AUCs' intervals at the cost of a few seconds.
    """
    scores = score_all(tables, vulnerable, rng)
    features = adjust.covariates(tables) if adjusted else None
    strata = {"all": np.ones(tables.n_units, dtype=bool), "vulnerable": vulnerable}
    risks = []
    for name, score in scores.items():
        ranks = None
        looked = np.isfinite(score)
        if features is not None:
            ranks = np.zeros(len(score))
            ranks[looked] = adjust.expected(score[looked], features[looked], rng)
        for stratum in STRATA:
            chosen = strata[stratum]
            member = tables.member[chosen]
            if min(member.sum(), (~member).sum()) < 2 or (ATTACKS[name].only_vulnerable and stratum == "all"):
                continue
            risks.append(
                measure(
                    name, stratum, score[chosen], member, policy, rng, None if ranks is None else ranks[chosen],
                    inflation=stack.INFLATION if name == "stack" else 1.0,
                    gated=ATTACKS[name].needs != "model" or policy.white_box,
                )  # fmt: skip
            )
    return risks, scores

"""Tier 2: the three criteria of the Article 29 Working Party's Opinion 05/2014 on anonymisation techniques.

Singling out, linkability and attribute inference are carried out on members and, as the control, on people as
exchangeable who never trained; what counts is the residual risk (`residual`) that the synthetic table adds. Each
person is one trial of an attack, and whether it succeeds is settled before the coin is looked at: by the person's
values, S, R, the whole pool and draws. So nothing leaking, Fisher's test is exact and the bounds hold; each
criterion's file says how.

Simulated, 2026-11-24, eight mixed columns, S of 4 rows a member, a fifth of those who trained members. Without a leak,
at 300 a side (200 tables, 2 secrets): of ten kinds of attempt 0 to 8 % of tests reject at 5 %, 92 to 98 % of one-sided
95 % bounds cover; at 1,000 (60 tables, the vulnerable tenth too): 0 to 7 %, 93 to 100 %, and no table in which a
supported bound exceeded the limit of 9 %. With a leak, at 1,000 and at 5,000 a side: a bootstrap is proven by all
three criteria (rho .4 to .6), swapped halves by singling out (.3 to .4), jittered copies by linkability and inference
(.1 to .5). 5 % copied rows, a twentieth of the members' rows, come out as the 4 to 5 % of members that they are:
significant, but within the limit. So do the copied rows of the 1 % with a rare category (rho .01).

Not covered: an attacker who knows a generator's inside, and attacks on chosen persons by refitting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from understudy.audit.criteria import attribute_inference, linkability, singling_out
from understudy.audit.criteria.columns import Targets
from understudy.audit.criteria.risk import Attempt, Criterion, CriterionRisk, judge, measure
from understudy.audit.policy import Policy
from understudy.audit.tables import AuditTables

__all__ = ["Attempt", "Criterion", "CriterionRisk", "Findings", "findings", "run_criteria"]

Progress = Callable[[float, str], None]


@dataclass(frozen=True, eq=False)
class Findings:
    """What tier 2 found, and the attempts on each unit that it found it by, for success by subgroup."""

    risks: tuple[CriterionRisk, ...]
    attempts: tuple[Attempt, ...]


def run_criteria(
    tables: AuditTables,
    policy: Policy,
    rng: np.random.Generator,
    *,
    secrets: Iterable[str] | None = None,
    quasi_identifiers: Iterable[str] | None = None,
    vulnerable: np.ndarray | None = None,
    progress: Progress | None = None,
) -> list[CriterionRisk]:
    """The risks of all three criteria.

    Args:
        tables, policy: of the audit.
        rng: draws a row of each person, attributes, halves, models' seeds.
        secrets, quasi_identifiers: columns; None: those of the policy.
        vulnerable: (n_units,) bool, the most exposed units (`AuditTables.vulnerable`), on whom the attempts that tried
            everyone are judged once more: what is leaked of a few outliers is lost among all. None: they aren't.
        progress: told the share done and what is going on.

    Raises:
        SchemaError: a secret or a quasi-identifier isn't a modelled column; the nearest name is in the message.
    """
    named = {"secrets": secrets, "quasi_identifiers": quasi_identifiers}
    asked = policy.model_copy(update={k: tuple(v) for k, v in named.items() if v is not None})
    return list(findings(tables, asked, rng, vulnerable=vulnerable, progress=progress).risks)


def findings(
    tables: AuditTables,
    policy: Policy,
    rng: np.random.Generator,
    *,
    vulnerable: np.ndarray | None = None,
    progress: Progress | None = None,
) -> Findings:
    """`run_criteria` by the policy's secrets and quasi-identifiers, with the attempts behind the risks."""
    tell = progress or (lambda share, message: None)
    targets = Targets.draw(tables, rng)
    known = targets.numbered(policy.quasi_identifiers, "the quasi-identifier")
    secrets = targets.numbered(policy.secrets, "the secret")
    if not secrets:
        secrets = np.sort(rng.permutation(targets.n_columns)[: policy.max_secrets]).tolist()
    tell(0.0, "singling out")
    singled = singling_out.attempts(targets, rng)
    queries, counts = singling_out.queries(targets, policy.queries, rng)
    tell(0.1, "linkability")
    linked = linkability.attempts(targets, known, rng)
    tell(0.3, "attribute inference")
    inferred = attribute_inference.attempts(
        targets, secrets, known, rng, lambda share, message: tell(0.3 + 0.7 * share, message)
    )
    risks = judge(singled, tables.member, policy)
    if counts.n_in:
        risks.append(measure(queries, counts, policy, policy.clearance, "queries"))
    # the attempt on everyone is a family of its own: it must not pay for many secrets
    families = [linked, inferred[:1], inferred[1:]]
    if vulnerable is not None:
        families += [[a.among(vulnerable) for a in family] for family in (singled, linked, inferred[:1])]
    for family in families:
        risks += judge(family, tables.member, policy)
    tell(1.0, "three criteria")
    return Findings(tuple(risks), (*singled, *linked, *inferred))

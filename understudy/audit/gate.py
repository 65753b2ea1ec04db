"""The gate: PASS, FAIL or INCONCLUSIVE, and why in sentences.

FAIL          a leak is proven and beyond the policy: a test that is significant after Holm's correction over all
              attacks, strata and copy tests, whose estimate exceeds its limit; or real direct identifiers.
              A leak that is proven but within the limits is no reason to fail.
PASS          controls pass, tier 0 is clean, and every upper bound clears its limit (`policy`).
INCONCLUSIVE  neither; also when the exchangeability or the negative control fails, since then the
              attacks don't measure leakage, and below `minimum_units` a side, where the bounds' large-sample
              theory and their power are poor. A proven leak fails there too, at the stricter
              `alpha_small`: more units can only confirm what 100 copied ones show.

Calibration by `benchmarks.audit_calibration` (2026-11-24; nine mixed columns, reference twice a side, four synthetic
rows a member, whole audits with refits and controls), without any leak, 1,000 units a side, 200 audits: 91.5 % PASS,
8 % INCONCLUSIVE, one FAIL. One-sided 95 % bounds cover in 94.3 % (AUC) and 95.5 % (residual risk).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from understudy.audit import stats
from understudy.audit import targeted as single
from understudy.audit.controls import Control
from understudy.audit.criteria.risk import CriterionRisk
from understudy.audit.membership.ensemble import ATTACKS
from understudy.audit.membership.risk import WHO, Risk
from understudy.audit.policy import Policy, auc_required
from understudy.audit.targeted import TargetedResult
from understudy.audit.tier0 import CopyTest, IdentifierMatch

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]


@dataclass(frozen=True)
class Decision:
    """The verdict and its reasons, one sentence each; none of them for a PASS."""

    verdict: Verdict
    reasons: tuple[str, ...]


def decide(
    *,
    n_in: int,
    n_out: int,
    risks: list[Risk],
    matches: list[CopyTest],
    identifiers: list[IdentifierMatch],
    controls: list[Control],
    policy: Policy,
    criteria: Sequence[CriterionRisk] = (),
    targeted: TargetedResult | None = None,
) -> Decision:
    """The verdict on what an audit of `n_in` members and `n_out` non-members found."""
    leaked = [
        f"Column {i.column!r} holds real identifiers: {i.hits_in} of {i.n_in:,} members have theirs in the synthetic"
        f" table, against {i.hits_out} of {i.n_out:,} people who never trained."
        for i in identifiers
        if i.leaked
    ]
    if leaked:
        return Decision("FAIL", tuple(leaked))
    state = {c.name: c for c in controls}
    invalid = [state[n] for n in ("exchangeable", "negative") if n in state and not state[n].passed]
    if invalid:
        return Decision("INCONCLUSIVE", tuple(f"The {c.name} control failed: {c.detail}." for c in invalid))
    alpha = policy.alpha if min(n_in, n_out) >= policy.minimum_units else policy.alpha_small
    proven = proven_leaks(risks, matches, policy, alpha, criteria)
    if targeted is not None:
        proven += single.proven_leaks(targeted, policy, alpha)
    if proven:
        return Decision("FAIL", tuple(proven))
    open_points = [f"The {c.name} control failed: {c.detail}." for c in controls if not c.passed]
    if targeted is not None:
        open_points += single.not_cleared(targeted, policy, alpha)
    if min(n_in, n_out) < policy.minimum_units:
        open_points.append(
            f"There are {n_in:,} members and {n_out:,} non-members; an audit needs {policy.minimum_units} a side"
            " to conclude that nothing leaks."
        )
    else:
        open_points += [point for r in risks if r.gated for point in not_cleared(r, policy)]
        open_points += [
            f"{c.name}: the table may add {c.rho_upper:.1%} to what can be done to people who never trained, allowed"
            f" {policy.max_residual_risk:.0%}."
            for c in criteria
            if not c.cleared(policy)
        ]
        if not any(r.stratum == "vulnerable" for r in risks):
            open_points.append("The most exposed tenth has too few units to be audited.")
    return Decision("INCONCLUSIVE" if open_points else "PASS", tuple(dict.fromkeys(open_points)))


def proven_leaks(
    risks: list[Risk], matches: list[CopyTest], policy: Policy, alpha: float, criteria: Sequence[CriterionRisk] = ()
) -> list[str]:
    """Sentences on the Holm-significant tests whose estimates exceed the policy, the surest first."""
    tests: list[tuple[float, bool, str]] = []
    for r in (r for r in risks if r.gated):
        where = f"{ATTACKS[r.attack].title} ({WHO[r.stratum]})"
        tests.append(
            (r.auc_p, r.advantage > policy.max_advantage, f"{where}: AUC {r.auc:.3f}, allowed {policy.max_auc:.3f}")
        )
        if r.level is not None:
            # a realised false-alarm rate above the nominal one also raises the TPR: that is no leak
            limit = policy.tpr_ratio * max(r.level, r.fpr)
            text = f"{where}: finds {r.tpr:.1%} of members at {r.fpr:.1%} false alarms, allowed {limit:.1%}"
            tests.append((r.tpr_p, r.tpr > limit, text))
    for m in matches:
        text = f"{m.what}: {m.hits_in:,} of {m.n_in:,} members, against {m.hits_out:,} of {m.n_out:,} non-members"
        tests.append((m.p_value, m.exceeds(policy), text))
    for c in (c for c in criteria if c.gated):
        text = f"{c.name}: {c.rate_in:.1%} of members against {c.rate_out:.1%} of those who never trained"
        tests.append((c.p_value, c.proven(policy), f"{text}, a residual risk of {c.rho:.1%}"))
    adjusted = stats.holm([p for p, _, _ in tests])
    proven = [(p, text) for (_, beyond, text), p in zip(tests, adjusted, strict=True) if p <= alpha and beyond]
    said = ((f"= {p:.1g}" if p >= 1e-12 else "< 1e-12", text) for p, text in sorted(proven, key=lambda leak: leak[0]))
    return [f"{text} (p {p} after correction)." for p, text in said]


def not_cleared(risk: Risk, policy: Policy) -> list[str]:
    """Sentences on the upper bounds of one risk that exceed their limits, or can't be judged."""
    where = f"{ATTACKS[risk.attack].title} ({WHO[risk.stratum]})"
    points = []
    if auc_required(risk.stratum, risk.n_in, risk.n_out, policy) and risk.auc_upper > policy.max_auc:
        points.append(
            f"{where}: AUC {risk.auc:.3f} may be as high as {risk.auc_upper:.3f}, allowed {policy.max_auc:.3f}."
        )
    if not risk.supported or risk.level is None:
        points.append(
            f"There are {risk.n_in} members and {risk.n_out} non-members ({WHO[risk.stratum]}): too few to bound the"
            " share of members that an attack finds, at any of the policy's false-alarm rates."
        )
    elif risk.tpr_upper > policy.tpr_ratio * risk.level:
        points.append(
            f"{where}: finds {risk.tpr:.1%} of members at {risk.level:.0%} false alarms and may find"
            f" {risk.tpr_upper:.1%}, allowed {policy.tpr_ratio * risk.level:.0%}."
        )
    return points

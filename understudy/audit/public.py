"""What may be published of an audit: that it was done, how, what it could have detected, and its verdict.

Nothing in it is computed per record of the real table: no estimate, no count of matches, no curve, no
subgroup. Sizes are rounded to two digits. Of each attack it says whether its bound was within the
limit, which the verdict says anyway.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from understudy.audit.criteria.risk import TITLES, Criterion
from understudy.audit.gate import Verdict, not_cleared
from understudy.audit.membership.ensemble import ATTACKS
from understudy.audit.record import AuditReport

FORMAT = 1
Outcome = Literal["within the limit", "not shown to be within the limit", "beyond the limit"]
ASKED: dict[str, str] = {
    "singling_out": "Can one person be picked out by what the synthetic table says?",
    "linkability": "Can two records about the same person be joined through the synthetic table?",
    "attribute_inference": "Can something that isn't known about a person be guessed better with the synthetic table?",
    "membership": "Can it be told who was in the table that the generator learnt from?",
    "copies": "Are people's rows, or values that few people have, repeated?",
}


class Part(BaseModel):
    """One question of the audit and its answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    question: str
    how: str
    limit: str
    outcome: Outcome


class Statement(BaseModel):
    """The public version of an audit.

    Attributes:
        format: of this JSON.
        verdict: of the gate.
        unit: the privacy unit: `row`, or `person` for a column that names one.
        about_units: members and non-members together, to two digits.
        controls: what was controlled, and whether it came out as it must.
        could_detect: the smallest leak that one attack would have found in four audits of five.
        parts: the questions and answers.
        notes: what the table was altered to, and which limits were not the defaults.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    verdict: Verdict
    unit: Literal["row", "person"]
    about_units: int
    controls: dict[str, bool]
    could_detect: str
    parts: tuple[Part, ...]
    notes: tuple[str, ...]

    def to_json(self) -> str:
        return self.model_dump_json(indent=2) + "\n"

    @classmethod
    def of(cls, report: AuditReport) -> Statement:
        """The statement about an audit."""
        changed = report.policy.model_dump(exclude_defaults=True)
        named = {"secrets", "quasi_identifiers", "subgroups"}
        unusual = {name: value for name, value in changed.items() if name not in named}
        altered = (f"The synthetic table is {report.altered}.",) if report.altered else ()
        return cls(
            verdict=report.verdict,
            unit="row" if report.unit == "row" else "person",
            about_units=_rounded(report.n_in + report.n_out),
            controls={c.name: c.passed for c in report.controls},
            could_detect=_could_detect(report),
            parts=(_copies(report), _membership(report), *(_criterion(report, name) for name in TITLES)),
            notes=altered + tuple(f"{name} is {value}, not the default" for name, value in unusual.items()),
        )


def _rounded(n: int) -> int:
    """To two digits.

    >>> _rounded(10_421), _rounded(87)
    (10000, 87)
    """
    return int(float(f"{n:.1e}"))


def _could_detect(report: AuditReport) -> str:
    whole = next((d for d in report.detectable if d.stratum == "all"), None)
    if whole is None:
        return "Too few people to say."
    return f"an attack that ranks a random member above a random non-member with probability {whole.auc:.2f}"


def _copies(report: AuditReport) -> Part:
    policy = report.policy
    beyond = report.verdict == "FAIL" and any(c.exceeds(policy) and c.p_value <= policy.alpha for c in report.copies)
    leaked = any(i.leaked for i in report.identifiers)
    return Part(
        name="Copies and direct identifiers",
        question=ASKED["copies"],
        how="Rows, identifying parts of rows and rare values of members are counted against those of non-members.",
        limit=f"no more than {policy.tpr_ratio:g} times as often as for people who never trained",
        outcome="beyond the limit" if beyond or leaked else "within the limit",
    )


def _membership(report: AuditReport) -> Part:
    gated = [r for r in report.risks if r.gated]
    proven = report.verdict == "FAIL" and any(
        r.auc > report.policy.max_auc and r.auc_p <= report.policy.alpha for r in gated
    )
    open_points = any(not_cleared(r, report.policy) for r in gated)
    titles = ", ".join(ATTACKS[name].title.lower() for name in dict.fromkeys(r.attack for r in gated))
    return Part(
        name="Membership inference",
        question=ASKED["membership"],
        how=f"Attacks, on everyone and on the tenth most exposed: {titles}.",
        limit=f"AUC {report.policy.max_auc:g}, and {report.policy.tpr_ratio:g} times as many members as false alarms",
        outcome=_outcome(proven, open_points or not gated),
    )


def _criterion(report: AuditReport, name: Criterion) -> Part:
    tried = [c for c in report.criteria if c.criterion == name and c.gated]
    proven = report.verdict == "FAIL" and any(
        c.proven(report.policy) and c.p_value <= report.policy.alpha for c in tried
    )
    judged = any(c.supported for c in tried)
    return Part(
        name=TITLES[name],
        question=ASKED[name],
        how="Tried on members and, as the control, on as exchangeable people who never trained.",
        limit=f"{report.policy.max_residual_risk:.0%} more than what can be done to people who never trained",
        outcome=_outcome(proven, not judged or not all(c.cleared(report.policy) for c in tried)),
    )


def _outcome(beyond: bool, open_points: bool) -> Outcome:
    if beyond:
        return "beyond the limit"
    return "not shown to be within the limit" if open_points else "within the limit"

"""What an audit found, as a value: stable JSON and flat metrics. No score of a single unit is in it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from understudy.audit.controls import Control
from understudy.audit.criteria.risk import CriterionRisk
from understudy.audit.gate import Verdict
from understudy.audit.membership.risk import WHO, Risk
from understudy.audit.policy import Policy
from understudy.audit.rare import Flag
from understudy.audit.subgroups import SubgroupRisk
from understudy.audit.targeted import TargetedResult
from understudy.audit.tier0 import CopyTest, IdentifierMatch
from understudy.errors import ArtifactError
from understudy.schema import first_problem

FORMAT = 2


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Detectable(Record):
    """The smallest leak that one test finds with 80 % power: an AUC, and a TPR at the FPR `level`."""

    stratum: Literal["all", "vulnerable"]
    n_in: int
    n_out: int
    auc: float
    level: float | None
    tpr: float | None


class Curves(Record):
    """ROC of each attack on all units: `tpr[attack][i]` at `fpr[i]`."""

    fpr: tuple[float, ...]
    tpr: dict[str, tuple[float, ...]]


class AuditReport(Record):
    """One audit.

    Attributes:
        format: of this JSON.
        verdict, reasons: the gate's decision (`gate`).
        unit: the privacy unit: a column's name, or `row`.
        n_in, n_out: members and non-members, in units.
        rows: rows read of each table: members, nonmembers, reference, synthetic.
        notes: what was sampled down, in sentences.
        policy, risks, criteria, copies, identifiers, flags, controls: see their classes.
        targeted: attacks on single people, where they were asked for.
        subgroups: the success of the attacks on groups of units, by the name of the attack.
        dcr_share: `closest.dcr_share`; for information.
        altered: what S was altered to on purpose (`balance`); "" where it wasn't.
        seconds: what the audit took.
    """

    format: Literal[2] = 2
    verdict: Verdict
    reasons: tuple[str, ...]
    unit: str
    n_in: int
    n_out: int
    rows: dict[str, int]
    notes: tuple[str, ...]
    policy: Policy
    risks: tuple[Risk, ...]
    criteria: tuple[CriterionRisk, ...]
    targeted: TargetedResult | None
    subgroups: dict[str, tuple[SubgroupRisk, ...]]
    copies: tuple[CopyTest, ...]
    identifiers: tuple[IdentifierMatch, ...]
    flags: tuple[Flag, ...]
    controls: tuple[Control, ...]
    detectable: tuple[Detectable, ...]
    curves: Curves
    dcr_share: float
    altered: str = ""
    seconds: float

    @property
    def could_detect(self) -> str:
        """What one attack would have found in four audits of five, in a sentence."""
        found = []
        for d in self.detectable:
            rate = "" if d.tpr is None else f" or {d.tpr:.1%} of members at {d.level:.0%} false alarms"
            found.append(f"AUC {d.auc:.3f}{rate} ({WHO[d.stratum]})")
        return f"It would have found, in four audits of five: {'; '.join(found)}." if found else ""

    def to_json(self) -> str:
        return self.model_dump_json(indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str = "audit.json") -> AuditReport:
        """Raises ArtifactError naming `source` and the first thing that is wrong."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as e:
            problem = f"not an audit of format {FORMAT} ({first_problem(e)})"
            raise ArtifactError(f"{source}: {problem}; audit again") from None

    def metrics(self) -> dict[str, float]:
        """Flat names and numbers for tracking; `mia_*` are maxima over the gated attacks."""
        whole = self.copies[0]
        values = {
            "audit_members": float(self.n_in),
            "audit_nonmembers": float(self.n_out),
            "copies_in": whole.hits_in / whole.n_in,
            "copies_out": whole.hits_out / whole.n_out,
            "identifiers_leaked": float(sum(i.leaked for i in self.identifiers)),
            "dcr_share": self.dcr_share,
            "flags": float(len(self.flags)),
            "controls_failed": float(sum(not c.passed for c in self.controls)),
        }
        for stratum, suffix in (("all", ""), ("vulnerable", "_vulnerable")):
            risks = [r for r in self.risks if r.stratum == stratum and r.gated]
            if risks:
                values[f"mia_auc{suffix}"] = max(r.auc for r in risks)
                values[f"mia_auc_upper{suffix}"] = max(r.auc_upper for r in risks)
                values[f"mia_tpr{suffix}"] = max(r.tpr for r in risks)
                values[f"mia_tpr_upper{suffix}"] = max(r.tpr_upper for r in risks)
                values[f"mia_fpr_level{suffix}"] = risks[0].level or 0.0
            for name in ("singling_out", "linkability", "attribute_inference"):
                tried = [c for c in self.criteria if c.criterion == name and c.stratum == stratum and c.gated]
                if tried:
                    values[f"{name}{suffix}"] = max(c.rho for c in tried)
                    values[f"{name}_upper{suffix}"] = max(c.rho_upper for c in tried)
            for r in (r for r in self.risks if r.stratum == stratum):
                values[f"auc_{r.attack}{suffix}"] = r.auc
                values[f"tpr_{r.attack}{suffix}"] = r.tpr
        return values | (self.targeted.metrics() if self.targeted is not None else {})

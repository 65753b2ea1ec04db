"""What one attack on one of the three criteria of WP29 (Opinion 05/2014) found."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from understudy.audit import residual, stats
from understudy.audit.membership.risk import WHO, Stratum
from understudy.audit.policy import Policy

Criterion = Literal["singling_out", "linkability", "attribute_inference"]
PEOPLE = "members"
TITLES: dict[Criterion, str] = {
    "singling_out": "Singling out",
    "linkability": "Linkability",
    "attribute_inference": "Attribute inference",
}


class Precision(BaseModel):
    """How many of an attacker's surest guesses about members are right, at one recall (arXiv 2507.01710).

    Attributes:
        recall: the share of the members that are guessed at all, the surest first.
        guesses: how many that are.
        synthetic, reference: the share of right guesses of the model trained on S, and of the same trained on R.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    recall: float
    guesses: int
    synthetic: float
    reference: float


class CriterionRisk(BaseModel):
    """One attack's success on members against its success on people who never trained.

    Attributes:
        criterion, detail: which attack; `detail` is unique within its criterion.
        stratum: `all` units of the pool, or the `vulnerable` tenth.
        columns: the columns involved.
        gated: whether the limit on rho applies; the others are for the reader.
        n_in, hits_in, n_out, hits_out: trials and successes, in units; of `detail` "queries": in queries.
        rate_in, rate_in_low, rate_in_high; rate_out, ...: with their two-sided Clopper-Pearson intervals.
        baseline: the success rate of a guess that uses no synthetic row as a whole.
        rho, rho_low, rho_high, rho_upper: the residual risk, its two-sided interval and one-sided bound (`residual`).
        p_value: one-sided Fisher test of "members are successes no more often than non-members".
        supported: whether a generator without leak would clear the limit at these sizes and this `rate_out`, all gated
            attacks of the criterion together, with `Policy.clearance`. Where not, a bound above the limit says
            little but that there are too few people, or that anyone can be guessed.
        words: what was tried and found, a sentence or two.
        precision: of attribute inference; empty otherwise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    criterion: Criterion
    detail: str
    stratum: Stratum
    columns: tuple[str, ...]
    gated: bool
    n_in: int
    hits_in: int
    n_out: int
    hits_out: int
    rate_in: float
    rate_in_low: float
    rate_in_high: float
    rate_out: float
    rate_out_low: float
    rate_out_high: float
    baseline: float
    rho: float
    rho_low: float
    rho_high: float
    rho_upper: float
    p_value: float
    supported: bool
    words: str
    precision: tuple[Precision, ...] = ()

    @property
    def name(self) -> str:
        return f"{TITLES[self.criterion]} ({self.detail}, {WHO[self.stratum]})"

    def proven(self, policy: Policy) -> bool:
        """Whether the estimate is beyond the limit; with a significant `p_value` a leak is proven."""
        return self.gated and self.rho > policy.max_residual_risk

    def cleared(self, policy: Policy) -> bool:
        """Whether the upper bound is within the limit, or the limit doesn't apply."""
        return not (self.gated and self.supported) or self.rho_upper <= policy.max_residual_risk


@dataclass(frozen=True, eq=False)
class Attempt:
    """One attack as it was carried out, before the coin is looked at.

    Attributes:
        criterion, detail, columns, gated, baseline, precision, stratum: see `CriterionRisk`.
        asked: (n_units,) bool, the units that were attacked: chosen without regard to the coin.
        hit: (n_units,) bool, with which of them it succeeded.
        idea: what the attacker does, in a sentence that ends "succeeds with".
    """

    criterion: Criterion
    detail: str
    columns: tuple[str, ...]
    idea: str
    asked: np.ndarray
    hit: np.ndarray
    baseline: float
    gated: bool = True
    precision: tuple[Precision, ...] = ()
    stratum: Stratum = "all"

    def among(self, units: np.ndarray) -> Attempt:
        """The same on the vulnerable `units` (n_units,) bool only."""
        return dataclasses.replace(self, asked=self.asked & units, stratum="vulnerable")

    def counts(self, member: np.ndarray) -> residual.Residual:
        inside, outside = self.asked & member, self.asked & ~member
        return residual.Residual(
            int(self.hit[inside].sum()), int(inside.sum()), int(self.hit[outside].sum()), int(outside.sum())
        )


def judge(attempts: list[Attempt], member: np.ndarray, policy: Policy) -> list[CriterionRisk]:
    """The risks that the attempts of one criterion show for the (n_units,) bool `member`.

    Those that attacked nobody on one of the sides are left out.
    """
    counted = [(a, a.counts(member)) for a in attempts]
    counted = [(a, c) for a, c in counted if min(c.n_in, c.n_out) > 0]
    n_gated = max(1, sum(a.gated for a, _ in counted))
    clearance = 1 - (1 - policy.clearance) / n_gated
    return [measure(a, c, policy, clearance) for a, c in counted]


def measure(
    attempt: Attempt, counts: residual.Residual, policy: Policy, clearance: float, trials: str = PEOPLE
) -> CriterionRisk:
    """The risk that counts of successes show; `supported` if without a leak it would clear with `clearance`."""
    n_in, n_out = counts.n_in, counts.n_out
    rate_in, rate_out = counts.hits_in / n_in, counts.hits_out / n_out
    in_low, in_high = stats.binomial_interval(counts.hits_in, n_in, policy.confidence)
    out_low, out_high = stats.binomial_interval(counts.hits_out, n_out, policy.confidence)
    low, high = counts.interval(policy.confidence)
    upper = counts.upper(policy.confidence)
    # Laplace's rule, since none of 100 doesn't mean a rate of 0: with the plain rate 2 % of small strata without a leak
    # would be held to a limit that they then miss, so .9 %
    expected = (counts.hits_out + 1) / (n_out + 2)
    clear = residual.null_clearance(n_in, n_out, expected, policy.max_residual_risk, policy.confidence)
    tried, others = f"{n_in:,} {trials}", "those who never trained"
    if attempt.stratum == "vulnerable":
        tried, others = f"the {n_in:,} most exposed {trials}", "the most exposed who never trained"
    if trials != PEOPLE:
        tried, others = f"{tried} on members", f"{trials} on people who never trained"
    words = (
        f"{attempt.idea} {rate_in:.1%} of {tried} against {rate_out:.1%} of {others} ({attempt.baseline:.1%} by a naive"
        f" guess): the table adds {counts.value:.1%}, at most {upper:.1%}."
    )
    if attempt.gated and clear < clearance:
        words += " Too few people, or too easy a guess, to hold this bound to the limit."
    return CriterionRisk(
        criterion=attempt.criterion,
        detail=attempt.detail,
        stratum=attempt.stratum,
        columns=attempt.columns,
        gated=attempt.gated,
        n_in=n_in,
        hits_in=counts.hits_in,
        n_out=n_out,
        hits_out=counts.hits_out,
        rate_in=rate_in,
        rate_in_low=in_low,
        rate_in_high=in_high,
        rate_out=rate_out,
        rate_out_low=out_low,
        rate_out_high=out_high,
        baseline=attempt.baseline,
        rho=counts.value,
        rho_low=low,
        rho_high=high,
        rho_upper=upper,
        p_value=stats.fisher_greater(counts.hits_in, n_in, counts.hits_out, n_out),
        supported=clear >= clearance,
        words=words,
        precision=attempt.precision,
    )

"""What a release may show and still pass: the gate's limits, and which of them a sample can support.

One rule at two places. An attack that says "member" to a share FPR of the people who never trained
may be right about at most `tpr_ratio` x FPR of those who did; and over all thresholds it may beat
a coin by at most `max_advantage` (2 AUC - 1, which for a yes/no attack is TPR - FPR). Passing needs
every attack's one-sided 95 % upper bound to clear. That is an intersection-union test (Berger,
Technometrics 24, 1982), which needs no correction for the number of attacks: an AUC above its limit
passes with at most 5 % probability. The TPR's bound is Clopper-Pearson's at the threshold used. It
holds there (95 % to 97 % of bounds, simulated), but that the threshold is itself an estimate isn't in it: of a TPR that
is exactly 3 x FPR one in four or five clears, of 4 x FPR 3 % to 8 % (100 to 1,000 units a side).

The bounds widen as the sample shrinks, so a limit can be out of reach although nothing leaks. The TPR is
therefore judged at the smallest of `fpr_levels` at which an attack without any leak clears with
probability `clearance` (.99: each attack then costs 1 % of the passes at most, less since attacks
agree); failing that at the largest, provided that it clears there with `least_clearance`; else the
stratum is too small. The
probabilities are exact (`stats.null_clearance`), those of the AUC normal and without `adjust`:

    units a side         50    60    80   100   250   350   500   800 1,000 1,100 2,000
    TPR@1%  <=  3 %       -     -     -     -   .69   .94   .93   .955  .980  .994 1.0
    TPR@2%  <=  6 %       -     -     -   .50   .93   .97   .987  .999  1.0   1.0  1.0
    TPR@5%  <= 15 %     .83   .90   .84   .94   .997  1.0   1.0   1.0   1.0   1.0  1.0
    TPR@10% <= 30 %     .97   .95   .98   .995  1.0   1.0   1.0   1.0   1.0   1.0  1.0
    2 AUC - 1 <= 0.1    .22   .25   .29   .34   .61   .74   .86   .965  .987  .992 1.0

Hence 1 % from about 1,100 units a side on, 2 % from 550, 5 % from 250, and 10 % in the vulnerable
stratum of a usual audit. At 1,000 a side the 1 % level would let an ensemble without leak pass in 84 %
of audits (measured with five attacks), against the 90 % that the gate owes; so it is judged at 2 % there. On all
units the AUC's limit always applies; in the vulnerable stratum only where it has the clearance: below
1,100 a side there its bound says little but that the stratum is small.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from understudy.audit import stats

Share = Annotated[float, Field(gt=0, lt=1)]


class Policy(BaseModel):
    """The gate's settings; the defaults are those of privacy-audit.md.

    Attributes:
        minimum_units: members and non-members below which nothing passes.
        max_advantage: limit on 2 AUC - 1.
        tpr_ratio: limit on TPR / FPR at a low FPR.
        fpr_levels: the false-alarm rates to choose from, ascending.
        clearance, least_clearance: how probable it must be that an attack without leak clears a
            limit, for choosing it and for using the largest level nevertheless.
        confidence: of the bounds.
        alpha: chance that a generator without leak FAILs (family-wise, Holm). Small, since a FAIL says
            "proven"; what lies between is INCONCLUSIVE, which blocks a release as well.
        alpha_small: the same below `minimum_units`, where thresholds rest on few units.
        white_box: whether the attack that needs the generator's artifact decides too. Off: a PASS is about a
            table that is released while the artifact is kept; an artifact that is handed out wants it on.
        control_alpha: chance that a control fails by accident.
        mixed_share: share of the synthetic rows that the positive control replaces by members' rows.
        vulnerable_share, vulnerable_neighbours: define the vulnerable stratum.
        rare_support: categories, extremes and null patterns held by fewer units are flagged.
        max_units: units a side that are attacked; more are sampled down.
        max_rows: rows of the reference and of the synthetic table that are read; likewise.
        max_residual_risk: limit on rho, the re-identification probability beyond that of people who never trained: 9 %
            in EMA's policy 0070 and Health Canada's guidance (El Emam et al., JMIR 22(11), 2020).
        queries: singling-out predicates whose success is reported.
        max_secrets: columns whose inference is tried when `secrets` names none, drawn at random.
        secrets: columns whose inference is tried; none: any.
        quasi_identifiers: columns that an attacker who infers or links is taken to know; none: all others.
        subgroups: columns by whose values the attacks' success is reported.
        targets: the most isolated members, each attacked by fits with and without them (`targeted`).
        target_fits: fits a side, half of which teach the attacker; `target_rows`: rows that each learns;
            `target_samples`: rows drawn from each, per row it learnt.
        max_target_auc: limit on what such an attacker achieves on any target. .88 is the most that differential
            privacy with epsilon 2 allows, e^2 / (1 + e^2).
        fit_seconds: a generator that takes longer to fit isn't attacked in this way.
        targeted_seconds: the time all such attacks may take; less time, fewer fits, less power.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    minimum_units: Annotated[int, Field(ge=2)] = 250
    max_advantage: Share = 0.1
    tpr_ratio: Annotated[float, Field(gt=1)] = 3.0
    fpr_levels: Annotated[tuple[Share, ...], Field(min_length=1)] = (0.01, 0.02, 0.05, 0.1)
    clearance: Share = 0.99
    least_clearance: Share = 0.9
    confidence: Share = 0.95
    alpha: Share = 0.01
    alpha_small: Share = 0.001
    white_box: bool = False
    control_alpha: Share = 0.01
    mixed_share: Share = 0.05
    vulnerable_share: Share = 0.1
    vulnerable_neighbours: Annotated[int, Field(ge=1, le=20)] = 5
    rare_support: Annotated[int, Field(ge=1)] = 11
    max_units: Annotated[int, Field(ge=2)] = 5_000
    max_rows: Annotated[int, Field(ge=100)] = 20_000
    max_residual_risk: Share = 0.09
    queries: Annotated[int, Field(ge=100, le=100_000)] = 2_000
    max_secrets: Annotated[int, Field(ge=1)] = 12
    secrets: tuple[str, ...] = ()
    quasi_identifiers: tuple[str, ...] = ()
    subgroups: tuple[str, ...] = ()
    targets: Annotated[int, Field(ge=1, le=100)] = 10
    target_fits: Annotated[int, Field(ge=2, le=10_000)] = 200
    target_rows: Annotated[int, Field(ge=50)] = 1_000
    target_samples: Annotated[float, Field(gt=0, le=100)] = 4.0
    max_target_auc: Annotated[float, Field(gt=0.5, lt=1)] = 0.88
    fit_seconds: Annotated[float, Field(gt=0)] = 5.0
    targeted_seconds: Annotated[float, Field(gt=0)] = 3_600.0

    @model_validator(mode="after")
    def _consistent(self) -> Policy:
        if list(self.fpr_levels) != sorted(set(self.fpr_levels)):
            raise ValueError("fpr_levels must ascend")
        if self.tpr_ratio * self.fpr_levels[-1] >= 1:
            raise ValueError(f"tpr_ratio times the level {self.fpr_levels[-1]:g} is 1 or more, which limits nothing")
        return self

    @property
    def max_auc(self) -> float:
        return (1 + self.max_advantage) / 2


def tpr_level(n_in: int, n_out: int, policy: Policy) -> tuple[float | None, bool]:
    """The false-alarm rate at which a stratum is judged, and whether its size supports passing there.

    None when the sample can't express any; where it can't support one, a leak may still be proven.
    """
    expressible = [f for f in policy.fpr_levels if n_in >= 2 and stats.threshold_rank(n_out // 2, f) >= 1]
    if not expressible:
        return None, False

    def cleared(level: float) -> float:
        return stats.null_clearance(n_in, n_out, level, policy.tpr_ratio * level, policy.confidence)

    for level in expressible:
        if cleared(level) >= policy.clearance:
            return level, True
    return expressible[-1], cleared(expressible[-1]) >= policy.least_clearance


def auc_required(stratum: str, n_in: int, n_out: int, policy: Policy) -> bool:
    """Whether the limit on the AUC applies: always on all units, else where the size supports it."""
    if stratum == "all":
        return True
    return stats.null_auc_clearance(n_in, n_out, policy.max_auc, policy.confidence) >= policy.clearance

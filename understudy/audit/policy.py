"""What a release may show and still pass: the gate's limits, and which of them a sample can support.

One rule at two places. An attack that says "member" to a share FPR of the people who never trained
may be right about at most `tpr_ratio` x FPR of those who did; and over all thresholds it may beat
a coin by at most `max_advantage` (2 AUC - 1, which for a yes/no attack is TPR - FPR). Passing needs
every attack's one-sided 95 % upper bound to clear. That is an intersection-union test (Berger,
Technometrics 24, 1982): a leak above a limit passes with at most 5 % probability, without a
correction for the number of attacks.

The bounds widen as the sample shrinks, so a limit can be out of reach although nothing leaks. The TPR is
therefore judged at the smallest of `fpr_levels` at which one attack without any leak clears
with probability `clearance`; the probability is exact (`stats.null_clearance`):

    units a side        25    50    80   100   150   250   500   800 1,000 2,000
    TPR@1%  <=  3 %      -     -     -     -     -   .69   .93   .955  .98   1.0
    TPR@2%  <=  6 %      -     -     -   .50   .90   .93   .987  .999 1.0    1.0
    TPR@5%  <= 15 %      -   .71   .84   .94   .99   .997 1.0   1.0   1.0    1.0
    TPR@10% <= 30 %    .91   .94   .98   .995 1.0   1.0   1.0   1.0   1.0    1.0
    2 AUC - 1 <= 0.1   .17   .22   .29   .34   .44   .61   .86   .97   .987  1.0

Hence 1 % from 870 units a side on, 2 % from 340, and 10 % in a vulnerable stratum of 65 to 120. On all units the
AUC's limit always applies; in the vulnerable stratum, a tenth of them, only where it has the same
clearance: below about 825 a side there its bound says nothing but that the stratum is small.
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
        clearance: how probable it must be that an attack without leak clears a limit.
        confidence: of the bounds.
        alpha: chance that a generator without leak FAILs (family-wise, Holm).
        alpha_small: the same below `minimum_units`, where thresholds rest on few units.
        control_alpha: chance that a control fails by accident.
        mixed_share: share of member rows that the positive control mixes in.
        vulnerable_share, vulnerable_neighbours: define the vulnerable stratum.
        rare_support: categories, extremes and null patterns held by fewer units are flagged.
        max_units: units a side that are attacked; more are sampled down.
        max_rows: rows of the reference and of the synthetic table that are read; likewise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    minimum_units: Annotated[int, Field(ge=2)] = 250
    max_advantage: Share = 0.1
    tpr_ratio: Annotated[float, Field(gt=1)] = 3.0
    fpr_levels: Annotated[tuple[Share, ...], Field(min_length=1)] = (0.01, 0.02, 0.05, 0.1)
    clearance: Share = 0.97
    confidence: Share = 0.95
    alpha: Share = 0.05
    alpha_small: Share = 0.001
    control_alpha: Share = 0.01
    mixed_share: Share = 0.05
    vulnerable_share: Share = 0.1
    vulnerable_neighbours: Annotated[int, Field(ge=1, le=20)] = 5
    rare_support: Annotated[int, Field(ge=1)] = 11
    max_units: Annotated[int, Field(ge=2)] = 5_000
    max_rows: Annotated[int, Field(ge=100)] = 20_000

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

    The smallest supported level; else the largest that the sample can express (a leak may still be
    proven at it); else None.
    """
    expressible = [f for f in policy.fpr_levels if n_in >= 2 and stats.threshold_rank(n_out // 2, f) >= 1]
    for level in expressible:
        limit = policy.tpr_ratio * level
        if stats.null_clearance(n_in, n_out, level, limit, policy.confidence) >= policy.clearance:
            return level, True
    return (expressible[-1] if expressible else None), False


def auc_required(stratum: str, n_in: int, n_out: int, policy: Policy) -> bool:
    """Whether the limit on the AUC applies: always on all units, else where the size supports it."""
    if stratum == "all":
        return True
    return stats.null_auc_clearance(n_in, n_out, policy.max_auc, policy.confidence) >= policy.clearance

"""What tier 3 found, and what the gate makes of it.

A proven leak: Holm over the redrawn game's targets and the reconstructed secrets of "this figure is beyond its limit",
`Policy.max_target_auc` or `Policy.max_residual_risk`. Since fits learn from a table that is mostly smaller than
the one the released generator learnt from, and one person weighs more in a small table, what they prove
fails a release only where they learnt from all of its rows; else it is an open point.

What there is to tell, measured 2026-11-24 under load, worst of ten targets of a simulated population of eight mixed
columns, fits on 1,000 rows, four rows drawn per row learnt (`judged` fits a side judge; 50 in the fixed game):

    generator                        judged   redrawn   fixed
    bootstrap                           100      1.00    1.00
    forest, leaves of 5, no support      30       .93            (fits on 300 rows)
    forest                              100       .78    1.00
    autoregressive                       25       .72
    independent                         100       .72    1.00

One population, one draw each; the limit of .88 was set after seeing them. What good generators give away here is mostly
how far an extreme reaches. For scores without any leak (normal draws, no fits) ten targets cleared the limit in all
of 400 simulations, with 25, 50 or 100 a side.

The fixed game is reported and not gated. Its attacker knows everyone else's row, so that any threshold
which one person tips tells: at 1,000 rows even columns drawn independently of each other reach an AUC of 1 there. None
of these generators could pass such a gate; differential privacy is what bounds that attacker.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from understudy.audit import stats
from understudy.audit.policy import Policy

MOST_SENTENCES = 3
FEWEST_FITS = 50
"""Fits a side below which nothing is said. Half of them judge."""


Game = Literal["redrawn", "fixed"]
"""Whether the attacker knows who else trained (`shadow`)."""


GATED: Game = "redrawn"


class Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TargetedRisk(Value):
    """What fits with and without one person give away. Of whom isn't said; for the internal report only.

    Attributes:
        game: whether the attacker knows all the others' rows (`fixed`) or not (`redrawn`).
        rank: 1 is the most isolated member.
        n_learnt, n_judged: fits a side that taught the attacker, and that judged it.
        auc, auc_low, auc_high, auc_upper: with DeLong's two-sided interval and one-sided bound.
        p_value, p_beyond: of "no better than chance" and of "at most the limit".
        level, tpr, tpr_low, tpr_high, fpr: how often the target is found at the false-alarm rate `level`, with
            Clopper-Pearson bounds; the rate that was realised.
    """

    game: Game
    rank: int
    n_learnt: int
    n_judged: int
    auc: float
    auc_low: float
    auc_high: float
    auc_upper: float
    p_value: float
    p_beyond: float
    level: float
    tpr: float
    tpr_low: float
    tpr_high: float
    fpr: float


class ReconstructionRisk(Value):
    """How many secrets an attacker who knows everything else about people gets right (`reconstruction`).

    Attributes:
        table: `released`: from the synthetic table; `refitted`: from the product's generator fitted on the targets
            alone, which is the strongest case.
        secret: the column; `question`: what about it, in words.
        n_in, n_out, hits_in, hits_out: members and people who never trained, and how many are guessed right.
        baseline: the share that the most common answer gets right.
        rho, rho_upper: what the table adds beyond people who never trained, (p_in - p_out) / (1 - p_out), and its
            one-sided bound.
        p_value, p_beyond: of "members are guessed no better" and of "rho is at most the limit".
    """

    table: Literal["released", "refitted"]
    secret: str
    question: str
    n_in: int
    n_out: int
    hits_in: int
    hits_out: int
    baseline: float
    rho: float
    rho_upper: float
    p_value: float
    p_beyond: float


class TargetedResult(Value):
    """Tier 3 of one audit.

    Attributes:
        targets: the attacked members, the most isolated first; empty where they weren't.
        reconstructions: per secret.
        n_fits: fits a side, per target, of the redrawn game.
        fit_seconds: of one fit, with drawing its table; None where none was made.
        rows_fitted, rows_trained: rows that each fit (of the redrawn game) and that the released generator learnt;
            None: not known.
        detectable_auc: what one target's test finds with 80 % power; None without targets.
        notes: what was left out and why, in sentences.
        seconds: what it all took.
    """

    targets: tuple[TargetedRisk, ...]
    reconstructions: tuple[ReconstructionRisk, ...]
    n_fits: int
    fit_seconds: float | None
    rows_fitted: int
    rows_trained: int | None
    detectable_auc: float | None
    notes: tuple[str, ...]
    seconds: float

    @property
    def whole(self) -> bool:
        """Whether fits learnt from as many rows as the released generator, as far as is known."""
        return self.rows_trained is None or self.rows_fitted >= self.rows_trained

    def metrics(self) -> dict[str, float]:
        """Flat names and numbers for tracking."""
        values: dict[str, float] = {}
        if self.targets:
            values["targeted_fits"] = float(self.n_fits)
        for game in ("redrawn", "fixed"):
            aucs = [t.auc for t in self.targets if t.game == game]
            if aucs:
                values[f"targeted_auc_{game}"] = max(aucs)
        for table in ("released", "refitted"):
            found = [r for r in self.reconstructions if r.table == table]
            if found:
                values[f"reconstruction_{table}"] = max(r.rho for r in found)
        return values


def proven_leaks(result: TargetedResult, policy: Policy, alpha: float) -> list[str]:
    """Sentences on what is proven to be beyond its limit and fails the release, the surest first."""
    return _shortened([text for text, own in _beyond(result, policy, alpha) if own])


def not_cleared(result: TargetedResult, policy: Policy, alpha: float) -> list[str]:
    """Sentences on what keeps a release from passing without failing it."""
    points = [
        f"{text} Fits learnt from {result.rows_fitted:,} rows, the released generator from {result.rows_trained:,},"
        " where one person weighs less: raise target_rows to see that size."
        for text, own in _beyond(result, policy, alpha)
        if not own
    ]
    if points:
        return _shortened(points)
    gated = [t for t in result.targets if t.game == GATED]
    wide = [t for t in gated if t.auc_upper > policy.max_target_auc]
    if wide:
        worst = max(wide, key=lambda t: t.auc_upper)
        points.append(
            f"Fits with and without one person: {len(wide)} of the {len(gated)} most isolated members may be"
            f" told with an AUC as high as {worst.auc_upper:.2f} (measured {worst.auc:.2f} in {worst.n_judged} fits a"
            f" side), allowed {policy.max_target_auc:.2f}."
        )
    return points


def _shortened(sentences: list[str]) -> list[str]:
    rest = len(sentences) - MOST_SENTENCES
    more = [f"The same is proven of {rest} more of the targets and reconstructed attributes."] if rest > 0 else []
    return sentences[:MOST_SENTENCES] + more


def _beyond(result: TargetedResult, policy: Policy, alpha: float) -> list[tuple[str, bool]]:
    """(sentence, whether it is about the release itself) of each proven leak, the surest first."""
    tests = [(t.p_beyond, _target_text(t, policy), result.whole) for t in result.targets if t.game == GATED]
    tests += [
        (r.p_beyond, _secret_text(r, policy), result.whole or r.table == "released") for r in result.reconstructions
    ]
    adjusted = stats.holm([p for p, _, _ in tests])
    proven = [(p, text, own) for (_, text, own), p in zip(tests, adjusted, strict=True) if p <= alpha]
    return [(f"{text} (p = {p:.1g} after correction).", own) for p, text, own in sorted(proven, key=lambda x: x[0])]


def _target_text(t: TargetedRisk, policy: Policy) -> str:
    return (
        f"Fits with and without one person (rank {t.rank} of the most isolated members): told apart with AUC"
        f" {t.auc:.2f}, allowed {policy.max_target_auc:.2f}"
    )


def _secret_text(r: ReconstructionRisk, policy: Policy) -> str:
    source = "the synthetic table" if r.table == "released" else "a generator fitted on the targets"
    return (
        f"Reconstruction of {r.question} from {source}: {r.hits_in / r.n_in:.0%} of {r.n_in:,} members are guessed"
        f" right against {r.hits_out / r.n_out:.0%} of people who never trained: {r.rho:.0%} more of what was left to"
        f" guess, allowed {policy.max_residual_risk:.0%}"
    )

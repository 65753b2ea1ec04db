"""The three mandatory controls: is this audit valid, and could it have found anything?

exchangeable  members and non-members can't be told apart by their own values: else every
              attack measures how the tables were split, not what the generator leaked
negative      real rows that never trained, in the place of S: every attack stays null
positive      5 % of S replaced by members' rows: the ensemble must fire
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from understudy.audit import stats
from understudy.audit.membership.ensemble import ATTACKS, run_attacks
from understudy.audit.membership.risk import Risk
from understudy.audit.membership.stack import stratified_folds
from understudy.audit.policy import Policy
from understudy.audit.tables import AuditTables
from understudy.audit.tier0 import CopyTest, copies
from understudy.audit.trees import logits

FOLDS = 5
MOST_COPIED = 0.2


class Control(BaseModel):
    """One control: did it pass, and what it saw, in words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["exchangeable", "negative", "positive"]
    passed: bool
    detail: str


def firing(risks: list[Risk], matches: list[CopyTest], alpha: float) -> list[str]:
    """Titles of the attacks and copy tests that find a leak, Holm-corrected over all of them."""
    tests = [(ATTACKS[r.attack].title.lower(), p) for r in risks for p in (r.auc_p, r.tpr_p)]
    tests += [("copies", m.p_value) for m in matches]
    adjusted = stats.holm([p for _, p in tests])
    return sorted({name for (name, _), p in zip(tests, adjusted, strict=True) if p <= alpha})


def exchangeable(tables: AuditTables, policy: Policy, rng: np.random.Generator) -> Control:
    """A cross-fitted classifier of members against non-members has an AUC interval that contains 0.5.

    The interval's level is 1 - `control_alpha` (99 %), so that a sound split fails once in a hundred
    audits. Folds are of units and keep the shares of the two sides; their AUCs are averaged (pooling
    their scores would bias the AUC below 0.5). The folds' models share training units, so that the error of
    the mean is that of one fold times 1/K + n_test/n_train, not 1/K (Nadeau and Bengio, Machine Learning
    52, 2003); without this the control failed in 5 % of sound audits.
    """
    member = tables.member
    fold = stratified_folds(member, FOLDS, rng)
    features, units = tables.pool.features(), tables.pool.units
    areas = []
    for f in range(FOLDS):
        held = fold[units] == f
        row_scores = np.zeros(len(units))
        row_scores[held] = logits(
            features[~held], member[units[~held]], features[held], rounds=50, leaves=15, rng=rng
        )
        scores, mine = tables.per_unit(row_scores), fold == f
        if min((member & mine).sum(), (~member & mine).sum()) < 2:
            detail = f"{tables.n_units} units are too few to split into {FOLDS} folds"
            return Control(name="exchangeable", passed=False, detail=detail)
        areas.append(stats.delong(scores[member & mine], scores[~member & mine]))
    one_fold = float(np.mean([a.se**2 for a in areas]))
    se = float(np.sqrt(one_fold * (1 / FOLDS + 1 / (FOLDS - 1))))
    area = stats.Auc(float(np.mean([a.value for a in areas])), se, float("nan"))
    low, high = area.interval(1 - policy.control_alpha)
    level = f"{1 - policy.control_alpha:.0%}"
    detail = f"members against non-members: AUC {area.value:.3f} ({level} interval {low:.3f} to {high:.3f})"
    return Control(name="exchangeable", passed=low <= 0.5 <= high, detail=detail)


def negative(tables: AuditTables, vulnerable: np.ndarray, policy: Policy, rng: np.random.Generator) -> Control:
    """Half of R's units play S, the other half R: no attack may fire at `control_alpha`."""
    units = tables.reference.units
    plays = rng.permutation(units.max() + 1) % 2 == 0
    held, rest = np.flatnonzero(plays[units]), np.flatnonzero(~plays[units])
    if not len(held) or not len(rest):
        return Control(name="negative", passed=False, detail="the reference table has too few units to be halved")
    sham = tables.replace(synthetic=tables.reference.take(held), reference=tables.reference.take(rest))
    risks, _ = run_attacks(sham, vulnerable, policy, rng)
    fired = firing(risks, copies(sham, policy, rng), policy.control_alpha)
    seen = f"fired: {', '.join(fired)}" if fired else "no attack fired"
    detail = f"{len(held):,} real rows that never trained in place of the synthetic table: {seen}"
    return Control(name="negative", passed=not fired, detail=detail)


def positive(tables: AuditTables, vulnerable: np.ndarray, policy: Policy, rng: np.random.Generator) -> Control:
    """Some rows of S become copies of members' rows: something must fire at `control_alpha`.

    Members are copied whole, all rows of one: as a generator that memorises people would, not
    spread thinly over many. `mixed_share` of S is replaced, but no more than `MOST_COPIED` of the members'
    rows are copied: in an S much larger than the members almost every member would be a copy, which is no
    test of power. A pass shows power for that many copies, which the detail names, and not for
    fewer: on the RAND table (800 persons a side, rows that half the non-members match by chance) 16 % of the
    members' rows fired in 10 of 10 splits, 10 % in 8, 5 % in 5.
    """
    synthetic = tables.synthetic
    units = tables.pool.units
    rows_in = np.flatnonzero(tables.member[units])
    n_mixed = max(1, round(min(policy.mixed_share * len(synthetic), MOST_COPIED * len(rows_in))))
    turn = rng.permutation(tables.n_units)[units[rows_in]]  # (n_rows_in,), equal within a unit
    copied = rows_in[np.argsort(turn, kind="stable")[:n_mixed]]
    kept = rng.permutation(len(synthetic))[n_mixed:]
    mixed = synthetic.take(kept).append(tables.pool.take(copied))
    doctored = tables.replace(synthetic=mixed)
    risks, _ = run_attacks(doctored, vulnerable, policy, rng)
    fired = firing(risks, copies(doctored, policy, rng), policy.control_alpha)
    seen = f"fired: {', '.join(fired)}" if fired else "no attack fired, so the audit is blind to such a leak"
    share = f"{n_mixed / len(rows_in):.0%} of the members' rows"
    detail = f"{n_mixed:,} member rows ({share}) mixed into the synthetic table: {seen}"
    return Control(name="positive", passed=bool(fired), detail=detail)

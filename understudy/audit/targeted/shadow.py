"""The vulnerable-record attack: does the generator give away whether one chosen person trained it?

The most isolated members are the targets (Meeus et al., "Achilles' heels", arXiv 2306.10308). The generator is
fitted again and again, with new seeds, with all rows of a target and without them (removed and not replaced: a
stand-in could be found out as well as the target). A random forest learns from half of the fits, by what their tables
answer to queries about the target, to tell the two worlds apart, and is judged on the other half. Two games:

redrawn   each fit learns from other people, drawn anew: the attacker knows the population, the target's row and how the
          generator is made, but not who else trained it (Stadler et al., 2011.07018; Houssiau et al., 2211.06550).
          Each fit takes every target or leaves it by a coin, so that all targets share all fits.
fixed     the training table is the same but for the target: the attacker knows every other row of it, as differential
          privacy assumes (Krco et al., "Lost in the averages", 2405.15423: the risk in this very table,
          which the other game averages over tables). The fits with the target are the same for all of them.

Each fit is independent of the others given what is fixed, so DeLong's interval holds; it covers all that is
drawn anew, and the targets as they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from understudy.audit import stats
from understudy.audit.model import Refit
from understudy.audit.policy import Policy
from understudy.audit.tables import AuditTables
from understudy.audit.targeted.queries import Values, draw_queries
from understudy.audit.targeted.result import FEWEST_FITS, Game, TargetedRisk

FPR = 0.1
TREES = 100


@dataclass(frozen=True, eq=False)
class Job:
    """One fit: the table it learns from, and which targets (by number) it is evidence about: True, with the target."""

    table: pd.DataFrame
    about: dict[int, bool]


@dataclass(frozen=True, eq=False)
class Targets:
    """Who is attacked, among whom.

    Attributes:
        units: units of the pool, the most isolated first.
        people: all real rows that may train.
        unit_of: (n_rows of `people`,) the unit of each; those of the pool keep their numbers.
        fixed: (n_rows of `people`,) bool, the rows of the `fixed` training table, with all targets.
    """

    units: np.ndarray
    people: pd.DataFrame
    unit_of: np.ndarray
    fixed: np.ndarray

    def fixed_round(self, policy: Policy, rng: np.random.Generator) -> list[Job]:
        """A fit with all targets, and one without each."""
        tables = [self.people[self.fixed], *(self.people[self.fixed & (self.unit_of != u)] for u in self.units)]
        everyone = dict.fromkeys(range(len(self.units)), True)
        return [Job(tables[0], everyone), *(Job(t, {i: False}) for i, t in enumerate(tables[1:]))]

    def redrawn_round(self, policy: Policy, rng: np.random.Generator) -> list[Job]:
        """Two fits on fresh others: each target is in one of them."""
        coin = rng.random(len(self.units)) < 0.5
        return [self._redrawn(mask, policy, rng) for mask in (coin, ~coin)]

    def size(self, policy: Policy) -> int:
        """Rows of a redrawn table with all targets: at most half of the others, or the draws would hardly differ."""
        own = int(np.isin(self.unit_of, self.units).sum())
        return max(min(policy.target_rows, own + (len(self.people) - own) // 2), own + 2)

    def _redrawn(self, mask: np.ndarray, policy: Policy, rng: np.random.Generator) -> Job:
        rows = np.bincount(self.unit_of)
        room = self.size(policy) - int(rows[self.units].sum())
        drawn = rng.permutation(np.setdiff1d(np.unique(self.unit_of), self.units))
        drawn = drawn[: np.searchsorted(np.cumsum(rows[drawn]), room, side="right")]
        table = self.people[np.isin(self.unit_of, np.concatenate([drawn, self.units[mask]]))]
        return Job(table, {i: bool(m) for i, m in enumerate(mask)})


@dataclass(frozen=True, eq=False)
class Shadows:
    """Features of the tables drawn from fits with and without each target, (n_rounds, n_features), and the
    seconds that a fit takes. No rounds: a fit takes too long."""

    inside: tuple[np.ndarray, ...]
    outside: tuple[np.ndarray, ...]
    seconds: float

    @property
    def n_fits(self) -> int:
        return len(self.inside[0]) if self.inside else 0


def choose_targets(
    tables: AuditTables, policy: Policy, rng: np.random.Generator, others: pd.DataFrame | None = None
) -> Targets:
    """The `targets` most isolated members. The fixed table is of them, of as many rows of other members (whole units),
    then of `others`, as a fit may have; these are further rows that trained, of none of the pool's people."""
    members = np.flatnonzero(tables.member)
    isolation = tables.isolation(policy.vulnerable_neighbours)
    targets = members[np.argsort(-isolation[members], kind="stable")][: policy.targets]
    parts = [tables.pool.frame, tables.reference.frame, *([] if others is None else [others])]
    unit_of = [tables.pool.units, tables.reference.units + tables.n_units]
    if others is not None:
        unit_of.append(np.arange(len(others)) + unit_of[1].max() + 1)
    units = np.concatenate(unit_of)
    rows = np.bincount(units)
    queue = np.concatenate([targets, rng.permutation(np.setdiff1d(members, targets))])
    if others is not None:
        queue = np.concatenate([queue, rng.permutation(unit_of[2])])
    n_units = int(np.searchsorted(np.cumsum(rows[queue]), policy.target_rows, side="right"))
    fixed = np.isin(units, queue[: max(n_units, len(targets))])
    return Targets(targets, pd.concat(parts, ignore_index=True), units, fixed)


def fit_all(
    tables: AuditTables,
    targets: Targets,
    game: Game,
    refit: Refit,
    policy: Policy,
    rng: np.random.Generator,
    seconds: float,
    tell: Callable[[float, str], None],
) -> Shadows:
    """Up to `target_fits` rounds; fewer when `seconds` run out."""
    started = time.perf_counter()
    queries = [draw_queries(tables, np.flatnonzero(tables.pool.units == u), rng) for u in targets.units]
    draw = targets.fixed_round if game == "fixed" else targets.redrawn_round
    size = int(targets.fixed.sum()) if game == "fixed" else targets.size(policy)
    n_rows = round(policy.target_samples * size)
    inside: list[list[np.ndarray]] = [[] for _ in queries]
    outside: list[list[np.ndarray]] = [[] for _ in queries]

    def run(job: Job, seed: np.random.Generator) -> None:
        drawn = refit(job.table.reset_index(drop=True), seed).sample(n_rows, rng=seed)
        values = Values.of(drawn, tables.columns)
        for i, with_it in job.about.items():
            (inside if with_it else outside)[i].append(queries[i].answers(values))

    one_fit = 0.0
    for n in range(policy.target_fits):
        seed = rng.spawn(1)[0]
        jobs = draw(policy, seed)
        for job, own in zip(jobs, seed.spawn(len(jobs)), strict=True):
            tick = time.perf_counter()
            run(job, own)
            one_fit = min(one_fit or np.inf, time.perf_counter() - tick)
            if len(inside[0]) + len(outside[0]) == 2 and one_fit > policy.fit_seconds:  # the first may have compiled
                return Shadows((), (), one_fit)
        spent = time.perf_counter() - started
        if spent * (n + 2) / (n + 1) > seconds:
            break
        tell((n + 1) / policy.target_fits, f"{(n + 1) * len(jobs):,} fits with and without {len(queries)} people")
    return Shadows(tuple(map(np.array, inside)), tuple(map(np.array, outside)), one_fit)


def judge(shadows: Shadows, game: Game, policy: Policy, rng: np.random.Generator) -> list[TargetedRisk]:
    """What a forest that learnt from half of the fits finds in the others; nothing for too few fits."""
    if shadows.n_fits < FEWEST_FITS:
        return []
    pairs = zip(shadows.inside, shadows.outside, strict=True)
    return [_judge(rank, game, a, b, policy, rng) for rank, (a, b) in enumerate(pairs, start=1)]


def _judge(
    rank: int, game: Game, inside: np.ndarray, outside: np.ndarray, policy: Policy, rng: np.random.Generator
) -> TargetedRisk:
    from sklearn.ensemble import RandomForestClassifier

    n = len(inside)
    learn = rng.permutation(n)[: n // 2]
    held = np.setdiff1d(np.arange(n), learn)
    forest = RandomForestClassifier(n_estimators=TREES, min_samples_leaf=2, random_state=int(rng.integers(2**31)))
    forest.fit(np.vstack([inside[learn], outside[learn]]), np.arange(2 * len(learn)) < len(learn))
    scores_in, scores_out = (forest.predict_proba(x[held])[:, 1] for x in (inside, outside))
    area = stats.delong(scores_in, scores_out)
    low, high = area.interval(policy.confidence)
    rates = stats.crossfit_rates(scores_in, scores_out, FPR, rng)
    tpr_low, tpr_high = rates.interval(policy.confidence)
    return TargetedRisk(
        game=game,
        rank=rank,
        n_learnt=len(learn),
        n_judged=len(held),
        auc=area.value,
        auc_low=low,
        auc_high=high,
        auc_upper=area.upper(policy.confidence),
        p_value=area.p_value,
        p_beyond=_p_beyond(area, policy.max_target_auc),
        level=FPR,
        tpr=rates.tpr,
        tpr_low=tpr_low,
        tpr_high=tpr_high,
        fpr=rates.fpr,
    )


def _p_beyond(area: stats.Auc, limit: float) -> float:
    """One-sided p-value of "the AUC is at most `limit`"; normal."""
    from scipy.special import ndtr

    return float(ndtr((limit - area.value) / area.se)) if area.se > 0 else 1.0

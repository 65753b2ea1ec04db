"""Tier 3 as a whole: what the time allows, in the order of what it says."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from understudy.audit import stats
from understudy.audit.policy import Policy
from understudy.audit.tables import AuditTables
from understudy.audit.targeted import reconstruction, shadow
from understudy.audit.targeted.result import FEWEST_FITS, Game, TargetedResult, TargetedRisk

Progress = Callable[[float, str], None]


def run_targeted(
    tables: AuditTables,
    policy: Policy,
    rng: np.random.Generator,
    progress: Progress | None = None,
    *,
    others: pd.DataFrame | None = None,
    rows_trained: int | None = None,
) -> TargetedResult:
    """Both attacks, within `policy.targeted_seconds`. Fits need `tables.refit`; without it, and of a slow generator,
    only the released table is attacked, and the notes say so.

    Args:
        others: conformed rows that trained besides the members, of none of the pool's people; None: none are known.
        rows_trained: how many rows the released generator learnt; None: not known.
    """
    started = time.perf_counter()
    tell = progress or (lambda share, message: None)
    notes: list[str] = []
    targets: list[TargetedRisk] = []
    n_fits, one_fit, rows_fitted = 0, None, 0
    refit = tables.refit
    seeds = rng.spawn(5)
    if refit is None:
        notes.append(
            "Attackers who fit the generator with and without one person weren't tried: it can't be fitted anew."
        )
    else:
        chosen = shadow.choose_targets(tables, policy, seeds[0], others)
        rows_fitted = chosen.size(policy)
        games: tuple[Game, ...] = ("redrawn", "fixed")
        for g, game in enumerate(games):
            left = policy.targeted_seconds - (time.perf_counter() - started)
            # a round of the other game takes several times as many fits
            share = left / 2 if game == "redrawn" else left
            begin, end = 0.45 * g, 0.45 * (g + 1)
            shadows = shadow.fit_all(tables, chosen, game, refit, policy, seeds[1 + g], share, _part(tell, begin, end))
            one_fit = shadows.seconds
            if not shadows.n_fits:
                notes.append(
                    f"Attackers who fit the generator with and without one person weren't tried: a fit on"
                    f" {rows_fitted:,} rows takes {one_fit:.1f} s, allowed {policy.fit_seconds:g} s."
                )
                refit = None
                break
            targets += shadow.judge(shadows, game, policy, seeds[3])
            n_fits = shadows.n_fits if game == "redrawn" else n_fits
            notes += _cut_short(game, shadows.n_fits, policy)
    tell(0.9, "reconstructing attributes")
    secrets = reconstruction.attack(tables, policy, seeds[4], refit)
    if not secrets:
        notes.append(
            f"No attribute was reconstructed: that takes {reconstruction.FEWEST_TARGETS} people a side and two columns."
        )
    judged = [t.n_judged for t in targets]
    tell(1.0, "done")
    return TargetedResult(
        targets=tuple(targets),
        reconstructions=tuple(secrets),
        n_fits=n_fits,
        fit_seconds=one_fit,
        rows_fitted=rows_fitted,
        rows_trained=rows_trained,
        detectable_auc=stats.detectable_auc(judged[0], judged[0]) if judged else None,
        notes=tuple(notes),
        seconds=round(time.perf_counter() - started, 2),
    )


def _cut_short(game: Game, n_fits: int, policy: Policy) -> list[str]:
    if n_fits >= policy.target_fits:
        return []
    others = "other people drawn anew" if game == "redrawn" else "all others the same"
    if n_fits < FEWEST_FITS:
        what = f"too few to judge by ({FEWEST_FITS}); allow more targeted_seconds"
    else:
        judged = n_fits - n_fits // 2
        what = f"of which {judged} a side judge: they find an AUC of {stats.detectable_auc(judged, judged):.2f}"
    return [f"The time allowed {n_fits} of {policy.target_fits} fits a side with {others}, {what}."]


def _part(tell: Progress, begin: float, end: float) -> Progress:
    return lambda share, message: tell(begin + (end - begin) * share, message)

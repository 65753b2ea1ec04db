"""Whether the synthetic table serves every group of people as well as the real one does, and adds no bias.

For each sensitive column (see `subgroups`) and group: how well the other columns' distributions are kept within the
group, against equally many fresh real rows; and what a model trained on synthetic rows loses on the group's real
rows. For each column: whether the model treats the groups less alike than one trained on real rows (see `parity`).
The models are those of `utility`, over all columns but the target, the sensitive ones among them.

The intervals of one kind hold together: with 95 % probability all of them cover (Bonferroni), over the choice of the
holdout and of the rows that the models learnt. What is not covered: groups of two attributes at once, individual
fairness, calibration, and whether the real model itself is fair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from understudy.evaluation import stats
from understudy.evaluation.aligned import Aligned, View
from understudy.evaluation.fidelity import column_shape
from understudy.evaluation.parity import (
    Groups,
    Measure,
    Parity,
    group_rates,
    half_width,
    measure_parity,
    real_disparity,
)
from understudy.evaluation.predictions import Predictions, Refits, Score
from understudy.evaluation.subgroups import MIN_UNITS, Division, divisions, is_protected
from understudy.schema import Column, TableSchema

COVERAGE = 0.95
_LEAST_CLASS = 10
_MAX_SHAPES = 60
_SHAPE_ROWS = 20_000
Chosen = Literal["named", "by name", "by disparity"]


@dataclass(frozen=True)
class Subgroup:
    """One group of one column.

    Attributes:
        name: its value, its band, or `other groups`.
        rows_train, rows_holdout, rows_synthetic: how many rows it has.
        share_train, share_synthetic: the same as shares of the table.
        shape_error: 100 * (1 - mean shape) of the other columns within the group; None with too few synthetic rows.
        shape_error_holdout: what as many fresh real rows of the group score.
        tstr, trtr, gap: scores on the group's holdout rows, trtr - tstr; AUC, or 1 - the mean squared error over the
            variance of the target in the whole holdout. None where a class has too few rows.
        gap_low, gap_high: its interval.
        rate_synthetic, rate_real: the share that each model gives the rarer of two classes, or the mean prediction in
            standard deviations; None with more classes.
    """

    name: str
    rows_train: int
    rows_holdout: int
    rows_synthetic: int
    share_train: float
    share_synthetic: float
    shape_error: float | None
    shape_error_holdout: float | None
    tstr: float | None = None
    trtr: float | None = None
    gap: float | None = None
    gap_low: float | None = None
    gap_high: float | None = None
    rate_synthetic: float | None = None
    rate_real: float | None = None


@dataclass(frozen=True)
class ColumnFairness:
    """One sensitive column.

    Attributes:
        column: its name.
        chosen: named by the user, chosen by its name, or by the real model's disparity.
        groups, parities: what was measured; empty with fewer than two groups.
        merged, hidden: groups too small to be shown: merged into `other groups`, or left out.
    """

    column: str
    chosen: Chosen
    groups: tuple[Subgroup, ...]
    parities: tuple[Parity, ...]
    merged: int
    hidden: int


@dataclass(frozen=True)
class Fairness:
    """Attributes:
    target, metric: as in `Utility`; None without a usable target: then only fidelity is measured.
    favoured: the class that the groups' rates are of, where there are two classes.
    columns: the sensitive ones.
    """

    target: str | None
    metric: Literal["auc", "r2"] | None
    favoured: str | None
    columns: tuple[ColumnFairness, ...]

    @property
    def metrics(self) -> dict[str, float]:
        """The headline figures under their stable names: maxima over columns, and the largest lower ends."""
        found: dict[str, float] = {}
        names: dict[Measure, str] = {"demographic_parity": "dp", "equalised_odds": "eo",
                                     "mean_prediction": "prediction", "mean_error": "error"}  # fmt: skip
        for measure, short in names.items():
            parities = [p for c in self.columns for p in c.parities if p.measure == measure]
            if parities:
                found[f"fairness_{short}_difference_added_max"] = max(p.added for p in parities)
                found[f"fairness_{short}_difference_added_low"] = max(p.low for p in parities)
        groups = [g for c in self.columns for g in c.groups]
        gaps = [(g.gap, g.gap_low) for g in groups if g.gap is not None and g.gap_low is not None]
        if gaps:
            found["fairness_worst_group_gap"] = max(gap for gap, _ in gaps)
            found["fairness_worst_group_gap_low"] = max(low for _, low in gaps)
        excess = [
            g.shape_error - g.shape_error_holdout
            for g in groups
            if g.shape_error is not None and g.shape_error_holdout is not None
        ]
        if excess:
            found["fairness_worst_group_shape_excess"] = max(excess)
        return found


def measure_fairness(
    data: Aligned, schema: TableSchema, made: Predictions | None, sensitive: Sequence[str], rng: np.random.Generator
) -> Fairness | None:
    """Fairness of `data.views` = (train, holdout, synthetic) by the columns `sensitive`, or by chosen ones.

    Args:
        made: the predictions of the two models of utility; None: only fidelity is measured.

    Returns None when there is no column to divide the table by.
    """
    holdout = data.views[1]
    known = np.flatnonzero(~holdout.missing(made.target)) if made is not None else np.arange(holdout.n_rows)

    def groups_of(division: Division) -> Groups:
        return Groups(division.labels, division.codes[1][known])

    def disparity(division: Division) -> float:
        return real_disparity(made, groups_of(division)) if made is not None else 0.0

    found = divisions(data, sensitive, schema.target, disparity)
    if not found:
        return None
    divided = [d for d in found if len(d.labels) > 1]
    rngs = rng.spawn(3)
    refits = made.refits(rngs[2]) if made is not None and divided else None
    parities: dict[str, tuple[Parity, ...]] = {}
    if made is not None and refits is not None:
        level = 1 - (1 - COVERAGE) / len(divided)
        measured = measure_parity(made, refits, [groups_of(d) for d in divided], rngs[0], level)
        parities = {d.column: p for d, p in zip(divided, measured, strict=True)}
    level = 1 - (1 - COVERAGE) / max(sum(len(d.labels) for d in divided), 1)
    columns = []
    for d in found:
        named: Chosen = "named" if d.column in sensitive else "by name" if is_protected(d.column) else "by disparity"
        groups = _subgroups(data, d, groups_of(d), made, refits, level, rngs[1]) if d in divided else ()
        columns.append(ColumnFairness(d.column, named, groups, parities.get(d.column, ()), d.merged, d.hidden))
    return Fairness(
        target=made.target if made else None,
        metric=made.metric if made else None,
        favoured=_favoured(data, made),
        columns=tuple(columns),
    )


def _favoured(data: Aligned, made: Predictions | None) -> str | None:
    if made is None or made.metric != "auc":
        return None
    found = np.unique(made.truth)
    return str(data.labels[made.target][found[1]]) if len(found) == 2 else None


def _subgroups(
    data: Aligned,
    division: Division,
    groups: Groups,
    made: Predictions | None,
    refits: Refits | None,
    level: float,
    rng: np.random.Generator,
) -> tuple[Subgroup, ...]:
    others = [c for c in data.columns if c.name != division.column]
    if len(others) > _MAX_SHAPES:
        others = [others[i] for i in np.sort(rng.choice(len(others), _MAX_SHAPES, replace=False))]
    rates = group_rates(made, groups) if made is not None else None
    out = []
    for g, name in enumerate(division.labels):
        rows = [np.flatnonzero(codes == g) for codes in division.codes]
        kept, fresh = _shapes(data, others, [v.take(r) for v, r in zip(data.views, rows, strict=True)], rng)
        scored = _gap(made, refits, np.flatnonzero(groups.codes == g), level) if made and refits else {}
        if rates is not None and not np.isnan(rates[0][g]):
            scored |= {"rate_synthetic": float(rates[0][g]), "rate_real": float(rates[1][g])}
        out.append(
            Subgroup(
                name=name,
                rows_train=len(rows[0]),
                rows_holdout=len(rows[1]),
                rows_synthetic=len(rows[2]),
                share_train=len(rows[0]) / data.views[0].n_rows,
                share_synthetic=len(rows[2]) / data.views[2].n_rows,
                shape_error=kept,
                shape_error_holdout=fresh,
                **scored,
            )
        )
    return tuple(out)


def _shapes(
    data: Aligned, columns: Sequence[Column], views: Sequence[View], rng: np.random.Generator
) -> tuple[float | None, float | None]:
    """The mean shape errors of a group's synthetic and of its holdout rows, equally many: fewer rows score worse."""
    train, holdout, synthetic = views
    n = min(holdout.n_rows, synthetic.n_rows, _SHAPE_ROWS)
    if n < MIN_UNITS:
        return None, None
    train = train.sample(_SHAPE_ROWS, rng)
    errors = []
    for view in (synthetic, holdout):
        part = view.sample(n, rng)
        scores = [s for c in columns if (s := column_shape(data, c, train, part).score) is not None]
        errors.append(float(100 * (1 - np.mean(scores))) if scores else None)
    return errors[0], errors[1]


def _gap(made: Predictions, refits: Refits, rows: np.ndarray, level: float) -> dict[str, float]:
    """TSTR, TRTR and their gap on the holdout rows at positions `rows`; nothing where that can't be scored."""
    both = [_score(made, p, rows) for p in (made.synthetic, made.real)]
    again = [_score(made, m.synthetic, rows) for m in refits.models]
    if both[0] is None or both[1] is None:
        return {}
    (tstr, made_influence), (trtr, real_influence) = both[0], both[1]
    units = None if made.holdout.units is None else made.holdout.units[rows]
    error = stats.standard_error(real_influence - made_influence, units)
    spread = float(refits.variance(np.array([s[0] for s in again if s is not None])))
    margin = half_width(error**2, spread, level)
    gap = trtr - tstr
    return {"tstr": tstr, "trtr": trtr, "gap": gap, "gap_low": gap - margin, "gap_high": gap + margin}


def _score(made: Predictions, predicted: np.ndarray, rows: np.ndarray) -> Score | None:
    """AUC, or 1 - the mean squared error: the target's variance over the whole holdout is 1."""
    if made.metric == "auc":
        return made.area(predicted, rows, _LEAST_CLASS)
    if len(rows) < MIN_UNITS:
        return None
    errors = (predicted[rows] - made.truth[rows]) ** 2
    return float(1 - errors.mean()), (errors.mean() - errors) / len(rows)

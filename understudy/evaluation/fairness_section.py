"""The report's section on fairness: what was found in words, dots with intervals, and a table a column."""

from __future__ import annotations

from dataclasses import dataclass

from understudy.evaluation import svg_intervals as svg
from understudy.evaluation.fairness import ColumnFairness, Fairness, Subgroup
from understudy.evaluation.parity import Measure, Parity
from understudy.evaluation.subgroups import MIN_UNITS
from understudy.evaluation.svg import Figure, percent

_MAX_FINDINGS = 12


@dataclass(frozen=True)
class GroupTable:
    """The table of one column: its heading, and a row of cells a group."""

    title: str
    note: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """Attributes:
    lead: what was compared.
    findings: a sentence for each difference that is beyond chance, or one that says there is none.
    limit: how small a difference could not have been seen.
    figures, tables: see their classes.
    """

    lead: str
    findings: tuple[str, ...]
    limit: str
    figures: tuple[Figure, ...]
    tables: tuple[GroupTable, ...]


def section(fair: Fairness) -> Section:
    """What the report says about fairness."""
    found = [
        *(f for c in fair.columns for p in c.parities if (f := _parity_finding(fair, c, p))),
        *(f for c in fair.columns for g in c.groups if (f := _gap_finding(fair, c, g))),
    ]
    if not found and fair.target is not None:
        found = ["No group loses by learning from synthetic rows, and no column's groups are treated less alike, beyond"
                 " what the choice of rows explains."]  # fmt: skip
    found += [f for c in fair.columns for g in c.groups if (f := _size_finding(c, g))]
    if len(found) > _MAX_FINDINGS:
        found = [*found[:_MAX_FINDINGS], f"… and {len(found) - _MAX_FINDINGS:,} more; see the tables."]
    return Section(_lead(fair), tuple(found), _limit(fair), tuple(_figures(fair)), tuple(_tables(fair)))


def headline(fair: Fairness) -> tuple[str, str, str] | None:
    """Title, value and words of a card: the measure and column to which synthesis added most; None without a model."""
    named = [(p, c.column) for c in fair.columns for p in c.parities if p.measure in _HEADLINED]
    if not named:
        return None
    worst, column = max(named, key=lambda x: x[0].added)
    title = "Bias added" if fair.metric == "auc" else "Bias added (standard deviations)"
    words = (
        f"Most by {column!r}: {_WHAT[worst.measure]} differ by {_size(worst.measure, worst.synthetic)} between its"
        f" groups if a model learns from synthetic rows, by {_size(worst.measure, worst.real)} if from real ones;"
        f" interval {_size(worst.measure, worst.low, sign=True)} to {_size(worst.measure, worst.high, sign=True)}."
    )
    return title, _size(worst.measure, worst.added, sign=True), words


_HEADLINED: tuple[Measure, ...] = ("demographic_parity", "mean_prediction")
_WHAT: dict[Measure, str] = {
    "demographic_parity": "the shares that get a decision",
    "equalised_odds": "the rates of right and wrong decisions",
    "mean_prediction": "mean predictions",
    "mean_error": "mean errors",
}
_SHORT: dict[Measure, str] = {
    "demographic_parity": "demographic parity",
    "equalised_odds": "equalised odds",
    "mean_prediction": "mean prediction",
    "mean_error": "mean error",
}


def _lead(fair: Fairness) -> str:
    if fair.target is None:
        return (
            "Without a target to predict, only this is compared: how well each group's distributions are kept, against"
            " as many fresh real rows of the group."
        )
    return (
        f"A model that learnt {fair.target!r} from synthetic rows and one that learnt it from real rows decide about"
        " the same fresh real rows, group by group. No group should be worse off for the synthetic rows. Whether the"
        " real rows are fair themselves is another question."
    )


def _limit(fair: Fairness) -> str:
    widths = [(p.high - p.low) / 2 for c in fair.columns for p in c.parities]
    if not widths:
        return ""
    unit = " points" if fair.metric == "auc" else " standard deviations"
    width = f"{100 * max(widths):.0f}" if fair.metric == "auc" else f"{max(widths):.2f}"
    return (
        f"The intervals hold together with 95 % probability; the widest says no more than ±{width}{unit}, so smaller"
        " differences may be there."
    )


def _parity_finding(fair: Fairness, column: ColumnFairness, p: Parity) -> str | None:
    if p.low <= 0 <= p.high:
        return None
    verdict = "less alike" if p.low > 0 else "more alike"
    what = _WHAT[p.measure]
    if p.measure == "demographic_parity" and fair.favoured is not None:
        what = f"the shares that get {fair.favoured!r}"
    return (
        f"{column.column}: synthetic rows make a model treat the groups {verdict}: {what} differ by"
        f" {_size(p.measure, p.synthetic)} between groups, with real rows by {_size(p.measure, p.real)} (difference"
        f" {_size(p.measure, p.low, sign=True)} to {_size(p.measure, p.high, sign=True)})."
    )


def _gap_finding(fair: Fairness, column: ColumnFairness, g: Subgroup) -> str | None:
    if g.gap_low is None or g.gap_low <= 0 or g.tstr is None or g.trtr is None:
        return None
    kind = "AUC" if fair.metric == "auc" else "R²"
    return (
        f"{column.column}, {g.name}: a model does worse for this group when it learns from synthetic rows: {kind}"
        f" {g.tstr:.3f} instead of {g.trtr:.3f} (gap {g.gap_low:.3f} to {g.gap_high:.3f})."
    )


def _size_finding(column: ColumnFairness, g: Subgroup) -> str | None:
    """A group of less than half its share, or more than twice."""
    if 0.5 <= g.share_synthetic / g.share_train <= 2:
        return None
    return (
        f"{column.column}, {g.name}: {percent(g.share_train)} of the real rows, {percent(g.share_synthetic)} of the"
        " synthetic ones."
    )


def _size(measure: Measure, value: float, sign: bool = False) -> str:
    """Points for shares and rates, standard deviations for quantities."""
    plus = "+" if sign else ""
    if measure in ("demographic_parity", "equalised_odds"):
        return f"{100 * value:{plus}.1f} points"
    return f"{value:{plus}.2f}"


def _figures(fair: Fairness) -> list[Figure]:
    out = []
    rows = [
        (c.column, g.name, svg.Interval(g.gap_low, g.gap, g.gap_high))
        for c in fair.columns
        for g in c.groups
        if g.gap is not None and g.gap_low is not None and g.gap_high is not None
    ]
    if rows:
        name = "What each group loses when a model learns from synthetic instead of real rows"
        score = "AUC" if fair.metric == "auc" else "R²"
        out.append(
            Figure(
                "What each group loses",
                f"{score} of the model from real rows less that of the model from synthetic rows, on the group's fresh"
                " rows; right of the line: the group loses",
                svg.intervals(rows, name, lambda v: f"{v:.3g}"),
            )
        )
    parities = [(c.column, p) for c in fair.columns for p in c.parities]
    if parities:
        share = fair.metric == "auc"
        show = (lambda v: f"{100 * v:.3g}%") if share else (lambda v: f"{v:.3g}")
        out.append(
            Figure(
                "How differently groups are treated",
                "largest less smallest group; blue: model from real rows, orange: from synthetic rows; 0: all alike",
                svg.pairs([(c, _SHORT[p.measure], p.real, p.synthetic) for c, p in parities],
                          "Differences between groups, of the models from real and from synthetic rows", show),
            )  # fmt: skip
        )
        out.append(
            Figure(
                "Did synthesis add bias?",
                "the orange dot less the blue one, with its interval; right of the line: bias was added",
                svg.intervals(
                    [(c, _SHORT[p.measure], svg.Interval(p.low, p.added, p.high)) for c, p in parities],
                    "Differences that synthesis added", show,
                ),
            )  # fmt: skip
        )
    return out


def _tables(fair: Fairness) -> list[GroupTable]:
    why = {"named": "named", "by name": "chosen for its name", "by disparity": "chosen: the real model's groups differ"}
    out = []
    for c in fair.columns:
        if not c.groups:
            continue
        scored = any(g.gap is not None for g in c.groups)
        rated = any(g.rate_real is not None for g in c.groups)
        header = ["group", "real", "synthetic", "share", "shape error", "fresh real"]
        if scored:
            score = "AUC" if fair.metric == "auc" else "R²"
            header += [f"{score}, real → synthetic", "gap"]
        if rated:
            header.append(f"gets {fair.favoured}" if fair.favoured is not None else "mean prediction")
        note = "" if fair.target is None and why[c.chosen] == "by disparity" else why[c.chosen]
        if c.merged:
            note += f"; {c.merged:,} small groups are shown as one"
        if c.hidden:
            note += f"; {c.hidden:,} with fewer than {MIN_UNITS} units not shown"
        rows = tuple(_cells(fair, g, scored, rated) for g in c.groups)
        out.append(GroupTable(c.column, note, tuple(header), rows))
    return out


def _cells(fair: Fairness, g: Subgroup, scored: bool, rated: bool) -> tuple[str, ...]:
    cells = [
        g.name,
        f"{g.rows_train:,}",
        f"{g.rows_synthetic:,}",
        f"{percent(g.share_train)} → {percent(g.share_synthetic)}",
        *("–" if e is None else f"{e:.1f}%" for e in (g.shape_error, g.shape_error_holdout)),
    ]
    if scored:
        cells.append("–" if g.trtr is None else f"{g.trtr:.3f} → {g.tstr:.3f}")
        cells.append("–" if g.gap is None else f"{g.gap:.3f} ({g.gap_low:.3f} to {g.gap_high:.3f})")
    if rated:
        shown = percent if fair.metric == "auc" else "{:+.2f}".format
        both = (g.rate_real, g.rate_synthetic)
        cells.append("–" if None in both else " → ".join(shown(x) for x in both if x is not None))
    return tuple(cells)

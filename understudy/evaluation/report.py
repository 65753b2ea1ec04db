"""The report of an evaluation: one HTML file that opens offline, with its plots inside.

For internal use: it holds aggregates of the real table (histograms, associations), though no single row.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from understudy.evaluation import fairness_section, svg
from understudy.evaluation.fidelity import PairScore
from understudy.evaluation.pictures import Marginal
from understudy.evaluation.result import Evaluation
from understudy.evaluation.svg import Figure

MAX_MATRIX = 30
_WORST = 12


@dataclass(frozen=True)
class Card:
    """A headline figure: what it is called, its value, its error, what would be ideal, what it says here."""

    title: str
    value: str
    error: str
    ideal: str
    words: str


def write_report(evaluation: Evaluation, path: str | Path) -> None:
    """Write the report to `path`, whole or not at all.

    Raises StorageError when the file can't be written.
    """
    from understudy.files import atomic

    html = render(evaluation)
    with atomic(Path(path)) as temporary:
        Path(temporary).write_text(html, encoding="utf-8")


def render(evaluation: Evaluation) -> str:
    """The report as HTML text, of some 100 kB and always below 5 MB."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = files("understudy.evaluation").joinpath("report.html").read_text(encoding="utf-8")
    e = evaluation
    return environment.from_string(template).render(
        e=e,
        rows=f"{e.n_train:,} train rows, {e.n_holdout:,} holdout rows, {e.n_synthetic:,} synthetic rows,"
        f" {len(e.fidelity.columns):,} columns",
        cards=_cards(e),
        marginals=[_marginal(e, m) for m in e.marginals],
        matrices=_matrices(e),
        detection=_detection(e),
        fairness=fairness_section.section(e.fairness) if e.fairness else None,
        distances=_distances(e),
        columns=_worst_columns(e),
        pairs=_worst_pairs(e),
        dependencies=e.dependencies[:100],
        percent=svg.percent,
    )


def _cards(e: Evaluation) -> list[Card]:
    m = e.metrics
    cards = []
    if "shape_error" in m:
        words = "How far the single columns' distributions are off, on average over columns."
        cards.append(
            Card("Shape error", f"{m['shape_error']:.2f}%", "", "0%", words + _fresh(e, "shape_error_holdout"))
        )
    if "trend_error" in m:
        words = "How far the relations between two columns are off, on average over pairs."
        cards.append(
            Card("Trend error", f"{m['trend_error']:.2f}%", "", "0%", words + _fresh(e, "trend_error_holdout"))
        )
    if e.detection:
        words = (
            "Shown a synthetic and a fresh real row, boosted trees point at the synthetic one"
            f" {100 * m['c2st_auc']:.0f} times in 100; 50 is guessing."
        )
        cards.append(Card("Detection (C2ST AUC)", f"{m['c2st_auc']:.3f}", f"{m['c2st_auc_se']:.3f}", "0.5", words))
    if e.utility:
        kind = "AUC" if e.utility.metric == "auc" else "R²"
        words = (
            f"A model that learns {e.utility.target!r} from synthetic rows reaches {kind} {m['tstr']:.3f} on real rows;"
            f" one that learns from real rows, {m['trtr']:.3f}."
        )
        cards.append(Card("Utility gap (TRTR − TSTR)", f"{m['tstr_gap']:+.3f}", f"{m['tstr_gap_se']:.3f}", "0", words))
    if e.fairness and (bias := fairness_section.headline(e.fairness)):
        cards.append(Card(bias[0], bias[1], "", "0 or less", bias[2]))
    words = (
        "Synthetic rows that lie nearer to a train row than to any of as many fresh real rows."
        " Above one half: the generator remembers."
    )
    cards.append(Card("Nearer to train (DCR share)", f"{m['dcr_share']:.3f}", f"{m['dcr_share_se']:.3f}", "0.5", words))
    base = _share(m["exact_copies_holdout"])
    words = f"Synthetic rows equal to a train row in every column. Of fresh real rows, {base} are."
    cards.append(Card("Exact copies", _share(m["exact_copies"]), "", f"at most {base}", words))
    if e.support:
        words = (
            "Synthetic rows lie where real rows lie (precision), and real rows have synthetic ones about them"
            " (recall; fresh real rows reach about 0.5)."
        )
        value = f"{m['alpha_precision']:.3f} / {m['beta_recall']:.3f}"
        cards.append(
            Card("Precision / recall (α, β)", value, f"{e.support.beta_recall_se:.3f}", "1 / about 0.5", words)
        )
    reached = [(n, m[k]) for n, k in (("categories", "category_coverage"), ("ranges", "range_coverage")) if k in m]
    if reached:
        words = (
            "Share of the real "
            + " and of the real ".join(n for n, _ in reached)
            + " that the synthetic table reaches."
        )
        cards.append(Card("Coverage", " / ".join(f"{v:.3f}" for _, v in reached), "", "1", words))
    if "dependencies_kept" in m:
        words = (
            f"Rows that obey the {len(e.dependencies):,} rules found in train of the kind “one column fixes another”."
        )
        cards.append(Card("Dependencies kept", _share(m["dependencies_kept"]), "", "100%", words))
    return cards


def _fresh(e: Evaluation, name: str) -> str:
    return f" {e.n_holdout:,} fresh real rows score {e.metrics[name]:.2f}%." if name in e.metrics else ""


def _share(value: float) -> str:
    return f"{100 * value:.2f}%" if 0 < value < 0.9995 else f"{100 * value:.0f}%"


def _marginal(e: Evaluation, m: Marginal) -> Figure:
    score = next(c for c in e.fidelity.columns if c.name == m.name)
    caption = "no train value" if score.score is None else f"shape {100 * score.score:.1f}%"
    if score.missing_train or score.missing_synthetic:
        caption += (
            f" · missing {svg.percent(score.missing_train)} real, {svg.percent(score.missing_synthetic)} synthetic"
        )
    if m.edges and svg.is_spiky(m.train):
        caption += " · heights are square roots"
    name = f"Distribution of {m.name} in the real and the synthetic table"
    if m.labels:
        return Figure(m.name, caption, svg.bars(m.labels, m.train, m.synthetic, name))
    if not m.edges:
        return Figure(m.name, caption, svg.chart(300, 20, name, []))
    return Figure(m.name, caption, svg.steps(m.edges, m.train, m.synthetic, name, dates=m.kind == "datetime"))


def _matrices(e: Evaluation) -> list[Figure]:
    """Associations in train, in synthetic, and their difference; of a wide table, the worst columns'."""
    names = [c.name for c in e.fidelity.columns]
    if len(names) > MAX_MATRIX:
        loss = dict.fromkeys(names, 0.0)
        for p in e.fidelity.pairs:
            for name in (p.first, p.second):
                loss[name] = max(loss[name], _loss(p))
        keep = set(sorted(names, key=lambda n: -loss[n])[:MAX_MATRIX])
        names = [n for n in names if n in keep]
    at = {n: i for i, n in enumerate(names)}
    real, made = (np.full((len(names), len(names)), np.nan) for _ in range(2))
    for p in e.fidelity.pairs:
        if p.first in at and p.second in at and p.train is not None:
            i, j = at[p.first], at[p.second]
            real[i, j] = real[j, i] = p.train
            made[i, j] = made[j, i] = 0.0 if p.synthetic is None else p.synthetic
    if np.isnan(real).all():
        return []
    top = 0.2
    return [
        Figure(
            "Real", "association of each pair of columns", svg.heatmap(names, real, "Associations in the real table")
        ),
        Figure(
            "Synthetic",
            "the same in the synthetic table",
            svg.heatmap(names, made, "Associations in the synthetic table"),
        ),
        Figure(
            "Synthetic − real",
            f"full colour at a difference of {top:g}",
            svg.heatmap(names, made - real, "Differences of the associations", full=top),
        ),
    ]


def _detection(e: Evaluation) -> list[Figure]:
    if e.detection is None:
        return []
    d = e.detection
    figures = [
        Figure(
            "ROC of the detector",
            f"on the diagonal = indistinguishable; {d.rows:,} rows of each side, five folds",
            svg.roc(d.fpr, d.tpr, f"ROC curve of synthetic against real rows, area {d.auc:.3f}"),
        )
    ]
    top = [(n, v) for n, v in d.importances if v >= 0.001][:10]
    if top:
        chart = svg.ranking(
            [n for n, _ in top], [v for _, v in top], "Columns that give synthetic rows away", lambda v: f"{v:.3f}"
        )
        figures.append(Figure("What gives it away", "AUC lost when the column is shuffled", chart))
    return figures


def _distances(e: Evaluation) -> list[Figure]:
    c = e.closest_record
    caption = f"Gower distance of synthetic rows; filled: to train, line: to fresh rows ({c.references:,} of each)"
    if svg.is_spiky(c.train):
        caption += " · heights are square roots"
    figures = [
        Figure(
            "Distance to the closest record",
            caption,
            svg.steps(
                c.edges, c.train, c.holdout, "Distances of synthetic rows to their closest train and holdout rows"
            ),
        )
    ]
    p = e.projection
    if p is not None:
        figures.append(
            Figure(
                "Principal components",
                f"shaded: real rows, dots: synthetic rows; {svg.percent(p.explained)} of the variance",
                svg.cloud(
                    p.x_edges,
                    p.y_edges,
                    np.array(p.density),
                    p.x,
                    p.y,
                    "Real density and synthetic rows in two dimensions",
                ),
            )
        )
    return figures


def _worst_columns(e: Evaluation) -> list[tuple[str, str, str, str]]:
    covered = dict(e.coverage.by_column)
    scored = [(c, s) for c in e.fidelity.columns if (s := c.score) is not None]
    return [
        (
            c.name,
            f"{100 * s:.2f}%",
            f"{100 * (c.missing_synthetic - c.missing_train):+.2f}",
            f"{covered[c.name]:.3f}" if c.name in covered else "–",
        )
        for c, s in sorted(scored, key=lambda x: x[1])[:_WORST]
    ]


def _worst_pairs(e: Evaluation) -> list[tuple[str, str, str, str]]:
    ranked = sorted((p for p in e.fidelity.pairs if p.score_fixed is not None), key=_loss, reverse=True)
    return [
        (f"{p.first} × {p.second}", f"{100 * (1 - _loss(p)):.2f}%", _signed(p.train), _signed(p.synthetic))
        for p in ranked[:_WORST]
    ]


def _loss(pair: PairScore) -> float:
    return 0.0 if pair.score_fixed is None else 1 - pair.score_fixed


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"

"""The audit as a page for the person who answers for the release, and as one for everyone: HTML that opens offline.

The first is for internal use: it holds rates and counts, no value and no score of a single unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from understudy.audit import plots
from understudy.audit.criteria.risk import TITLES, CriterionRisk
from understudy.audit.gate import not_cleared
from understudy.audit.membership.ensemble import ATTACKS
from understudy.audit.membership.risk import WHO, Risk
from understudy.audit.policy import auc_required
from understudy.audit.public import Statement
from understudy.audit.record import AuditReport
from understudy.audit.stats import binomial_interval
from understudy.audit.subgroups import SubgroupRisk

if TYPE_CHECKING:
    import jinja2

MEANING = {
    "PASS": "No leak above the detectable size was found. This does not make the table anonymous.",
    "FAIL": "A leak beyond what the policy allows was proven. Don't release this table.",
    "INCONCLUSIVE": "Neither a leak nor its absence could be shown. That blocks the release as well.",
}
NOT_TESTED = (
    "Worst-case persons, unless attacks on single people were asked for: the rates are averages over people, and one"
    " person's risk may be higher.",
    "The generator itself: what is judged is the synthetic table. Who has the artifact, or may draw rows without end,"
    " comes nearer to the white-box attack, which is shown and decides only where the policy says so.",
    "Repeated releases from the same data, whose leaks add up.",
    "Attackers with other data about these people than rows of the same table.",
    "Differential privacy: nothing here is a bound on epsilon.",
)
WP29 = (
    ("singling_out", "Singling out", "isolate a person's record"),
    ("linkability", "Linkability", "join two records of the same person"),
    ("attribute_inference", "Inference", "deduce a value about a person"),
)
"""The three criteria of the Article 29 Working Party's Opinion 05/2014, in its order."""


@dataclass(frozen=True)
class Criterion:
    """One of the three, by its most telling attack, in words."""

    title: str
    question: str
    state: str
    words: str
    n_tried: int
    n_judged: int


@dataclass(frozen=True)
class Line:
    """One attack in one stratum, in words."""

    title: str
    idea: str
    stratum: str
    auc: str
    auc_bound: str
    auc_limit: str
    tpr: str
    tpr_bound: str
    tpr_limit: str
    over: bool


def render_public(statement: Statement) -> str:
    """The public page as HTML text, some 10 kB."""
    return _template("public.html").render(s=statement, meaning=MEANING[statement.verdict], not_tested=NOT_TESTED)


def render(report: AuditReport) -> str:
    """The internal page as HTML text, some 80 kB."""
    smallest = 0.01 if report.n_out < 1_000 else 0.001
    titles = {name: ATTACKS[name].title if name in ATTACKS else name for name in report.curves.tpr}
    return _template("report.html").render(
        criteria=[_criterion(report, *names) for names in WP29],
        risks_chart=plots.rates([_rate(c) for c in report.criteria if c.gated], report.policy.max_residual_risk),
        subgroups={
            title: plots.groups([_group(g) for g in found]) for title, found in report.subgroups.items() if found
        },
        r=report,
        policy=report.policy,
        meaning=MEANING[report.verdict],
        unit="row" if report.unit == "row" else f"value of the column {report.unit!r}",
        lines=[_line(risk, report) for risk in report.risks],
        chart=plots.intervals([_bar(risk, report) for risk in report.risks], report.policy.max_auc)
        if report.risks
        else "",
        roc=plots.roc(
            report.curves.fpr,
            {titles[name]: curve for name, curve in report.curves.tpr.items()},
            report.policy.tpr_ratio,
            smallest,
            band=_band(report, smallest),
        ),
        legend=list(titles.values()),
        not_tested=NOT_TESTED,
    )


def _template(name: str) -> jinja2.Template:
    import jinja2

    def text(file: str) -> str:
        return files("understudy.audit").joinpath(file).read_text(encoding="utf-8")

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        loader=jinja2.FunctionLoader(text),
    )  # fmt: skip
    return environment.get_template(name)


def _criterion(report: AuditReport, name: str, title: str, question: str) -> Criterion:
    tried = [c for c in report.criteria if c.criterion == name and c.gated]
    judged = [c for c in tried if c.supported]
    if not tried:
        return Criterion(title, question, "INCONCLUSIVE", "It could not be tried on this table.", 0, 0)
    worst = max(judged or tried, key=lambda c: c.rho_upper)
    failed = report.verdict == "FAIL"
    over = [c for c in tried if failed and c.proven(report.policy) and c.p_value <= report.policy.alpha]
    if over:
        worst = max(over, key=lambda c: c.rho)
    state = "FAIL" if over else "PASS" if judged and all(c.cleared(report.policy) for c in tried) else "INCONCLUSIVE"
    return Criterion(title, question, state, worst.words, len(tried), len(judged))


def _rate(c: CriterionRisk) -> plots.Rate:
    return plots.Rate(
        TITLES[c.criterion], c.detail, WHO[c.stratum], c.rate_in, c.rate_in_low, c.rate_in_high,
        c.rate_out, c.baseline, c.rho, c.rho_upper, c.supported,
    )  # fmt: skip


def _group(g: SubgroupRisk) -> plots.Bar:
    return plots.Bar(g.column, f"{g.group} ({g.n_in:,} | {g.n_out:,})", g.low, g.value, g.high, g.p_value < 0.001)


def _band(report: AuditReport, smallest: float) -> tuple[str, list[tuple[float, float, float]]] | None:
    """The 95 % Clopper-Pearson band of the attack with the largest AUC: its title and (fpr, low, high)."""
    shown = [r for r in report.risks if r.stratum == "all" and r.attack in report.curves.tpr]
    if not shown:
        return None
    best = max(shown, key=lambda r: r.auc)
    pairs = zip(report.curves.fpr, report.curves.tpr[best.attack], strict=True)
    at = [(f, binomial_interval(round(t * best.n_in), best.n_in)) for f, t in pairs if f >= smallest * 0.999]
    return ATTACKS[best.attack].title, [(f, low, high) for f, (low, high) in at]


def _bar(risk: Risk, report: AuditReport) -> plots.Bar:
    policy = report.policy
    judged = risk.gated and auc_required(risk.stratum, risk.n_in, risk.n_out, policy)
    over = risk.gated and risk.auc_low > policy.max_auc or (judged and risk.auc_upper > policy.max_auc)
    group = f"{WHO[risk.stratum].capitalize()}: {risk.n_in:,} and {risk.n_out:,}"
    return plots.Bar(group, ATTACKS[risk.attack].title, risk.auc_low, risk.auc, risk.auc_high, over)


def _line(risk: Risk, report: AuditReport) -> Line:
    policy, attack = report.policy, ATTACKS[risk.attack]
    judged = risk.gated and auc_required(risk.stratum, risk.n_in, risk.n_out, policy)
    known = risk.level is not None
    return Line(
        title=attack.title,
        idea=attack.idea,
        stratum=WHO[risk.stratum],
        auc=f"{risk.auc:.3f}",
        auc_bound=f"{risk.auc_upper:.3f}",
        auc_limit=f"{policy.max_auc:.3f}" if judged else "–",
        tpr=f"{risk.tpr:.1%} at {risk.level:.0%}" if known else "–",
        tpr_bound=f"{risk.tpr_upper:.1%}" if known else "–",
        tpr_limit=f"{policy.tpr_ratio * (risk.level or 0):.0%}" if known and risk.supported and risk.gated else "–",
        over=risk.gated and bool(not_cleared(risk, policy)),
    )

"""The audit as a page for the person who answers for the release: one HTML file that opens offline.

For internal use: it holds rates and counts, no value and no score of a single unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from understudy.audit import plots
from understudy.audit.gate import not_cleared
from understudy.audit.membership.ensemble import ATTACKS
from understudy.audit.membership.risk import WHO, Risk
from understudy.audit.policy import auc_required
from understudy.audit.record import AuditReport
from understudy.files import write_text

MEANING = {
    "PASS": "No leak above the detectable size was found. This does not make the table anonymous.",
    "FAIL": "A leak beyond what the policy allows was proven. Don't release this table.",
    "INCONCLUSIVE": "Neither a leak nor its absence could be shown. That blocks the release as well.",
}
NOT_TESTED = (
    "Singling out, linkability and attribute inference (the three criteria of WP29 Opinion 05/2014).",
    "Attackers who know the generator's type and refit it, or who combine several attacks into one.",
    "Worst-case persons: the rates are averages over people, and one person's risk may be higher.",
    "The model itself: the attacks see the synthetic table only. Release the table, not the model.",
    "Repeated releases from the same data, whose leaks add up.",
    "Differential privacy: nothing here is a bound on epsilon.",
)


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


def write_report(report: AuditReport, path: str | Path) -> None:
    """Write the page to `path`, whole or not at all. Raises StorageError when it can't be written."""
    write_text(path, render(report))


def render(report: AuditReport) -> str:
    """The page as HTML text, some 40 kB."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = files("understudy.audit").joinpath("report.html").read_text(encoding="utf-8")
    smallest = 0.01 if report.n_out < 1_000 else 0.001
    titles = {name: ATTACKS[name].title if name in ATTACKS else name for name in report.curves.tpr}
    return environment.from_string(template).render(
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
        ),
        legend=list(titles.values()),
        not_tested=NOT_TESTED,
    )


def _bar(risk: Risk, report: AuditReport) -> plots.Bar:
    policy = report.policy
    judged = auc_required(risk.stratum, risk.n_in, risk.n_out, policy)
    over = risk.auc_low > policy.max_auc or (judged and risk.auc_upper > policy.max_auc)
    group = f"{WHO[risk.stratum].capitalize()}: {risk.n_in:,} and {risk.n_out:,}"
    return plots.Bar(group, ATTACKS[risk.attack].title, risk.auc_low, risk.auc, risk.auc_high, over)


def _line(risk: Risk, report: AuditReport) -> Line:
    policy, attack = report.policy, ATTACKS[risk.attack]
    judged = auc_required(risk.stratum, risk.n_in, risk.n_out, policy)
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
        tpr_limit=f"{policy.tpr_ratio * risk.level:.0%}" if risk.level is not None and risk.supported else "–",
        over=bool(not_cleared(risk, policy)),
    )

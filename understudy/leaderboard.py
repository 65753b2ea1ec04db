"""Stages that compare several generators fitted on one table: candidates, promote.

Every candidate is recorded with its verdict. Of those that passed the audit the best is registered: the one whose
rows are hardest to tell from real ones (C2ST AUC), or, among those within two standard errors of it, the one that
loses least utility (TSTR gap).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from understudy.config import Params
from understudy.errors import ConfigError, PipelineError, Rejected
from understudy.evidence import PASS, Evidence, Registration
from understudy.files import write_text
from understudy.stages import register

SHOWN = ("c2st_auc", "c2st_auc_se", "tstr_gap", "shape_error", "trend_error", "dcr_share")


@dataclass(frozen=True)
class Entry:
    """A candidate: its generator, verdict, metrics, and the run in which it was recorded."""

    generator: str
    options: str
    verdict: str
    metrics: Mapping[str, float]
    run_id: str


def candidates(*, generators: str) -> list[str]:
    """The sections of the candidates' generators, each as JSON, from a JSON list of such sections or names.

    Raises ConfigError for none, or for one that isn't a section.

    >>> candidates(generators='["forest", {"name": "independent", "seed": 1}]')
    ['{"config":{},"name":"forest","seed":0}', '{"config":{},"name":"independent","seed":1}']
    """
    try:
        listed = json.loads(generators)
    except ValueError:
        listed = None
    if not isinstance(listed, list) or not listed:
        raise ConfigError(f"generators is {generators[:80]!r}; give a JSON list of names or sections")
    sections = [{"name": g} if isinstance(g, str) else g for g in listed]
    return [Params.of({"generator": s}, "generators").section_json("generator") for s in sections]


def best(entries: Sequence[Entry]) -> int | None:
    """The position of the best entry that passed, None if none did. One without figures comes last."""
    passed = [i for i, e in enumerate(entries) if e.verdict == PASS]
    if not passed:
        return None

    def figure(i: int, name: str, missing: float = math.inf) -> float:
        return entries[i].metrics.get(name, missing)

    first = min(passed, key=lambda i: figure(i, "c2st_auc"))
    close = [
        i
        for i in passed
        if figure(i, "c2st_auc") - figure(first, "c2st_auc")
        <= 2 * math.hypot(figure(i, "c2st_auc_se", 0.0), figure(first, "c2st_auc_se", 0.0))
    ]
    return min(close or [first], key=lambda i: (figure(i, "tstr_gap"), figure(i, "c2st_auc")))


def promote(
    *, tables: str, models: Sequence[str], synthetics: Sequence[str], evaluations: Sequence[str],
    audits: Sequence[str], generators: str, out: str | Path, board: str | Path, data_md5: str, code_commit: str,
    tracking_uri: str = "", **sections: str,
) -> Registration:  # fmt: skip
    """Record all candidates, register the best that passed, write the answer to `out` (JSON) and a table to `board`
    (Markdown).

    The lists are in the order of `generators` (see `candidates`); `sections` are those of the parameters without
    `generator`. Doing it again gives the same runs and version. Raises Rejected, when all is recorded, if none passed;
    PipelineError when the lists don't belong together.
    """
    from understudy.tracking import record_run

    options = candidates(generators=generators)
    if {len(models), len(synthetics), len(evaluations), len(audits)} != {len(options)}:
        counts = f"{len(models)} models and {len(audits)} audits"
        raise PipelineError(f"{len(options)} candidates gave {counts}; run it again")
    found = [
        Evidence.of(
            tables=tables, model=models[i], synthetic=synthetics[i], evaluation=evaluations[i], audited=audits[i],
            data_md5=data_md5, code_commit=code_commit, generator=option, **sections,
        )
        for i, option in enumerate(options)
    ]  # fmt: skip
    for e in found:
        if e.params.generator.name not in ("auto", e.generator):
            raise PipelineError(f"candidate {e.params.generator.name!r} came with a {e.generator!r}; run it again")
    entries = [
        Entry(e.generator, option, e.verdict, e.metrics, record_run(e, tracking_uri).run_id)
        for e, option in zip(found, options, strict=True)
    ]
    winner = best(entries)
    write_text(board, to_markdown(entries, winner))
    if winner is None:
        verdicts = ", ".join(f"{e.generator} {e.verdict}" for e in entries)
        raise Rejected(f"no candidate passed the audit ({verdicts}), so nothing is registered; their runs are recorded")
    return register(evidence=found[winner], out=out, tracking_uri=tracking_uri)


def to_markdown(entries: Sequence[Entry], winner: int | None) -> str:
    """The leaderboard, best first among those that passed."""
    order = sorted(range(len(entries)), key=lambda i: (i != winner, entries[i].verdict != PASS, _auc(entries[i])))
    lines = ["| | generator | verdict | " + " | ".join(SHOWN) + " |", "|---|---|---|" + "---|" * len(SHOWN)]
    for i in order:
        e = entries[i]
        figures = " | ".join(f"{e.metrics[m]:.4f}" if m in e.metrics else "" for m in SHOWN)
        lines.append(f"| {'best' if i == winner else ''} | {e.generator} | {e.verdict} | {figures} |")
    return "\n".join(lines) + "\n"


def _auc(entry: Entry) -> float:
    return entry.metrics.get("c2st_auc", math.inf)

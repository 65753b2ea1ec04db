"""Evidently: the report of a check as HTML, and as a snapshot in a workspace that `evidently ui` opens.

Evidently draws and keeps the reports and holds the history; the numbers in them are those of the verdict, so that
both always agree. This is the only module that imports it. Its telemetry is off.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from understudy.files import atomic
from understudy.monitoring.bins import Bins
from understudy.monitoring.shift import PAIR_BINS, Effect
from understudy.monitoring.verdict import Verdict

if TYPE_CHECKING:
    from evidently.core.report import Snapshot

    from understudy.schema import TableSchema

METHOD = "understudy"
METHOD_SHOWN = "share of rows that moved to another bin"
MOST_PAIRS = 6
ANY = 0.001
"""A share of columns that any column exceeds."""

_effects: dict[str, Effect] = {}
"""What the method, which Evidently calls by column, answers in the report that is being made."""


def report(
    verdict: Verdict, current: pd.DataFrame, reference: pd.DataFrame, schema: TableSchema, *, html: Path,
    workspace: Path | None,
) -> dict[str, str]:  # fmt: skip
    """Write the report of `verdict` to `html`, and add it to `workspace`. Returns the paths that were written.

    Columns that are all missing on one side are left out: Evidently can't draw them; the verdict has them.
    """
    os.environ.setdefault("DO_NOT_TRACK", "true")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        snapshot = _snapshot(verdict, current, reference, schema)
        if snapshot is None:
            return {}
        with atomic(html) as temporary:
            snapshot.save_html(str(temporary))
        if workspace is not None:
            _keep(snapshot, verdict, workspace)
    return {"report": str(html)} | ({} if workspace is None else {"workspace": str(workspace)})


def _snapshot(
    verdict: Verdict, current: pd.DataFrame, reference: pd.DataFrame, schema: TableSchema
) -> Snapshot | None:
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import DriftedColumnsCount
    from evidently.presets import DataDriftPreset

    _register()
    effects = {e.column: e for e in verdict.effects if not e.partner}
    usable = [n for n in effects if current[n].notna().any() and reference[n].notna().any()]
    if not usable:
        return None
    tables = [_plain(t[usable], schema) for t in (current, reference)]
    for effect in _shown_pairs(verdict.effects, usable):
        joint = _joint(effect, current, reference, schema)
        for table, values in zip(tables, joint, strict=True):
            table[effect.key] = values
        effects[effect.key] = effect
    names = list(tables[0].columns)
    numbers = [n for n in names if tables[0][n].dtype.kind == "f"]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=[n for n in names if n not in numbers])
    mine, theirs = (Dataset.from_pandas(t, data_definition=definition) for t in tables)
    preset = DataDriftPreset(
        columns=names, drift_share=ANY, per_column_method=dict.fromkeys(names, METHOD),
        per_column_threshold={n: effects[n].threshold for n in names},
    )  # fmt: skip
    history = DriftedColumnsCount(method=METHOD, drift_share=ANY)
    tags = [verdict.check, verdict.overall]
    made = Report([preset, history], include_tests=True, tags=tags, metadata=_metadata(verdict))
    _effects.update(effects)
    try:
        return made.run(mine, theirs, timestamp=datetime.fromisoformat(verdict.time))
    finally:
        _effects.clear()


def _register() -> None:
    """Teach Evidently the method: it answers what was measured already."""
    from evidently.legacy.calculations.stattests import registry
    from evidently.legacy.core import ColumnType

    kinds = [ColumnType.Numerical, ColumnType.Categorical]
    registry.register_stattest(registry.StatTest(METHOD, METHOD_SHOWN, kinds, 0.1), _measured)


def _measured(reference: pd.Series, current: pd.Series, kind: Any, threshold: float) -> tuple[float, bool]:
    effect = _effects[str(reference.name)]
    return effect.effect, effect.alarm


def _shown_pairs(effects: Sequence[Effect], usable: list[str]) -> list[Effect]:
    """The pairs that moved most beyond their thresholds."""
    pairs = [e for e in effects if e.alarm and e.partner and e.column in usable and e.partner in usable]
    return sorted(pairs, key=lambda e: e.threshold - e.effect)[:MOST_PAIRS]


def _joint(
    effect: Effect, current: pd.DataFrame, reference: pd.DataFrame, schema: TableSchema
) -> list[pd.Series]:
    """The bins of a pair as one column, for each table."""
    names = [effect.column, effect.partner]
    first, second = Bins.of(reference[names], schema, PAIR_BINS).columns
    by_name = {c.name: c for c in (first, second)}
    a, b = by_name[effect.column], by_name[effect.partner]
    return [a.text(t[a.name]) + " & " + b.text(t[b.name]) for t in (current, reference)]


def _plain(table: pd.DataFrame, schema: TableSchema) -> pd.DataFrame:
    """Numbers as float64, dates as years, all else as text: what Evidently draws without failing."""
    plain = {}
    for name in table.columns:
        values, kind = table[name], schema.column(str(name)).kind
        if kind == "numerical":
            plain[name] = values.astype("float64")
        elif kind == "datetime":
            plain[name] = values.dt.year + (values.dt.dayofyear - 1) / 366
        else:
            plain[name] = values.astype(object).map(lambda v: None if pd.isna(v) else str(v))
    return pd.DataFrame(plain)


def _metadata(verdict: Verdict) -> dict[str, Any]:
    """All text: with a list among them the dashboard fails (Evidently 0.7.23)."""
    return {
        "check": verdict.check, "model": verdict.model, "version": verdict.version, "overall": verdict.overall,
        "reasons": "; ".join(verdict.reasons[:20]),
    }  # fmt: skip


def _keep(snapshot: Snapshot, verdict: Verdict, workspace: Path) -> None:
    """Add the snapshot to the project of this model and check; the project is made with a plot of the drift share."""
    from evidently.sdk.models import PanelMetric
    from evidently.sdk.panels import line_plot_panel
    from evidently.ui.workspace import Workspace

    logging.getLogger("evidently").setLevel(logging.ERROR)
    workspace.mkdir(parents=True, exist_ok=True)
    store = Workspace.create(str(workspace))
    name = f"{verdict.model or 'model'}: {verdict.check}"
    project = next((p for p in store.list_projects() if p.name == name), None)
    if project is None:
        project = store.create_project(name, f"understudy monitor {verdict.check}")
        for shown, field in (("Share of columns in alarm", "share"), ("Columns in alarm", "count")):
            # A plot is of equal metrics: of the one without thresholds, which change from run to run.
            labels = {"value_type": field, "method": METHOD}
            metric = PanelMetric(legend=shown, metric="DriftedColumnsCount", metric_labels=labels)
            project.dashboard.add_panel(line_plot_panel(title=shown, values=[metric], size="half"))
    store.add_run(project.id, snapshot, name=f"{verdict.overall} {verdict.time}")

"""The three checks: rows in, verdict out; and what they leave on disk.

`out_dir` gets CHECK/verdict.json and CHECK/report.html, and the workspace of `evidently ui`, which keeps the history.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from understudy.canonical import conform
from understudy.errors import ConfigError
from understudy.files import write_text
from understudy.monitoring import requests, windows
from understudy.monitoring.reference import ROWS as REFERENCE_ROWS
from understudy.monitoring.reference import Reference
from understudy.monitoring.shift import compare
from understudy.monitoring.verdict import Verdict, judge
from understudy.monitoring.windows import Window
from understudy.progress import Progress
from understudy.schema import TableSchema

SERVED, DATA, REQUESTS = "served", "data", "requests"


def check_served(
    reference: Reference, rows: pd.DataFrame, *, out_dir: Path, n_rows: int = windows.ROWS, seed: int = 0,
    faults: Sequence[str] = (), progress: Progress | None = None,
) -> Verdict:  # fmt: skip
    """Whether `rows`, which a model served, look as the registered version's. `faults` were found before.

    Raises ConfigError for too few rows.
    """
    rng = np.random.default_rng(seed)
    window = Window.of(rows, reference.schema, list(reference.table.columns), n_rows, rng)
    window = dataclasses.replace(window, units=None, faults=(*faults, *window.faults))
    return _checked(SERVED, window, reference, {}, "", out_dir, rng, progress)


def check_data(
    reference: Reference, rows: pd.DataFrame, *, out_dir: Path, n_rows: int = windows.ROWS, seed: int = 0,
    progress: Progress | None = None,
) -> Verdict:  # fmt: skip
    """Whether `rows`, new real ones, still look as what the model learnt: as its synthetic profile, but for the
    distance that fresh real rows had from it when it was registered. Raises ConfigError for too few rows."""
    rng = np.random.default_rng(seed)
    window = Window.of(rows, reference.schema, list(reference.table.columns), n_rows, rng)
    unit, note = reference.schema.unit, ""
    if unit is not None and window.units is None:
        note = f"without the column {unit!r} rows of one person count as independent, so alarms by chance are likely"
    return _checked(DATA, window, reference, reference.baseline, note, out_dir, rng, progress)


def check_requests(
    log: pd.DataFrame, periods: requests.Periods, *, out_dir: Path, n_rows: int = windows.ROWS, seed: int = 0,
    progress: Progress | None = None,
) -> Verdict:  # fmt: skip
    """Whether the requests of a period look as those before it: their columns one by one.

    Raises ConfigError for too few requests in either period.
    """
    rng = np.random.default_rng(seed)
    schema = requests.SCHEMA
    names = [c.name for c in schema.modelled]
    parts = periods.split(log)
    for part, what in zip(parts, ("window", "reference"), strict=True):
        if len(part) < windows.FEWEST:
            raise ConfigError(f"the {what} has {len(part)} requests; give a longer one, with {windows.FEWEST} or more")
    mine = Window.of(parts[0], schema, names, n_rows, rng)
    theirs = Window.of(parts[1], schema, names, REFERENCE_ROWS, rng)
    effects = compare(
        mine.table, theirs.table, schema, rng=rng, units=mine.units, reference_units=theirs.units, dependence=False
    )
    verdict = judge(
        REQUESTS, effects, mine.table, theirs.table, faults=mine.faults,
        rows={"window": len(mine.table), "given": mine.n_given, "reference": len(theirs.table)},
    )  # fmt: skip
    return _written(verdict, mine.table, theirs.table, schema, out_dir)


def _checked(
    check: str, window: Window, reference: Reference, baseline: Mapping[str, float], note: str, out_dir: Path,
    rng: np.random.Generator, progress: Progress | None,
) -> Verdict:  # fmt: skip
    tell = progress or _silent
    tell(0.1, "comparing columns and pairs")
    table = conform(reference.table, reference.schema, require_all=False)
    effects = compare(window.table, table, reference.schema, rng=rng, units=window.units, baseline=baseline)
    verdict = judge(
        check, effects, window.table, table, faults=window.faults, model=reference.model, version=reference.version,
        note=note, rows={"window": len(window.table), "given": window.n_given, "reference": len(table)},
    )  # fmt: skip
    tell(0.7, "drawing the report")
    return _written(verdict, window.table, table, reference.schema, out_dir)


def _written(
    verdict: Verdict, current: pd.DataFrame, reference: pd.DataFrame, schema: TableSchema, out_dir: Path
) -> Verdict:
    from understudy.monitoring import drift

    place = out_dir / verdict.check
    paths = drift.report(
        verdict, current, reference, schema, html=place / "report.html", workspace=out_dir / "workspace"
    )
    verdict = dataclasses.replace(verdict, paths={**paths, "verdict": str(place / "verdict.json")})
    save(verdict)
    return verdict


def save(verdict: Verdict) -> None:
    """Write verdict.json."""
    write_text(verdict.paths["verdict"], verdict.to_json())


def _silent(share: float, message: str) -> None:
    """The progress of a caller who wants none."""

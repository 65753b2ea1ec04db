"""The serving audit log as a table: who asks for what, by time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from understudy.errors import ConfigError, TableError
from understudy.schema import Column, TableSchema

SCHEMA = TableSchema(
    columns=(
        Column(name="route", kind="categorical", nullable=True),
        Column(name="client", kind="categorical", nullable=True),
        Column(name="version", kind="categorical", nullable=True),
        Column(name="status", kind="categorical", nullable=True),
        Column(name="reason", kind="categorical", nullable=True),
        Column(name="format", kind="categorical", nullable=True),
        Column(name="seeded", kind="categorical", nullable=True),
        Column(name="conditions", kind="categorical", nullable=True),
        Column(name="columns", kind="categorical", nullable=True),
        Column(name="n_rows", kind="numerical", nullable=True, decimals=0),
        Column(name="session", kind="id"),
    ),
    unit="session",
)
"""What is compared of a request. The requests of one client in one hour are no independent ones: a session."""
PLAIN = ("route", "client", "version", "status", "reason", "format", "seeded")
"""Fields of a record that are taken as they are."""


@dataclass(frozen=True)
class Periods:
    """The last `days` before `end`, and the `reference_days` before those. All in days and UTC."""

    end: pd.Timestamp
    days: float
    reference_days: float

    def split(self, log: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The window and the reference."""
        start = self.end - pd.Timedelta(days=self.days)
        first = start - pd.Timedelta(days=self.reference_days)
        time = log["time"]
        return log[(time > start) & (time <= self.end)], log[(time > first) & (time <= start)]


def read_logs(paths: Sequence[Path]) -> pd.DataFrame:
    """The requests in audit logs: the columns of `SCHEMA`, and `time`. Records that are no requests are left out.

    Conditions and columns are told by their names, not by their values. Raises TableError.
    """
    rows = [_row(record) for path in paths for record in _records(path) if "route" in record]
    if not rows:
        raise TableError(f"{', '.join(map(str, paths))}: no requests in it; give the audit log of `understudy serve`")
    table = pd.DataFrame(rows)
    table["time"] = pd.to_datetime(table["time"], utc=True, format="ISO8601", errors="coerce")
    if table["time"].isna().any():
        raise TableError(f"{paths[0]}: a request has no time; check with `understudy audit-log verify`")
    table["session"] = table["client"].fillna("") + " " + table["time"].dt.strftime("%Y-%m-%dT%H")
    return table.sort_values("time", kind="stable", ignore_index=True)


def periods(log: pd.DataFrame, end: str | None, days: float, reference_days: float) -> Periods:
    """Raises ConfigError for periods that can't be."""
    if not 0 < days <= 3650 or not 0 < reference_days <= 3650:
        raise ConfigError(f"the window has {days} and the reference {reference_days} days; give numbers above 0")
    try:
        last = log["time"].iloc[-1] if end is None else pd.Timestamp(end)
    except ValueError:
        raise ConfigError(f"--end {end}: is no time; write it like 2026-11-24 or 2026-11-24T12:00Z") from None
    return Periods(last.tz_localize("UTC") if last.tzinfo is None else last, days, reference_days)


def _records(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    record = json.loads(line)
                except ValueError:
                    hint = "give the audit log of `understudy serve`"
                    raise TableError(f"{path}: line {number} is no JSON; {hint}") from None
                if isinstance(record, dict):
                    yield record
    except OSError as e:
        raise TableError(f"{path}: can't be read ({e.strerror}); check the path") from None


def _row(record: dict[str, Any]) -> dict[str, Any]:
    conditions, columns = record.get("conditions"), record.get("columns")
    n_rows = record.get("n_rows")
    return {
        "time": record.get("time"),
        **{name: _text(record.get(name)) for name in PLAIN},
        "conditions": ", ".join(sorted(conditions)) if isinstance(conditions, dict) and conditions else "none",
        "columns": ", ".join(map(str, columns)) if isinstance(columns, list) and columns else "all",
        "n_rows": n_rows if isinstance(n_rows, int) else None,
    }


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)

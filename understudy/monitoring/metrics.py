"""Verdicts as Prometheus metrics, in a file for node-exporter's textfile collector."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from understudy.errors import ConfigError
from understudy.files import storage_error
from understudy.monitoring.verdict import BROKEN, Verdict

BY_CHECK = ["check", "model", "version"]


def checked(path: Path | None) -> Path | None:
    """Raises ConfigError for a name that the collector doesn't read."""
    if path is not None and path.suffix != ".prom":
        raise ConfigError(f"--metrics-file {path}: the textfile collector reads *.prom files only; name it so")
    return path


def write(verdict: Verdict, path: Path) -> None:
    """Write the metrics of one verdict to `path`, whole or not at all. Raises StorageError.

    A check writes a file of its own: the collector merges files.
    """
    from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

    registry = CollectorRegistry()
    about = (verdict.check, verdict.model, verdict.version)

    def gauge(name: str, text: str, value: float) -> None:
        Gauge(name, text, BY_CHECK, registry=registry).labels(*about).set(value)

    gauge("understudy_drift_share", "Share of columns in alarm", verdict.drift_share)
    gauge("understudy_drift_alarm", "1 if the last check found drift or worse", float(verdict.alarm))
    gauge("understudy_drift_broken", "1 if it found a broken or swapped model or table", verdict.overall == BROKEN)
    checked = datetime.fromisoformat(verdict.time).timestamp()
    gauge("understudy_drift_checked_timestamp_seconds", "When the last check was", checked)
    labels = [*BY_CHECK, "column", "statistic"]
    effect = Gauge("understudy_drift_effect", "Share of rows that moved, by column", labels, registry=registry)
    limit = Gauge("understudy_drift_threshold", "The effect above which there is an alarm", labels, registry=registry)
    for c in verdict.columns:
        found = {"values": (c.effect, c.threshold), "dependence": (c.dependence, c.dependence_threshold)}
        for statistic, (value, threshold) in found.items():
            if value is not None and threshold is not None:
                effect.labels(*about, c.column, statistic).set(value)
                limit.labels(*about, c.column, statistic).set(threshold)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_to_textfile(str(path), registry)
    except OSError as e:
        raise storage_error(path, e) from e

"""The audit log as a table, and the check of the request mix."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from understudy.errors import ConfigError, TableError
from understudy.monitoring import job, requests


def write_log(path: Path, days: int, seed: int, change: Callable[[dict[str, Any], int], None] = lambda r, day: None) -> Path:
    """A log of `days` days up to 2026-11-24 with 60 requests a day of four clients; `change` sees record and day."""
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2026-11-24", tz="UTC") - pd.Timedelta(days=days)
    lines = [json.dumps({"time": start.isoformat(), "event": "recovered", "torn_bytes": 3})]
    for day in range(days):
        for second in np.sort(rng.integers(0, 86400, 60)):
            rich = rng.random() < 0.3
            record = {
                "time": (start + pd.Timedelta(days=day, seconds=int(second))).isoformat().replace("+00:00", "Z"),
                "request": "x", "client": f"team-{rng.choice(4, p=[0.4, 0.3, 0.2, 0.1])}", "role": "sampler", "model": "people",
                "version": "3", "route": "/sample", "n_rows": int(rng.choice([100, 1000, 50_000])),
                "conditions": {"age": {"min": 50}} if rich else None, "columns": None, "format": "csv", "seeded": bool(rng.random() < 0.5),
                "status": 200, "reason": "",
            }  # fmt: skip
            change(record, day - days)
            lines.append(json.dumps(record))
    path.write_text("\n".join(lines) + "\n")
    return path


def check(path: Path, tmp_path: Path, **options: Any) -> Any:
    log = requests.read_logs([path])
    return job.check_requests(log, requests.periods(log, "2026-11-24", 7, 28), out_dir=tmp_path / "out", **options)


def test_an_ordinary_week_is_ok(tmp_path: Path) -> None:
    found = check(write_log(tmp_path / "audit.jsonl", 40, 1), tmp_path)
    assert found.overall == "ok" and found.rows == {"window": 420, "given": 420, "reference": 1680}
    assert {c.column for c in found.columns} == {c.name for c in requests.SCHEMA.modelled}
    assert Path(found.paths["report"]).exists() and json.loads(Path(found.paths["verdict"]).read_text())["overall"] == "ok"


def test_failures_and_new_conditions_in_the_last_week_are_named(tmp_path: Path) -> None:
    def change(record: dict[str, Any], day: int) -> None:
        if day >= -7 and record["client"] in ("team-0", "team-2"):
            record |= {"status": 503, "reason": "busy"}
        if day >= -7 and record["conditions"]:
            record["conditions"] = {"zip": "zip-of-someone"}

    found = check(write_log(tmp_path / "audit.jsonl", 40, 1, change), tmp_path)
    assert found.overall == "drift"
    assert {c.column for c in found.columns if c.alarm} == {"status", "reason", "conditions"}
    text = Path(found.paths["verdict"]).read_text() + Path(found.paths["report"]).read_text()
    assert "zip-of-someone" not in text, "conditions are told by their columns, never by their values"


def test_bad_logs_and_periods(tmp_path: Path) -> None:
    path = write_log(tmp_path / "audit.jsonl", 10, 1)
    log = requests.read_logs([path])
    with pytest.raises(ConfigError, match="the reference has 1.. requests"):
        job.check_requests(log, requests.periods(log, None, 7, 28), out_dir=tmp_path)
    with pytest.raises(ConfigError, match="above 0"):
        requests.periods(log, None, 0, 28)
    with pytest.raises(ConfigError, match="is no time"):
        requests.periods(log, "yesterday-ish", 7, 28)
    for content, message in [("", "no requests"), ("a,b\n1,2\n", "line 1 is no JSON"), ('{"route": "/sample"}\n', "has no time")]:
        path.write_text(content)
        with pytest.raises(TableError, match=message):
            requests.read_logs([path])
    with pytest.raises(TableError, match="No such file"):
        requests.read_logs([tmp_path / "none.jsonl"])

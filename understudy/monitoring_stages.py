"""Stages of the monitoring pipeline: monitor, alarm."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from understudy.errors import DriftError
from understudy.files import write_text

if TYPE_CHECKING:
    from understudy.progress import Progress

OK = "ok"


def monitor(
    *, data: str | Path, model_uri: str, out_dir: str | Path, report: str | Path, n_rows: int, seed: int,
    tracking_uri: str = "", progress: Progress | None = None,
) -> str:  # fmt: skip
    """Compare new real rows with what a registered version learnt, as `understudy monitor data` does; the verdict:
    ok, drift or broken. `model_uri` "" is the registry's only champion.

    Writes to `out_dir` what that command does, and the HTML report to `report` too. Raises RegistryError, TableError,
    SchemaError.
    """
    from understudy.monitoring import job, reference, retraining
    from understudy.registered import Registry
    from understudy.tables import read_table

    out = Path(out_dir)
    named = model_uri or f"models:/{Registry(tracking_uri).only_champion()}@champion"
    known = reference.of_version(named, tracking_uri)
    verdict = job.check_data(known, read_table(data), out_dir=out, n_rows=n_rows, seed=seed, progress=progress)
    verdict = retraining.planned(verdict, known, str(data), params=None, command="understudy run", out_dir=out)
    shutil.copyfile(out / verdict.check / "report.html", report)
    write_text(out / "summary.json", json.dumps({"overall": verdict.overall, "reasons": verdict.reasons}) + "\n")
    return verdict.overall


def alarm(*, monitored: str | Path, verdict: str) -> None:
    """End the run as failed, so that schedules and people see it, unless the verdict is ok. Raises DriftError."""
    if verdict != OK:
        reasons = json.loads((Path(monitored) / "summary.json").read_text(encoding="utf-8"))["reasons"]
        raise DriftError(f"{verdict}: {'; '.join(reasons[:3]) or 'see the report'}")

"""From drift to a new model: the parameters of the run that learns the new table, and the command for it."""

from __future__ import annotations

import dataclasses
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from understudy.config import Data, Params
from understudy.files import write_text
from understudy.monitoring.job import save
from understudy.monitoring.reference import Reference
from understudy.monitoring.verdict import DRIFT, Verdict


def planned(
    verdict: Verdict, reference: Reference, table: str, *, params: Path | None, command: str, out_dir: Path
) -> Verdict:
    """The verdict with the command to retrain as its action, if it is drift; the parameters are in retrain.yaml.

    A broken table is no reason to learn it.
    """
    if verdict.overall != DRIFT:
        return verdict
    import yaml

    known = Params.read(params) if params else Params()
    if params:
        data = known.data.model_copy(update={"path": table})
    else:
        data = Data(path=table, target=reference.schema.target, unit=reference.schema.unit)
    name = known.registration.model_copy(update={"name": reference.model or known.registration.name})
    wanted = known.model_copy(update={"data": data, "registration": name})
    file = out_dir / verdict.check / "retrain.yaml"
    write_text(file, yaml.safe_dump(wanted.to_dict(), sort_keys=False, allow_unicode=True))
    action = {"command": f"{command} --params {shlex.quote(str(file))}"}
    verdict = dataclasses.replace(verdict, action=action)
    save(verdict)
    return verdict


def run(verdict: Verdict) -> Verdict:
    """Run the verdict's command, if it has one; its exit code is noted in verdict.json."""
    if not verdict.action:
        return verdict
    words = shlex.split(verdict.action["command"])
    if words[0] == "understudy" and shutil.which("understudy") is None:
        words = [sys.executable, "-m", "understudy.cli", *words[1:]]
    try:
        code = subprocess.run(words, check=False, stdout=2).returncode  # our own output is the verdict
    except (FileNotFoundError, PermissionError):
        code = 127  # as a shell would say
    verdict = dataclasses.replace(verdict, action={**verdict.action, "exit_code": code})
    save(verdict)
    return verdict

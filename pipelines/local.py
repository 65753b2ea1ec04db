"""Run the training pipeline here, step by step as a cluster would, and publish what it made.

`out_dir` afterwards holds preprocess/, model/, synthetic.parquet and .csv, evaluation/, audit/,
run.json, run.log, and the registry (mlflow.db, mlartifacts/) if no other is set. Results
replace those of an earlier run one by one, each whole; run.json comes last. A rejected model's
results are published too, it only isn't registered.

A run that was killed is simply run again: it finds the coins that were tossed for the same table
and parameters (pending.json), so it makes the same model, and the registry knows it by its hash.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipelines.arguments import arguments
from pipelines.steplog import StepLog
from understudy import tracking
from understudy.auditing import policy_of
from understudy.config import Params
from understudy.errors import PipelineError
from understudy.evidence import INCONCLUSIVE, PASS, Registration
from understudy.files import atomic, remove, storage_error, write_text
from understudy.generators.base import read_manifest
from understudy.labels import read_label
from understudy.pii.report import identifier_facts
from understudy.progress import Progress
from understudy.provenance import file_md5

# published name -> step, its output, and the files that must be there
OUTPUTS = {
    "preprocess": ("preprocess", "tables", ("train.parquet", "schema.json", "profile.json")),
    "model": ("train", "model", ("generator.json",)),
    "evaluation": ("evaluate", "evaluation", ("report.html", "metrics.json")),
    "audit": ("audit", "audited", ("audit.json", "audit.html", "metrics.json")),
    "synthetic.parquet": ("sample", "synthetic/synthetic.parquet", ()),
}
HEADLINES = ("c2st_auc", "tstr", "trtr", "shape_error", "trend_error", "dcr_share")
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class RunResult:
    """How a run ended; run.json holds the same.

    Attributes:
        verdict, reasons: the audit's.
        registration: where the run was recorded, and the version it became, if it did.
        paths: what was published, by name.
        metrics: the evaluation's figures.
        seconds: of each step, and in `total` of the whole.
        generator: the name of the one that was fitted, also where the parameters say `auto`.
        balance: what the synthetic table was altered to; "" if it wasn't.
    """

    verdict: str
    reasons: tuple[str, ...]
    registration: Registration
    paths: dict[str, Path]
    metrics: dict[str, float]
    seconds: dict[str, float]
    generator: str
    balance: str = ""

    @property
    def passed(self) -> bool:
        return self.verdict == PASS

    def summary(self) -> dict[str, Any]:
        """What a person wants to know first, and what to do next."""
        made = self.registration
        model = f"models:/{made.name}@{'champion' if made.champion else 'candidate'}"
        shown: dict[str, Any] = {
            "verdict": self.verdict,
            **({"reasons": list(self.reasons)} if self.reasons else {}),
            **{k: round(self.metrics[k], 4) for k in HEADLINES if k in self.metrics},
            **identifier_facts(_profile(self.paths["preprocess"])),
            "report": _here(self.paths["evaluation"] / "report.html"),
            "audit": _here(self.paths["audit"] / "audit.html"),
            "synthetic table": _here(self.paths["synthetic.csv"]),
            "generator": f"{_here(self.paths['model'])} ({self.generator})",
            **({"balance": self.balance} if self.balance else {}),
        }
        if made.version is not None:
            shown["registered"] = f"{made.name} version {made.version} ({made.reason})"
            where = "" if made.tracking_uri == tracking.uri() else f"MLFLOW_TRACKING_URI={made.tracking_uri} "
            shown["next"] = f"{where}understudy sample {model} -n 1000 -o more.csv"
        else:
            shown["registered"] = "no"
            shown["next"] = f"read {shown['audit']}: it says what was found and what to change"
            if self.verdict == INCONCLUSIVE:
                shown["next"] += ", or take it upon you: understudy sign-off --by NAME --reason WHY"
        return {**shown, "seconds": self.seconds["total"]}

    def to_json(self) -> str:
        content = asdict(self) | {"paths": {name: path.name for name, path in self.paths.items()}}
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def run(
    params: Params, *, out_dir: str | Path, data: str | Path | None = None, progress: Progress | None = None
) -> RunResult:
    """Run the pipeline on `params.data`; `data` gives its path (or `SQL-URL#table`) where that has none.

    Raises the failed step's own error; PipelineError when a step stops without one, leaves out an
    output, or another run is at work in `out_dir`.
    """
    started = time.perf_counter()
    out = Path(out_dir).resolve()
    if data is not None:
        params = params.model_copy(update={"data": params.data.model_copy(update={"path": str(data)})})
    policy_of(params.gate)  # a wrong field should not show after half a minute
    with _workplace(out) as root:
        table = _snapshot(params, root)
        md5 = file_md5(table)
        with _coins(params, md5, out / "pending.json") as params:
            server = os.environ.get("MLFLOW_TRACKING_URI") or tracking.local_uri(out)
            given = arguments(params, data=str(table), data_md5=md5, tracking_uri=server)
            log = StepLog(progress or (lambda share, message: None))
            _work(root, given, log, out / "run.log")
            return _publish(root, out, log, started)


@contextmanager
def _workplace(out: Path) -> Iterator[Path]:
    """A fresh directory inside `out` for one run at a time; what killed runs left is removed."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = open(out / ".lock", "w")  # noqa: SIM115 - held until the run is over
    except OSError as e:
        raise storage_error(out, e) from e
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise PipelineError(f"{out}: another run is at work here; wait for it, or choose another") from None
        for left in out.glob(".run-*"):
            remove(left)
        root = Path(tempfile.mkdtemp(prefix=".run-", dir=out))
        try:
            yield root
        finally:
            remove(root)


def _snapshot(params: Params, root: Path) -> Path:
    """A file that doesn't change: the table itself, or what a database gave once."""
    source = params.source()
    if "://" not in source:
        return Path(source).resolve()
    from understudy.tables import read_table, write_table

    path = root / "snapshot.parquet"
    write_table(read_table(source), path)
    return path


@contextmanager
def _coins(params: Params, md5: str, pending: Path) -> Iterator[Params]:
    """`params` with a seed from OS entropy where none is set; the same one again after a kill.

    What a run that ended by itself, well or not, has tossed is forgotten.
    """
    if params.data.split_seed is not None:
        yield params
        return
    key = hashlib.sha256(json.dumps([md5, params.to_dict()], sort_keys=True).encode()).hexdigest()
    try:
        left = json.loads(pending.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        left = {}
    if left.get("key") != key:
        left = {"key": key, "split_seed": secrets.randbelow(2**53)}
        write_text(pending, json.dumps(left))
    data = params.data.model_copy(update={"split_seed": left["split_seed"]})
    try:
        yield params.model_copy(update={"data": data})
    except Exception:  # an interrupt is a kind of kill
        pending.unlink(missing_ok=True)
        raise
    pending.unlink(missing_ok=True)


def _work(root: Path, given: dict[str, str], log: StepLog, log_file: Path) -> None:
    """Run the worker, following what it says. Raises the failed step's error."""
    # Nothing in the current directory may shadow what the steps import.
    env = os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pipelines.local_worker", str(root / "kfp")]
    worker = subprocess.Popen(
        command, env=env, text=True, encoding="utf-8", errors="replace", start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert worker.stdin and worker.stdout
    try:
        with log_file.open("w", encoding="utf-8") as copy:
            # stdin stays open while this process lives: its end tells the worker to end.
            worker.stdin.write(json.dumps(given) + "\n")
            worker.stdin.flush()
            log.follow(worker.stdout, copy)
            failed = log.failed or worker.wait()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        worker.stdin.close()
        worker.stdout.close()
    if failed:
        raise log.failure(str(log_file))


def _publish(root: Path, out: Path, log: StepLog, started: float) -> RunResult:
    """Move the outputs from the run's directory to `out`, each in one step; run.json last."""
    job = next(iter((root / "kfp").glob("*")), root)
    found = {name: job / step / output for name, (step, output, _) in OUTPUTS.items()}
    for name, (step, _, files) in OUTPUTS.items():
        for path in (found[name], *(found[name] / f for f in files)):
            if not path.exists():
                raise PipelineError(f"step {step!r} left no {path.name}; see {out / 'run.log'}")
    report = json.loads((found["audit"] / "audit.json").read_text(encoding="utf-8"))
    answer = job / ("register" if report["verdict"] == PASS else "record") / "registration"
    if not answer.exists():
        raise PipelineError(f"the model passed but was not registered; see {out / 'run.log'}")
    registration = Registration.read(answer)
    metrics = json.loads((found["evaluation"] / "metrics.json").read_text(encoding="utf-8"))
    fitted = read_manifest(found["model"])["name"]
    for name, path in found.items():
        with atomic(out / name) as tmp:
            shutil.move(path, tmp)
    _to_csv(out / "synthetic.parquet", out / "synthetic.csv")
    paths = {name: out / name for name in (*OUTPUTS, "synthetic.csv", "run.json", "run.log")}
    seconds = log.seconds | {"total": round(time.perf_counter() - started, 2)}
    altered = read_label(out / "synthetic.parquet")
    reasons = tuple(report["reasons"])
    result = RunResult(report["verdict"], reasons, registration, paths, metrics, seconds, fitted, altered)
    write_text(out / "run.json", result.to_json())
    return result


def _here(path: Path) -> str:
    """A path as short as it can be said from the current directory."""
    shorter = os.path.relpath(path)
    return str(path) if shorter.startswith("..") else shorter


def _profile(preprocessed: Path) -> dict[str, Any]:
    return dict(json.loads((preprocessed / "profile.json").read_text(encoding="utf-8")))


def _to_csv(table: Path, out: Path) -> None:
    from pyarrow import parquet

    from understudy.tables import write_batches

    batches = parquet.ParquetFile(table).iter_batches(100_000)
    write_batches((b.to_pandas() for b in batches), out, read_label(table))

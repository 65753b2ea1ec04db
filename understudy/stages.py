"""The stages of the pipeline: preprocess, train, sample, evaluate, audit, gate, record, register.

Stages meet only on disk: they take paths and options as keywords, and give the paths they wrote
and their metrics. The command line, the KFP components and dvc.yaml call the same functions.
Every output is whole or absent, so a killed stage is simply run again.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy import ranks
from understudy.config import Data, Params
from understudy.errors import ConfigError, Rejected, TableError
from understudy.evidence import PASS, Evidence, Registration, read_verdict
from understudy.files import atomic, write_text
from understudy.schema import TableSchema, first_problem

if TYPE_CHECKING:
    import pandas as pd

    from understudy.audit.policy import Policy
    from understudy.progress import Progress

TABLES = ("train", "members", "nonmembers", "reference", "test", "holdout")
"""What `preprocess` writes, each as NAME.parquet, beside schema.json and profile.json."""


@dataclass(frozen=True)
class StageResult:
    """What a stage wrote, its numbers, and what else there is to say."""

    paths: dict[str, Path]
    metrics: dict[str, float] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)


def preprocess(
    *, data: str | Path, out_dir: str | Path, params: Params, data_md5: str = "",
    progress: Progress | None = None,
) -> StageResult:  # fmt: skip
    """Read the raw table, drop direct identifiers, check its quality, split it by coin flips.

    Writes to `out_dir`: the tables of `TABLES` (parquet), schema.json (of these tables) and
    profile.json. `holdout` is test + nonmembers: rows that never train, which the evaluation may
    look at. `data_md5`, if given, must be the MD5 of `data`.

    Raises:
        TableError, SchemaError: the table can't be read or worked with, or isn't the one meant.
    """
    import numpy as np
    import pandas as pd

    from understudy.preparation import prepare
    from understudy.provenance import file_md5
    from understudy.splits import split
    from understudy.tables import write_table

    if data_md5 and file_md5(data) != data_md5:
        raise TableError(f"{data}: the table changed since the run was planned (MD5 {data_md5}); run again")
    tell = progress or _silent
    table, schema, profile = prepare(data, params.data, tell, seed=params.data.split_seed)
    tell(0.7, "splitting it")
    parts = split(table, schema.unit, params.preprocess, np.random.default_rng(params.data.split_seed))
    holdout = pd.concat([parts.test, parts.nonmembers], ignore_index=True)
    tables = {name: holdout if name == "holdout" else getattr(parts, name) for name in TABLES}
    profile["split"] = {name: len(t) for name, t in tables.items()}
    with atomic(out_dir) as tmp:
        tmp.mkdir(parents=True)
        for name, part in tables.items():
            write_table(part, tmp / f"{name}.parquet")
        (tmp / "schema.json").write_text(schema.to_json(), encoding="utf-8")
        (tmp / "profile.json").write_text(_json(profile), encoding="utf-8")
    out = Path(out_dir)
    paths = {name: out / f"{name}.parquet" for name in TABLES}
    paths |= {"schema": out / "schema.json", "profile": out / "profile.json"}
    counts = {"rows_source": profile["rows_source"], "rows": len(table), "rows_train": len(parts.train)}
    return StageResult(paths, {name: float(n) for name, n in counts.items()})


def train(
    *, train: str | Path, schema: str | Path, model_dir: str | Path, generator: str,
    config: Mapping[str, Any] | None = None, seed: int = 0, progress: Progress | None = None,
) -> StageResult:  # fmt: skip
    """Fit the generator named `generator` (`auto`: one chosen by the table) on the train table.

    Writes its artifact to `model_dir`; `facts` say which was chosen and why.
    """
    import numpy as np

    from understudy.generator_stages import fit_options
    from understudy.generators import auto

    table_schema = TableSchema.read(schema)
    auto.check(generator, config)
    table = _table(train, table_schema)
    made, choice = auto.create(generator, config, table, table_schema)
    if progress and choice.reason:
        progress(0.0, f"{choice.name}, since {choice.reason}")
    started = time.perf_counter()
    made.fit(table, schema=table_schema, rng=np.random.default_rng(seed), progress=progress, **fit_options(made))
    seconds = time.perf_counter() - started
    if ranks.first():
        made.save(Path(model_dir))
    metrics = {"rows_train": float(len(table)), "fit_seconds": seconds}
    return StageResult({"model": Path(model_dir)}, metrics, choice.facts())


def fit(
    *, data: Data, model_dir: str | Path, generator: str, config: Mapping[str, Any] | None = None, seed: int = 0,
    checkpoint: str | Path | None = None, progress: Progress | None = None,
) -> StageResult:  # fmt: skip
    """`preprocess` and `train` in one, without a split: fit on every row of a raw table.

    For a table whose generator will not be audited here; writes the artifact to `model_dir`. Of a table of more than
    `data.max_rows` rows, a random sample of that size is learnt. With a directory `checkpoint` a killed fit goes on
    where it was. Started as several processes (torchrun), they fit together and the first one writes.
    """
    import numpy as np

    from understudy.generator_stages import fit_options
    from understudy.generators import auto
    from understudy.preparation import prepare

    auto.check(generator, config)
    table, schema, profile = prepare(data.path or "", data, progress or _silent, seed=seed)
    made, choice = auto.create(generator, config, table, schema)
    keep = fit_options(made, checkpoint)
    started = time.perf_counter()
    made.fit(table, schema=schema, rng=np.random.default_rng(seed), progress=progress, **keep)
    seconds = time.perf_counter() - started
    if ranks.first():
        made.save(Path(model_dir))
    counts = {"rows_source": float(profile["rows_source"]), "rows_train": float(len(table))}
    return StageResult({"model": Path(model_dir)}, counts | {"fit_seconds": seconds}, choice.facts())


def sample(
    *, model_dir: str | Path, out: str | Path, n_rows: int | None = None, seed: int | None = 0,
    where: Mapping[str, Any] | None = None, like: str | Path | None = None, progress: Progress | None = None,
) -> StageResult:  # fmt: skip
    """Write `n_rows` synthetic rows to `out`, in batches; None: as many as the table `like` has.

    Equal seeds give equal rows; None gives new ones each time.
    """
    import numpy as np

    from understudy.generators import base
    from understudy.generators.output import sample_batches
    from understudy.tables import count_rows, format_of, write_batches

    if n_rows is None and like is None:
        raise ConfigError("n_rows is not set; say how many rows to sample")
    format_of(out)
    total = count_rows(like) if n_rows is None and like is not None else base.check_n_rows(n_rows or 0)
    generator = base.load(model_dir)
    tell = progress or _silent

    def batches() -> Iterator[pd.DataFrame]:
        done = 0
        for batch in sample_batches(generator, total, rng=np.random.default_rng(seed), where=where):
            yield batch
            done += len(batch)
            tell(done / max(total, 1), f"{done:,} rows")

    started = time.perf_counter()
    write_batches(batches(), out)
    seconds = time.perf_counter() - started
    return StageResult({"synthetic": Path(out)}, {"n_rows": float(total), "sample_seconds": seconds})


def evaluate(
    *, train: str | Path, holdout: str | Path, synthetic: str | Path,
    schema: str | Path | TableSchema, out_dir: str | Path, seed: int = 0, progress: Progress | None = None,
) -> StageResult:  # fmt: skip
    """Write to `out_dir` report.html, metrics.json (a flat object) and evaluation.json (details)."""
    import numpy as np

    from understudy import evaluation
    from understudy.evaluation.report import write_report

    s = schema if isinstance(schema, TableSchema) else TableSchema.read(schema)
    tables = {"train": train, "holdout": holdout, "synthetic": synthetic}
    result = evaluation.evaluate(
        **{name: _table(path, s) for name, path in tables.items()},
        schema=s,
        rng=np.random.default_rng(seed),
        progress=progress,
    )
    with atomic(out_dir) as tmp:
        tmp.mkdir(parents=True)
        write_report(result, tmp / "report.html")
        (tmp / "metrics.json").write_text(_json(_finite(result.metrics)), encoding="utf-8")
        (tmp / "evaluation.json").write_text(result.to_json(), encoding="utf-8")
    out = Path(out_dir)
    return StageResult({"report": out / "report.html", "metrics": out / "metrics.json"}, _finite(result.metrics))


def audit(
    *, members: str | Path, nonmembers: str | Path, reference: str | Path, synthetic: str | Path,
    schema: str | Path | TableSchema, out_dir: str | Path, gate: Mapping[str, Any] | None = None, seed: int = 0,
    generator: str | Path | None = None, progress: Progress | None = None,
) -> StageResult:  # fmt: skip
    """Write audit.json, audit.html and metrics.json to `out_dir`. `gate` holds fields of the audit's policy;
    `generator`, a model directory, gives the white-box attacks its log-density."""
    import numpy as np

    from understudy import audit as auditing
    from understudy.audit.report import write_report
    from understudy.generators import base

    s = schema if isinstance(schema, TableSchema) else TableSchema.read(schema)
    tables = {"members": members, "nonmembers": nonmembers, "reference": reference, "synthetic": synthetic}
    report = auditing.audit(
        **{name: _table(path, s) for name, path in tables.items()},
        schema=s,
        policy=policy(gate or {}),
        log_density=base.load(generator).log_density if generator else None,
        rng=np.random.default_rng(seed),
        progress=progress,
    )
    with atomic(out_dir) as tmp:
        tmp.mkdir(parents=True)
        (tmp / "audit.json").write_text(report.to_json(), encoding="utf-8")
        (tmp / "metrics.json").write_text(_json(_finite(report.metrics())), encoding="utf-8")
        write_report(report, tmp / "audit.html")
    out = Path(out_dir)
    paths = {"audit": out / "audit.json", "report": out / "audit.html", "metrics": out / "metrics.json"}
    return StageResult(paths, _finite(report.metrics()))


def gate(*, audit: str | Path) -> str:
    """The verdict in an audit.json: PASS, FAIL or INCONCLUSIVE. Raises ArtifactError."""
    return read_verdict(audit)


def record(*, evidence: Evidence, out: str | Path, tracking_uri: str = "") -> Registration:
    """Log the run to the tracking server, whatever its verdict; writes the answer to `out` (JSON).

    Doing it again, also after a kill, gives the same run.
    """
    from understudy.tracking import record_run

    recorded = record_run(evidence, tracking_uri)
    write_text(out, recorded.to_json())
    return recorded


def register(*, evidence: Evidence, out: str | Path, tracking_uri: str = "") -> Registration:
    """Register the model as a version and set its aliases; writes the answer to `out` (JSON).

    Does what `record` does first, if that wasn't done. Doing it again gives the same version.
    Raises Rejected, and does nothing, unless the audit's verdict is PASS.
    """
    from understudy.tracking import register_version

    if evidence.verdict != PASS:
        raise Rejected(f"the verdict is {evidence.verdict}, so nothing is registered; see {evidence.audit}/audit.html")
    registered = register_version(evidence, tracking_uri)
    write_text(out, registered.to_json())
    return registered


def policy(fields: Mapping[str, Any]) -> Policy:
    """The audit's policy with some fields replaced. Raises ConfigError naming the field."""
    from pydantic import ValidationError

    from understudy.audit.policy import Policy

    try:
        return Policy(**fields)
    except ValidationError as e:
        known = ", ".join(Policy.model_fields)
        raise ConfigError(f"gate: {first_problem(e)}; its fields are: {known}") from None


def _table(path: str | Path, schema: TableSchema) -> pd.DataFrame:
    from understudy.canonical import conform
    from understudy.tables import read_table

    return conform(read_table(path), schema, require_all=False)


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    """JSON has no NaN; a figure that could not be measured is absent."""
    return {name: float(value) for name, value in metrics.items() if math.isfinite(value)}


def _silent(share: float, message: str) -> None:
    """The progress of a caller who wants none."""

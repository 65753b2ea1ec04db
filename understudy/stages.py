"""The stages of the pipeline: preprocess, train, sample, evaluate, audit, gate, record, register.

Stages meet only on disk: they take paths and options as keywords, and give the paths they wrote
and their metrics. The command line, the KFP components and dvc.yaml call the same functions.
Every output is whole or absent, so a killed stage is simply run again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.config import Params
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
SAMPLE_BATCH = 100_000


@dataclass(frozen=True)
class StageResult:
    """What a stage wrote, and its numbers."""

    paths: dict[str, Path]
    metrics: dict[str, float] = field(default_factory=dict)


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

    from understudy.inference import infer_schema
    from understudy.provenance import file_md5
    from understudy.quality import check
    from understudy.splits import split
    from understudy.tables import conform, read_table, write_table

    if data_md5 and file_md5(data) != data_md5:
        raise TableError(f"{data}: the table changed since the run was planned (MD5 {data_md5}); run again")
    tell = progress or _silent
    tell(0.0, "reading the table")
    raw = _without(read_table(data), params.data.drop)
    overrides = TableSchema.read(params.data.schema_file) if params.data.schema_file else None
    inferred = infer_schema(raw, target=params.data.target, unit=params.data.unit, overrides=overrides)
    schema, dropped = _prepared(inferred)
    tell(0.4, "checking its quality")
    table = conform(raw, schema)
    profile = check(table, schema) | {"dropped": dropped}
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
    return StageResult(paths, {"rows": float(len(table)), "rows_train": float(len(parts.train))})


def train(
    *, train: str | Path, schema: str | Path, model_dir: str | Path, generator: str,
    config: Mapping[str, Any] | None = None, seed: int = 0, progress: Progress | None = None,
) -> StageResult:  # fmt: skip
    """Fit the generator named `generator` on the train table; writes its artifact to `model_dir`."""
    import numpy as np

    from understudy.generators import base

    table_schema = TableSchema.read(schema)
    made = base.create(generator, **(config or {}))
    table = _table(train, table_schema)
    started = time.perf_counter()
    made.fit(table, schema=table_schema, rng=np.random.default_rng(seed), progress=progress)
    seconds = time.perf_counter() - started
    made.save(Path(model_dir))
    return StageResult({"model": Path(model_dir)}, {"rows_train": float(len(table)), "fit_seconds": seconds})


def sample(
    *, model_dir: str | Path, out: str | Path, n_rows: int | None = None, seed: int = 0,
    where: Mapping[str, Any] | None = None, like: str | Path | None = None, progress: Progress | None = None,
) -> StageResult:  # fmt: skip
    """Write `n_rows` synthetic rows to `out`, in batches; None: as many as the table `like` has."""
    import numpy as np

    from understudy.generators import base
    from understudy.tables import read_table, write_batches

    if n_rows is None and like is None:
        raise ConfigError("n_rows is not set; say how many rows to sample")
    total = len(read_table(like)) if n_rows is None and like is not None else base.check_n_rows(n_rows or 0)
    generator = base.load(model_dir)
    rng = np.random.default_rng(seed)
    tell = progress or _silent

    def batches() -> Iterator[pd.DataFrame]:
        for start in range(0, max(total, 1), SAMPLE_BATCH):
            tell(start / max(total, 1), "sampling")
            yield generator.sample(min(SAMPLE_BATCH, total - start), rng=rng, where=where)

    started = time.perf_counter()
    write_batches(batches(), out)
    seconds = time.perf_counter() - started
    return StageResult({"synthetic": Path(out)}, {"n_rows": float(total), "sample_seconds": seconds})


def evaluate(
    *, train: str | Path, holdout: str | Path, synthetic: str | Path, schema: str | Path, out_dir: str | Path,
    seed: int = 0, progress: Progress | None = None,
) -> StageResult:  # fmt: skip
    """Write to `out_dir` report.html, metrics.json (a flat object) and evaluation.json (details)."""
    import numpy as np

    from understudy import evaluation
    from understudy.evaluation.report import write_report

    s = TableSchema.read(schema)
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
        (tmp / "metrics.json").write_text(_json(result.metrics), encoding="utf-8")
        (tmp / "evaluation.json").write_text(result.to_json(), encoding="utf-8")
    out = Path(out_dir)
    return StageResult({"report": out / "report.html", "metrics": out / "metrics.json"}, dict(result.metrics))


def audit(
    *, members: str | Path, nonmembers: str | Path, reference: str | Path, synthetic: str | Path,
    schema: str | Path, out_dir: str | Path, gate: Mapping[str, Any] | None = None, seed: int = 0,
    generator: str | Path | None = None, progress: Progress | None = None,
) -> StageResult:  # fmt: skip
    """Write audit.json, audit.html and metrics.json to `out_dir`. `gate` holds fields of the audit's policy;
    `generator`, a model directory, gives the white-box attacks its log-density."""
    import numpy as np

    from understudy import audit as auditing
    from understudy.audit.report import write_report
    from understudy.generators import base

    s = TableSchema.read(schema)
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
        (tmp / "metrics.json").write_text(_json(report.metrics()), encoding="utf-8")
        write_report(report, tmp / "audit.html")
    out = Path(out_dir)
    paths = {"audit": out / "audit.json", "report": out / "audit.html", "metrics": out / "metrics.json"}
    return StageResult(paths, report.metrics())


def gate(*, audit: str | Path) -> str:
    """The verdict in an audit.json: PASS, FAIL or INCONCLUSIVE. Raises ArtifactError."""
    return read_verdict(audit)


def record(
    *, model_dir: str | Path, tables: str | Path, evaluation: str | Path, audit: str | Path,
    synthetic: str | Path, params: Params, out: str | Path, data_md5: str = "", code_commit: str = "",
    tracking_uri: str = "",
) -> Registration:  # fmt: skip
    """Log the run and its verdict to the tracking server; register the model if the verdict is PASS.

    Reads the directories that `train`, `preprocess`, `evaluate` and `audit` wrote; writes the
    answer to `out` (JSON). Doing it again, also after a kill, gives the same run and version.
    """
    from understudy.tracking import register_run

    evidence = Evidence(
        model_dir=Path(model_dir), tables=Path(tables), evaluation=Path(evaluation), audit=Path(audit),
        synthetic=Path(synthetic), params=params, data_md5=data_md5, code_commit=code_commit,
    )  # fmt: skip
    registration = register_run(evidence, tracking_uri)
    write_text(out, registration.to_json())
    return registration


def register(*, audit: str | Path, **evidence: Any) -> Registration:
    """`record` for a model that has passed. Raises Rejected, and does nothing, for any other."""
    verdict = gate(audit=Path(audit) / "audit.json")
    if verdict != PASS:
        raise Rejected(f"the audit's verdict is {verdict}, so nothing is registered; see {audit}/audit.html")
    return record(audit=audit, **evidence)


def policy(fields: Mapping[str, Any]) -> Policy:
    """The audit's policy with some fields replaced. Raises ConfigError naming the field."""
    from pydantic import ValidationError

    from understudy.audit.policy import Policy

    try:
        return Policy(**fields)
    except ValidationError as e:
        known = ", ".join(Policy.model_fields)
        raise ConfigError(f"gate: {first_problem(e)}; its fields are: {known}") from None


def _prepared(schema: TableSchema) -> tuple[TableSchema, dict[str, str]]:
    """The schema without the id and text columns that are dropped, and why each of them was.

    The unit's column stays: the audit needs it, generators never learn it.
    """
    stays = {c.name for c in schema.released} | {schema.unit}
    kept = tuple(c for c in schema.columns if c.name in stays)
    dropped = {c.name: c.identifier or c.kind for c in schema.columns if c.name not in stays}
    return schema.model_copy(update={"columns": kept}), dropped


def _without(table: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    from understudy.schema import unknown_column

    for name in names:
        if name not in table.columns:
            raise ConfigError(unknown_column(name, map(str, table.columns), "dropped column"))
    return table.drop(columns=list(names))


def _table(path: str | Path, schema: TableSchema) -> pd.DataFrame:
    from understudy.tables import conform, read_table

    return conform(read_table(path), schema, require_all=False)


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _silent(share: float, message: str) -> None:
    """The progress of a caller who wants none."""

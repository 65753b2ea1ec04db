"""The stages of the pipeline: preprocess, train, sample, evaluate, audit, gate, record, register.

Stages meet only on disk: they take paths and options as keywords, and give the paths they wrote
and their metrics. The command line, the KFP components and dvc.yaml call the same functions.
Every output is whole or absent, so a killed stage is simply run again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.balance import Balance
from understudy.config import Data, Params
from understudy.errors import Rejected, TableError
from understudy.evidence import PASS, Evidence, Registration, read_verdict
from understudy.files import atomic, write_text
from understudy.labels import read_label
from understudy.schema import TableSchema

if TYPE_CHECKING:
    import pandas as pd

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

    from understudy.pii.report import identifier_facts
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
    return StageResult(paths, {name: float(n) for name, n in counts.items()}, identifier_facts(profile))


def train(
    *, train: str | Path, schema: str | Path, model_dir: str | Path, generator: str,
    config: Mapping[str, Any] | None = None, seed: int = 0, balance: Balance | None = None,
    progress: Progress | None = None,
) -> StageResult:  # fmt: skip
    """Fit the generator named `generator` (`auto`: one chosen by the table) on the train table.

    Writes its artifact to `model_dir`; `facts` say which was chosen and why. With a `balance`, its samples follow that.
    """
    from understudy.fitting import fit_and_save

    table_schema = TableSchema.read(schema)
    metrics, facts = fit_and_save(
        lambda: (_table(train, table_schema), table_schema), model_dir, generator, config,
        seed=seed, balance=balance, progress=progress,
    )  # fmt: skip
    return StageResult({"model": Path(model_dir)}, metrics, facts)


def fit(
    *, data: Data, model_dir: str | Path, generator: str, config: Mapping[str, Any] | None = None, seed: int = 0,
    checkpoint: str | Path | None = None, balance: Balance | None = None, progress: Progress | None = None,
) -> StageResult:  # fmt: skip
    """`preprocess` and `train` in one, without a split: fit on every row of a raw table.

    For a table whose generator will not be audited here; writes the artifact to `model_dir`. Of a table of more than
    `data.max_rows` rows, a random sample of that size is learnt. With a directory `checkpoint` a killed fit goes on
    where it was. `balance` as in `train`. Started as several processes (torchrun), they fit together and the first one
    writes.
    """
    from understudy.fitting import fit_and_save
    from understudy.pii.report import identifier_facts
    from understudy.preparation import prepare

    profile: dict[str, Any] = {}

    def prepared() -> tuple[pd.DataFrame, TableSchema]:
        table, schema, found = prepare(data.path or "", data, progress or _silent, seed=seed)
        profile.update(found)
        return table, schema

    counts, facts = fit_and_save(
        prepared, model_dir, generator, config, seed=seed, checkpoint=checkpoint, balance=balance, progress=progress
    )
    counts = {"rows_source": float(profile["rows_source"])} | counts
    return StageResult({"model": Path(model_dir)}, counts, facts | identifier_facts(profile))


def sample(
    *, model_dir: str | Path, out: str | Path, n_rows: int | None = None, seed: int | None = 0,
    where: Mapping[str, Any] | None = None, balance: Balance | None = None, like: str | Path | None = None,
    progress: Progress | None = None,
) -> StageResult:  # fmt: skip
    """Write `n_rows` synthetic rows to `out`, in batches; None: as many as the table `like` has.

    Equal seeds give equal rows; None gives new ones each time. `balance` takes the place of the generator's own; what
    is balanced says so in `facts` and in the file (`labels`).
    """
    from understudy.generators.balanced import stated
    from understudy.sampling import write_sample

    total, seconds, label = write_sample(
        model_dir, out, n_rows, like=like, seed=seed, where=where, balance=balance, progress=progress or _silent
    )
    return StageResult({"synthetic": Path(out)}, {"n_rows": float(total), "sample_seconds": seconds}, stated(label))


def evaluate(
    *, train: str | Path, holdout: str | Path, synthetic: str | Path,
    schema: str | Path | TableSchema, out_dir: str | Path, seed: int = 0, sensitive: Sequence[str] = (),
    progress: Progress | None = None,
) -> StageResult:  # fmt: skip
    """Write to `out_dir` report.html, metrics.json (a flat object) and evaluation.json (details).

    `sensitive` names the columns whose groups are compared; none: some are chosen (`evaluation.subgroups`).
    """
    import numpy as np

    from understudy import evaluation
    from understudy.evaluation.report import write_report

    s = schema if isinstance(schema, TableSchema) else TableSchema.read(schema)
    result = evaluation.evaluate(
        train=_table(train, s),
        holdout=_table(holdout, s),
        synthetic=_table(synthetic, s),
        schema=s,
        sensitive=sensitive,
        altered=read_label(synthetic),
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
    generator: str | Path | None = None, targeted: bool = False, train: str | Path | None = None,
    progress: Progress | None = None,
) -> StageResult:  # fmt: skip
    """Write audit.json, audit.html, metrics.json, and public.json and public.html, to `out_dir`.

    `gate` holds fields of the audit's policy. `generator`, a model directory, is attacked too, and attackers refit
    its kind; None: they refit a `forest`. With `targeted` single people are attacked by fits with and without them
    (minutes to an hour); `train` is the table it learnt, for these.
    """
    from understudy.auditing import JSON, PAGE, policy_of, run_audit, write_pages

    s = schema if isinstance(schema, TableSchema) else TableSchema.read(schema)
    paths = {"members": members, "nonmembers": nonmembers, "reference": reference, "synthetic": synthetic}
    report = run_audit(
        {name: _table(path, s) for name, path in paths.items()}, s,
        synthetic=synthetic, policy=policy_of(gate or {}), seed=seed, generator=generator, targeted=targeted,
        train=None if train is None else _table(train, s), progress=progress,
    )  # fmt: skip
    metrics = _finite(report.metrics())
    with atomic(out_dir) as tmp:
        write_pages(report, tmp)
        (tmp / "metrics.json").write_text(_json(metrics), encoding="utf-8")
    out = Path(out_dir)
    return StageResult({"audit": out / JSON, "report": out / PAGE, "metrics": out / "metrics.json"}, metrics)


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
    """Register the model as a version with a reference for monitoring, and set its aliases; writes the answer to
    `out` (JSON).

    Does what `record` does first, if that wasn't done. Doing it again gives the same version.
    Raises Rejected, and does nothing, unless the audit's verdict is PASS.
    """
    from understudy.monitoring.reference import built
    from understudy.tracking import register_version

    if evidence.verdict != PASS:
        raise Rejected(f"the verdict is {evidence.verdict}, so nothing is registered; see {evidence.audit}/audit.html")
    with built(evidence) as reference:
        registered = register_version(evidence, tracking_uri, reference)
    write_text(out, registered.to_json())
    return registered


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

"""From tables on disk to an audit on disk: audit.json, audit.html, and what may be published of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.errors import ConfigError, TableError
from understudy.files import write_text
from understudy.labels import read_label
from understudy.schema import TableSchema, first_problem

if TYPE_CHECKING:
    import pandas as pd

    from understudy.audit import AuditReport
    from understudy.audit.policy import Policy
    from understudy.progress import Progress

JSON, PAGE, PUBLIC_JSON, PUBLIC_PAGE = "audit.json", "audit.html", "public.json", "public.html"


def run_audit(
    tables: Mapping[str, pd.DataFrame], schema: TableSchema, *, synthetic: str | Path, policy: Policy, seed: int,
    generator: str | Path | None, targeted: bool, train: pd.DataFrame | None, progress: Progress | None,
) -> AuditReport:  # fmt: skip
    """The audit of the four `tables`; see `stages.audit`. A label that `synthetic`, where S came from, has is noted."""
    import numpy as np

    from understudy import audit as auditing
    from understudy.generators import base
    from understudy.generators.refit import refit_of

    report = auditing.audit(
        **tables,
        schema=schema,
        policy=policy,
        model=base.load(generator) if generator else None,
        refit=refit_of(generator, schema),
        targeted=targeted,
        others=None if train is None else without(train, tables["members"], schema),
        rows_trained=None if train is None else len(train),
        rng=np.random.default_rng(seed),
        progress=progress,
    )
    return report.model_copy(update={"altered": read_label(synthetic)})


def without(train: pd.DataFrame, members: pd.DataFrame, schema: TableSchema) -> pd.DataFrame:
    """The rows of `train` that aren't the members': those of other units, or what is left of equal rows."""
    import pandas as pd

    if schema.unit is not None and schema.unit in train and schema.unit in members:
        return train[~train[schema.unit].isin(members[schema.unit])].reset_index(drop=True)
    names = [c.name for c in schema.modelled]
    keys = []
    for table in (train, members):
        text = pd.util.hash_pandas_object(table[names].astype(object).astype(str), index=False)
        keys.append(pd.MultiIndex.from_arrays([text, text.groupby(text).cumcount()]))
    return train[~keys[0].isin(keys[1])].reset_index(drop=True)


def write_pages(report: AuditReport, out_dir: str | Path, *, public_only: bool = False) -> dict[str, Path]:
    """Write the audit as JSON and as a page to the directory `out_dir`, for those inside and (`public`) for all others.

    Raises StorageError; no file is left half written.
    """
    from understudy.audit.public import Statement
    from understudy.audit.report import render, render_public

    statement = Statement.of(report)
    texts = {PUBLIC_JSON: statement.to_json(), PUBLIC_PAGE: render_public(statement)}
    if not public_only:
        texts |= {JSON: report.to_json(), PAGE: render(report)}
    for name, text in texts.items():
        write_text(Path(out_dir) / name, text)
    return {name: Path(out_dir) / name for name in texts}


def read_report(path: str | Path) -> AuditReport:
    """The audit in an audit.json, or in a directory that has one. Raises ArtifactError or TableError."""
    from understudy.audit import AuditReport

    file = Path(path) / JSON if Path(path).is_dir() else Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        reason = getattr(e, "strerror", None) or "not UTF-8"
        raise TableError(f"{file}: can't be read ({reason}); give the directory of an audit") from None
    return AuditReport.from_json(text, str(file))


def policy_of(fields: Mapping[str, Any]) -> Policy:
    """The audit's policy with some fields replaced. Raises ConfigError naming the field."""
    from pydantic import ValidationError

    from understudy.audit.policy import Policy

    try:
        return Policy(**fields)
    except ValidationError as e:
        known = ", ".join(Policy.model_fields)
        raise ConfigError(f"gate: {first_problem(e)}; its fields are: {known}") from None

"""Fit generators of one kind again and again: what the audit's attackers do who know how a generator was made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from understudy.canonical import conform
from understudy.errors import ArtifactError, ConfigError, SchemaError
from understudy.generators import base
from understudy.schema import TableSchema, unknown_column

STAND_IN = "forest"
"""Refitted where the generator isn't known: quick, and fits any table."""


def refit_of(
    model_dir: str | Path | None, schema: TableSchema
) -> Callable[[pd.DataFrame, np.random.Generator], base.Generator]:
    """Fits a generator with the name, settings and schema of the one in `model_dir`; None: a `forest` on `schema`.

    The returned function takes (table, rng). The table is conformed first, so frames put together of several
    will do; it may lack the privacy unit, whose rows are then units.
    Raises ArtifactError at once for a directory that holds no generator, SchemaError later for a table that lacks
    a column it learns.
    """
    name, settings = STAND_IN, dict[str, Any]()
    if model_dir is not None:
        name, settings = _kind(Path(model_dir))
        schema = base.artifact_schema(model_dir)

    def refit(table: pd.DataFrame, rng: np.random.Generator) -> base.Generator:
        for column in schema.modelled:
            if column.name not in table.columns:
                raise SchemaError(unknown_column(column.name, [str(c) for c in table.columns], "learnt column"))
        conformed = conform(table, schema, require_all=False)
        return base.create(name, **settings).fit(conformed, schema=schema, rng=rng)

    return refit


def _kind(model_dir: Path) -> tuple[str, dict[str, Any]]:
    """The name and settings in an artifact. Raises ArtifactError."""
    manifest = base.read_manifest(model_dir)
    name, settings = manifest.get("name"), manifest.get("config")
    if not isinstance(name, str) or not isinstance(settings, dict):
        raise ArtifactError(f"{model_dir}: the artifact is damaged (name, config); fit it again or fetch it anew")
    if "device" in settings:
        settings["device"] = "auto"  # where it was fitted says nothing of where it is audited
    try:
        base.create(name, **settings)
    except ConfigError as e:
        raise ArtifactError(f"{model_dir}: can't be fitted anew ({e}); use the version that wrote it") from None
    return name, settings

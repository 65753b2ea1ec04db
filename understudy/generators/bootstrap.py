"""`bootstrap`: real rows, drawn with replacement. A baseline that the privacy audit must FAIL.

Its artifact holds the training rows by definition: it exists to show what a leak looks like and
must never be released.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from understudy.canonical import from_codes
from understudy.errors import ArtifactError, ConfigError
from understudy.generators.base import (
    Progress,
    check_n_rows,
    check_where,
    parse_config,
    read_artifact,
    write_artifact,
)
from understudy.generators.output import assemble
from understudy.schema import TableSchema


class BootstrapConfig(BaseModel):
    """No settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Bootstrap:
    """Resampled training rows."""

    name: ClassVar[str] = "bootstrap"
    summary: ClassVar[str] = (
        "real rows drawn again; a baseline that must FAIL the audit, never to be released"
    )

    def __init__(self, **config: Any) -> None:
        self.config = parse_config(BootstrapConfig, self.name, config)
        self.schema: TableSchema
        self.table: pd.DataFrame

    def fit(
        self,
        table: pd.DataFrame,
        *,
        schema: TableSchema,
        rng: np.random.Generator,
        progress: Progress | None = None,
    ) -> Bootstrap:
        """Keep the table. `rng` is not used."""
        self.schema = schema
        self.table = table[[c.name for c in schema.modelled]].reset_index(drop=True)
        return self

    def sample(
        self, n_rows: int, *, rng: np.random.Generator, where: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """Rows with replacement; `where` keeps the real rows that meet it."""
        n_rows = check_n_rows(n_rows)
        keep = np.ones(len(self.table), dtype=bool)
        for name, condition in check_where(where, self.schema).items():
            keep &= _meets(self.table[name], condition)
        rows = np.flatnonzero(keep)
        if not len(rows):
            raise ConfigError("where: no real row meets the conditions; loosen one of them")
        drawn = self.table.iloc[rng.choice(rows, n_rows)].reset_index(drop=True)
        return assemble({str(c): drawn[c] for c in drawn}, self.schema, n_rows, rng)

    def values(self, column: str) -> tuple[str, ...]:
        """The values of the real column."""
        return tuple(str(v) for v in self.table[column].dropna().unique())

    def log_density(self, table: pd.DataFrame) -> None:
        """A resample has no density."""

    def save(self, path: Path) -> None:
        arrays: dict[str, np.ndarray] = {}
        state: dict[str, Any] = {"contains_training_rows": True, "columns": {}}
        for j, c in enumerate(self.schema.modelled):
            values = self.table[c.name]
            missing = values.isna().to_numpy()
            if c.kind == "categorical":
                state["columns"][c.name] = [str(x) for x in values.cat.categories]
                arrays[f"{j}.values"] = values.cat.codes.to_numpy().astype(np.int32)
            elif c.kind == "datetime":
                arrays[f"{j}.values"] = values.to_numpy().astype("int64")
            elif c.kind == "boolean":
                arrays[f"{j}.values"] = values.fillna(False).to_numpy(dtype=bool).astype(np.uint8)
            else:
                dtype = np.int64 if c.integer else np.float64
                arrays[f"{j}.values"] = values.fillna(0).to_numpy(dtype=dtype)
            arrays[f"{j}.missing"] = missing.astype(np.uint8)
        write_artifact(Path(path), name=self.name, config={}, schema=self.schema, state=state, arrays=arrays)

    @classmethod
    def load(cls, path: Path, *, device: str = "cpu") -> Bootstrap:
        manifest, schema, arrays = read_artifact(path, cls.name)
        generator = cls()
        generator.schema = schema
        columns: dict[str, pd.Series] = {}
        try:
            for j, c in enumerate(schema.modelled):
                raw, missing = arrays[f"{j}.values"], arrays[f"{j}.missing"].astype(bool)
                if c.kind == "categorical":
                    columns[c.name] = from_codes(raw, manifest["state"]["columns"][c.name])
                elif c.kind == "datetime":
                    columns[c.name] = pd.Series(raw.astype("datetime64[ns]"))
                elif c.kind == "boolean":
                    truth = pd.Series(raw.astype(bool))
                    columns[c.name] = truth.astype("boolean").mask(missing) if missing.any() else truth
                elif c.integer:
                    whole = pd.Series(raw)
                    columns[c.name] = whole.astype("Int64").mask(missing) if missing.any() else whole
                else:
                    columns[c.name] = pd.Series(np.where(missing, np.nan, raw))
        except (KeyError, ValueError, TypeError) as e:
            raise ArtifactError(
                f"{path}: the artifact is damaged ({type(e).__name__}); fit it again or fetch it anew"
            ) from None
        generator.table = pd.DataFrame(columns)
        return generator


def _meets(values: pd.Series, condition: Any) -> np.ndarray:
    if isinstance(condition, Mapping):
        ok = values.notna()
        if "min" in condition:
            ok &= values >= condition["min"]
        if "max" in condition:
            ok &= values <= condition["max"]
        return ok.fillna(False).to_numpy(dtype=bool)
    wanted = condition if isinstance(condition, list | tuple | set) else [condition]
    if isinstance(values.dtype, pd.CategoricalDtype):
        wanted = [str(w) for w in wanted]
    return values.isin(wanted).to_numpy(dtype=bool)

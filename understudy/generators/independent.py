"""`independent`: every column drawn by itself. A baseline: right margins, no relations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from understudy.encoding import TableCodec, fit_codec
from understudy.encoding.codec import MIN_UNITS
from understudy.errors import ArtifactError
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


class IndependentConfig(BaseModel):
    """`min_units`: privacy units that a category, exact value or extreme needs to be emitted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_units: int = Field(MIN_UNITS, ge=1)


class Independent:
    """Independent columns over the same tokens as the other generators."""

    name: ClassVar[str] = "independent"
    summary: ClassVar[str] = "each column by itself; a baseline for privacy, of no use for training"

    def __init__(self, **config: Any) -> None:
        self.config = parse_config(IndependentConfig, self.name, config)
        self.schema: TableSchema
        self.codec: TableCodec
        self.pmf: list[np.ndarray] = []

    def fit(
        self,
        table: pd.DataFrame,
        *,
        schema: TableSchema,
        rng: np.random.Generator,
        progress: Progress | None = None,
    ) -> Independent:
        """Count tokens. `rng` is not used."""
        self.schema = schema
        self.codec = fit_codec(table, schema, min_units=self.config.min_units)
        self.pmf = []
        for codec, tokens in zip(self.codec.codecs, self.codec.encode(table), strict=True):
            mass = (np.bincount(tokens, minlength=codec.n_tokens) + 0.5) * codec.emittable()
            self.pmf.append(mass / mass.sum())
        return self

    def sample(
        self, n_rows: int, *, rng: np.random.Generator, where: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        n_rows, where = check_n_rows(n_rows), check_where(where, self.schema)
        columns = {}
        for codec, pmf in zip(self.codec.codecs, self.pmf, strict=True):
            name = codec.column.name
            share = np.ones(codec.n_tokens)
            if name in where:
                share, part = codec.allow(where[name])
                codec = codec.restricted(part)
            allowed = np.cumsum(pmf * share)
            tokens = np.searchsorted(allowed, rng.random(n_rows) * allowed[-1], side="right")
            columns[name] = codec.to_series(codec.decode(tokens.astype(np.uint8), rng.random(n_rows)))
        return assemble(columns, self.schema, n_rows, rng)

    def values(self, column: str) -> tuple[str, ...]:
        """The categories that a sample can hold."""
        return self.codec.values(column)

    def log_density(self, table: pd.DataFrame) -> np.ndarray:
        """log P(row), (n_rows,) nats; -inf for a category that is never emitted."""
        total = np.zeros(len(table))
        with np.errstate(divide="ignore"):
            for codec, pmf in zip(self.codec.codecs, self.pmf, strict=True):
                total += np.log(
                    sum(pmf[tokens] * mass for tokens, mass in codec.parts(table[codec.column.name]))
                )
        return total

    def save(self, path: Path) -> None:
        metas, arrays = self.codec.state()
        arrays |= {f"pmf.{j}": p for j, p in enumerate(self.pmf)}
        write_artifact(
            Path(path),
            name=self.name,
            config=self.config.model_dump(),
            schema=self.schema,
            state={"codecs": metas},
            arrays=arrays,
        )

    @classmethod
    def load(cls, path: Path, *, device: str = "cpu") -> Independent:
        manifest, schema, arrays = read_artifact(path, cls.name)
        try:
            generator = cls(**manifest["config"])
            generator.schema = schema
            generator.codec = TableCodec.from_state(schema.modelled, manifest["state"]["codecs"], arrays)
            generator.pmf = [arrays[f"pmf.{j}"] for j in range(len(generator.codec.codecs))]
        except (KeyError, ValueError, TypeError) as e:
            raise ArtifactError(
                f"{path}: the artifact is damaged ({type(e).__name__}); fit it again or fetch it anew"
            ) from None
        return generator

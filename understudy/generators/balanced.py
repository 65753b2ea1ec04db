"""A generator whose samples follow a stated distribution of one column: conditional samples, put together and shuffled.

Within each value of the column nothing is altered. The stated distribution is kept in the artifact's manifest, so that
whoever loads the generator samples from it and can say so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from understudy.balance import Balance
from understudy.canonical import conform
from understudy.errors import ArtifactError, ConfigError, UnderstudyError
from understudy.files import atomic
from understudy.generators.base import MANIFEST, Generator, Progress, check_n_rows, read_manifest
from understudy.generators.output import assemble
from understudy.schema import TableSchema

KEY = "balance"


class Balanced:
    """`learnt`, a fitted generator, with the distribution of `balance`.

    Raises ConfigError or SchemaError for a column or a value that it can't draw.
    """

    name: ClassVar[str] = "balanced"
    summary: ClassVar[str] = "another generator, its samples altered to a stated distribution"

    def __init__(self, learnt: Generator, balance: Balance) -> None:
        self.learnt = learnt
        self.schema = learnt.schema
        self.balance = balance.check(learnt.schema).resolved(learnt.values(balance.column))

    def fit(
        self, table: pd.DataFrame, *, schema: TableSchema, rng: np.random.Generator, progress: Progress | None = None
    ) -> Balanced:
        """Learn the real distribution; the samples follow the stated one."""
        self.learnt.fit(table, schema=schema, rng=rng, progress=progress)
        return self

    def sample(self, n_rows: int, *, rng: np.random.Generator, where: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """A conformed table of `n_rows` rows. A `where` on the balanced column takes the place of the balance."""
        n_rows = check_n_rows(n_rows)
        column = self.schema.column(self.balance.column)
        if column.name in (where or {}) or n_rows == 0:
            return self.learnt.sample(n_rows, rng=rng, where=where)
        parts = []
        for value, n in self.balance.counts(n_rows, rng).items():
            wanted: Any = value == "True" if column.kind == "boolean" else value
            if n:
                try:
                    parts.append(self.learnt.sample(n, rng=rng, where={**(where or {}), column.name: wanted}))
                except ConfigError as e:
                    raise ConfigError(f"balance: {column.name}={value}: {e}") from None
        together = conform(pd.concat(parts, ignore_index=True), self.schema, require_all=False)
        mixed = together.iloc[rng.permutation(n_rows)].reset_index(drop=True)
        return assemble({str(c): mixed[c] for c in mixed}, self.schema, n_rows, rng)

    def values(self, column: str) -> tuple[str, ...]:
        return self.learnt.values(column)

    def log_density(self, table: pd.DataFrame) -> np.ndarray | None:
        """log P(row) of what was learnt, before the balance: what an attack on the model needs."""
        return self.learnt.log_density(table)

    def save(self, path: Path) -> None:
        """The artifact of `learnt`, with the balance in its manifest."""
        with atomic(path) as temporary:
            self.learnt.save(temporary)
            manifest = read_manifest(temporary) | {KEY: self.balance.model_dump()}
            (temporary / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, path: Path, *, device: str = "cpu") -> Generator:
        """What `base.load` does."""
        from understudy.generators.base import load

        return load(path, device=device)


def as_saved(learnt: Generator, manifest: Mapping[str, Any], path: str | Path) -> Generator:
    """`learnt`, balanced if its manifest says so. Raises ArtifactError."""
    if KEY not in manifest:
        return learnt
    try:
        return Balanced(learnt, Balance.of(manifest[KEY]))
    except UnderstudyError as e:
        raise ArtifactError(f"{path}: the artifact is damaged ({e}); fit it again or fetch it anew") from None


def rebalanced(generator: Generator, balance: Balance | None) -> Generator:
    """With another balance: None leaves the generator's own, `none` takes it away. Raises ConfigError, SchemaError."""
    if balance is None:
        return generator
    learnt = plain(generator)
    return learnt if balance.off else Balanced(learnt, balance)


def plain(generator: Generator) -> Generator:
    """The generator without its balance, if it has one."""
    return generator.learnt if isinstance(generator, Balanced) else generator


def label_of(generator: Generator, where: Mapping[str, Any] | None = None) -> str:
    """What its samples must say of themselves; "" if they follow what was learnt."""
    if not isinstance(generator, Balanced) or generator.balance.column in (where or {}):
        return ""
    return generator.balance.label


def stated(label: str) -> dict[str, str]:
    """A label among a stage's facts."""
    return {"balance": label} if label else {}

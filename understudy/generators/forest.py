"""`forest`: a sequence of regularised forests, one a column, each given the columns before it.

Like synthpop's CART (Nowok et al. 2016) it draws each column from the leaf its row falls in, but
over tokens instead of donors: a leaf's distribution is shrunk toward its parent's at three levels,
averaged over bagged trees, and split only where the gain in likelihood pays for itself, so that
no leaf speaks for fewer than `min_leaf` privacy units. Later trees split on the values drawn for
earlier columns, not on their bins. A column of numbers is modelled relative to earlier ones where
that gives unseen rows a higher likelihood. Columns that another one determines are looked up.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from understudy.encoding import TableCodec, fit_codec
from understudy.encoding.categorical import CategoricalCodec
from understudy.encoding.codec import unit_weights
from understudy.errors import ArtifactError, ConfigError
from understudy.generators.base import (
    Progress,
    check_n_rows,
    check_where,
    parse_config,
    read_artifact,
    write_artifact,
)
from understudy.generators.forest_columns import ColumnModel, column_from_state
from understudy.generators.forest_fit import Learning, fit_columns
from understudy.generators.forest_settings import ForestConfig
from understudy.generators.lookups import LookupColumn, find_lookups
from understudy.generators.output import assemble
from understudy.generators.rows import NO_PROBABILITY, Condition, Rows, concatenated
from understudy.schema import TableSchema

CHUNK = 1 << 16
MAX_CANDIDATE_CHUNKS = 256


class Forest:
    """Sequential forests over tokens. See the module's docstring; the config is `ForestConfig`."""

    name: ClassVar[str] = "forest"
    summary: ClassVar[str] = "sequential regularised forests; for small and wide tables, and several rows a unit"

    def __init__(self, **config: Any) -> None:
        self.config = parse_config(ForestConfig, self.name, config)
        self.schema: TableSchema
        self.codec: TableCodec
        self.columns: list[ColumnModel] = []

    def fit(
        self,
        table: pd.DataFrame,
        *,
        schema: TableSchema,
        rng: np.random.Generator,
        progress: Progress | None = None,
    ) -> Forest:
        """Learn from a conformed table. Raises ConfigError for fewer than two rows."""
        if len(table) < 2:
            raise ConfigError(f"the table has {len(table)} rows; a generator needs at least 2")
        self.schema = schema
        self.codec = fit_codec(table, schema, min_units=self.config.min_units)
        rows = Rows.of_table(self.codec, table)
        weight = unit_weights(table, schema)
        lookups = find_lookups(table, schema, rows, weight, self.config.min_units)
        learning = Learning(rows, weight, lookups, self.config)
        names = [c.column.name for c in self.codec.codecs]
        done = 0

        def tell(j: int) -> None:
            nonlocal done
            done += 1
            if progress:
                progress(done / len(names), f"column {names[j]}")

        free = [j for j in range(len(names)) if j not in lookups]
        free.sort(key=lambda j: names[j] != schema.target)
        self.columns = fit_columns(learning, free, rng, _threads(), tell)
        return self

    def sample(
        self, n_rows: int, *, rng: np.random.Generator, where: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """A conformed table of `n_rows` rows; `where` as in `Generator.sample`."""
        n_rows = check_n_rows(n_rows)
        conditions = self._conditions(check_where(where, self.schema))
        last = max((i for i, c in enumerate(self.columns) if c.index in conditions), default=-1)
        sizes = [min(CHUNK, n_rows - a) for a in range(0, max(n_rows, 1), CHUNK)]

        def one(size: int, chunk_rng: np.random.Generator) -> dict[int, np.ndarray]:
            rows = self._meeting(size, chunk_rng, conditions, last) if conditions else Rows.empty(self.codec, size)
            for column in self.columns[last + 1 :]:
                column.draw(rows, chunk_rng, None)
            return rows.values

        rngs = rng.spawn(len(sizes))
        if len(sizes) == 1:  # to start threads takes longer than to draw a hundred rows
            chunks = [one(sizes[0], rngs[0])]
        else:
            with ThreadPoolExecutor(_threads()) as pool:
                chunks = list(pool.map(one, sizes, rngs))
        columns = {
            c.column.name: c.to_series(np.concatenate([chunk[j] for chunk in chunks]))
            for j, c in enumerate(self.codec.codecs)
        }
        return assemble(columns, self.schema, n_rows, rng)

    def _conditions(self, where: Mapping[str, Any]) -> dict[int, Condition]:
        """By column; what is asked of a column that another one determines is asked of that one, where it can be."""
        found: dict[int, Condition] = {}
        for name, wanted in where.items():
            j = self.codec.index(name)
            found[j] = Condition.of(self.codec.codecs[j], wanted)
        for column in self.columns:
            if isinstance(column, LookupColumn) and column.index in found and column.determinant not in found:
                determinant = self.codec.codecs[column.determinant]
                if isinstance(determinant, CategoricalCodec):  # of numbers it can't be said exactly
                    met = found.pop(column.index).met(column.found)
                    found[column.determinant] = column.narrowed(met, determinant, None)
        return found

    def _meeting(
        self, size: int, rng: np.random.Generator, conditions: Mapping[int, Condition], last: int
    ) -> Rows:
        """Rows of the conditional distribution, up to the last conditioned column.

        Conditioned columns are drawn within their condition; a candidate is kept with probability
        proportional to that of the condition given the columns before it, which is exact and cheap:
        what is rejected are poor fits of the earlier columns, not rows that miss the condition.
        """
        kept: list[Rows] = []
        n_kept, highest = 0, 0.0
        n = max(size, 4096)
        for attempt in range(MAX_CANDIDATE_CHUNKS):
            rows = Rows.empty(self.codec, n)
            mass = np.ones(n)
            for column in self.columns[: last + 1]:
                own = column.draw(rows, rng, conditions.get(column.index))
                mass = mass if own is None else mass * own
            highest = max(highest, float(mass.max()))
            if highest <= 0.0:
                continue
            kept.append(rows.take(np.flatnonzero(rng.random(n) * highest < mass)))
            n_kept += kept[-1].n
            if n_kept >= size:
                break
            n = int(np.clip((size - n_kept) * 1.2 * (attempt + 1) * n / max(n_kept, 1), 4096, 1 << 18))
        if not n_kept:
            raise ConfigError(NO_PROBABILITY)
        pick = np.arange(size) if n_kept >= size else rng.integers(0, n_kept, size)
        return concatenated(kept).take(pick)

    def values(self, column: str) -> tuple[str, ...]:
        """The categories that a sample can hold."""
        return self.codec.values(column)

    def log_density(self, table: pd.DataFrame) -> np.ndarray:
        """log P(row), (n_rows,) nats: probabilities on the columns' grids, densities for continuous ones.

        -inf for a row the generator can't emit (a suppressed category, a broken dependency).
        """
        rows = Rows.of_table(self.codec, table)
        with np.errstate(divide="ignore"):
            return sum((np.log(c.probability(rows)) for c in self.columns), start=np.zeros(len(table)))

    def save(self, path: Path) -> None:
        """Write the artifact directory; no training rows are in it."""
        metas, arrays = self.codec.state()
        states = [c.state() for c in self.columns]
        state = {"codecs": metas, "columns": [meta for meta, _ in states]}
        for i, (_, own) in enumerate(states):
            arrays |= {f"forest.{i}.{k}": v for k, v in own.items()}
        write_artifact(
            Path(path),
            name=self.name,
            config=self.config.model_dump(),
            schema=self.schema,
            state=state,
            arrays=arrays,
        )

    @classmethod
    def load(cls, path: Path, *, device: str = "cpu") -> Forest:
        """Raises ArtifactError. `device` is accepted for the protocol; forests sample on the CPU."""
        manifest, schema, arrays = read_artifact(path, cls.name)
        try:
            generator = cls(**manifest["config"])
            generator.schema = schema
            state = manifest["state"]
            generator.codec = TableCodec.from_state(schema.modelled, state["codecs"], arrays)
            for i, meta in enumerate(state["columns"]):
                prefix = f"forest.{i}."
                own = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
                generator.columns.append(column_from_state(generator.codec, meta, own))
        except (KeyError, ValueError, IndexError, TypeError) as e:
            raise ArtifactError(
                f"{path}: the artifact is damaged ({type(e).__name__}); fit it again or fetch it anew"
            ) from None
        return generator


def _threads() -> int:
    return min(os.cpu_count() or 1, 8)

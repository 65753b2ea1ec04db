"""`forest`: a sequence of regularised forests, one a column, each given the columns before it.

Like synthpop's CART (Nowok et al. 2016) it draws each column from the leaf its row falls in, but
over tokens instead of donors: a leaf's distribution is shrunk toward its parent's at three levels,
averaged over bagged trees, and split only where the gain in likelihood pays for itself, so that
no leaf speaks for fewer than `min_leaf` privacy units. Later trees split on the values drawn for
earlier columns, not on their bins. Columns that another one determines are looked up.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from understudy.encoding import TableCodec, fit_codec
from understudy.encoding.codec import MIN_UNITS, feature_codes, unit_weights
from understudy.encoding.numerical import NumericalCodec
from understudy.errors import ArtifactError, ConfigError
from understudy.generators.base import (
    Progress,
    check_n_rows,
    check_where,
    parse_config,
    read_artifact,
    write_artifact,
)
from understudy.generators.forest_columns import ColumnForest, derived_columns, fit_column
from understudy.generators.output import assemble
from understudy.schema import TableSchema

CHUNK = 1 << 16
MAX_CANDIDATE_CHUNKS = 256


class ForestConfig(BaseModel):
    """Settings of `forest`.

    Attributes:
        n_trees: trees a column; a row's token is drawn from one of them at random.
        min_leaf: the least number of privacy units in a leaf.
        penalty: nats a split must gain per group of tokens in the node, and per row that a unit has on average.
        shrinkage: the weight of the parent node in a leaf's distribution over coarse groups, in units.
        shrinkage_within: the same for finer groups within coarse ones, and tokens within those.
        subsample: the share of rows that shape each tree; all rows count in its leaves.
        max_depth: the most splits from root to leaf.
        min_units: privacy units that a category, exact value or extreme needs to be emitted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_trees: int = Field(16, ge=1, le=256)
    min_leaf: float = Field(40, ge=1)
    penalty: float = Field(1.0, ge=0)
    shrinkage: float = Field(30, ge=0)
    shrinkage_within: float = Field(30, gt=0)
    subsample: float = Field(0.5, gt=0, le=1)
    max_depth: int = Field(40, ge=1, le=200)
    min_units: int = Field(MIN_UNITS, ge=1)


class Forest:
    """Sequential forests over tokens. See the module's docstring; the config is `ForestConfig`."""

    name: ClassVar[str] = "forest"
    summary: ClassVar[str] = "sequential regularised forests; seconds on a CPU, the default"

    def __init__(self, **config: Any) -> None:
        self.config = parse_config(ForestConfig, self.name, config)
        self.schema: TableSchema
        self.codec: TableCodec
        self.columns: list[ColumnForest] = []

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
        tokens = self.codec.encode(table)
        codes = self.codec.features(table, tokens)
        weight = unit_weights(table, schema)
        ordered = np.array([isinstance(c, NumericalCodec) for c in self.codec.codecs])
        lookup = derived_columns(table, schema, self.codec, tokens)
        names = [c.column.name for c in self.codec.codecs]
        order = [j for j in range(len(names)) if j not in lookup]
        order.sort(key=lambda j: names[j] != schema.target)
        plan: list[int] = []
        for j in order:
            plan += [j, *(d for d, (a, _) in lookup.items() if a == j)]
        seeds = rng.spawn(len(plan))
        done = 0

        def one(at: int) -> ColumnForest:
            nonlocal done
            j = plan[at]
            if j in lookup:
                column = ColumnForest.lookup(j, *lookup[j])
            else:
                column = fit_column(
                    j, np.array(plan[:at], dtype=np.int64), self.codec.codecs[j], tokens, codes, ordered, weight,
                    self.config, seeds[at],
                )  # fmt: skip
            done += 1
            if progress:
                progress(done / len(plan), f"column {names[j]}")
            return column

        with ThreadPoolExecutor(_threads()) as pool:
            # The last columns have most to split on: begin with them.
            futures = {at: pool.submit(one, at) for at in reversed(range(len(plan)))}
            self.columns = [futures[at].result() for at in range(len(plan))]
        return self

    def sample(
        self, n_rows: int, *, rng: np.random.Generator, where: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """A conformed table of `n_rows` rows; `where` as in `Generator.sample`."""
        n_rows = check_n_rows(n_rows)
        conditions = self._conditions(check_where(where, self.schema))
        last = max((i for i, c in enumerate(self.columns) if c.index in conditions), default=-1)
        drawn: dict[int, np.ndarray] = {}
        sizes = [min(CHUNK, n_rows - a) for a in range(0, max(n_rows, 1), CHUNK)]

        def one(size: int, chunk_rng: np.random.Generator) -> dict[int, np.ndarray]:
            return self._chunk(size, chunk_rng, conditions, last)

        with ThreadPoolExecutor(_threads()) as pool:
            chunks = list(pool.map(one, sizes, rng.spawn(len(sizes))))
        for column in self.columns:
            drawn[column.index] = np.concatenate([c[column.index] for c in chunks])
        columns = {c.column.name: c.to_series(drawn[j]) for j, c in enumerate(self.codec.codecs)}
        return assemble(columns, self.schema, n_rows)

    def _conditions(self, where: Mapping[str, Any]) -> dict[int, tuple[np.ndarray, Any]]:
        """Per conditioned column: the share of each token that is allowed, and the codec that emits only that."""
        found: dict[int, tuple[np.ndarray, Any]] = {}
        for name, condition in where.items():
            j = self.codec.index(name)
            share, part = self.codec.codecs[j].allow(condition)
            found[j] = (share, self.codec.codecs[j].restricted(part))
        return found

    def _chunk(
        self, size: int, rng: np.random.Generator, conditions: Mapping[int, tuple[np.ndarray, Any]], last: int
    ) -> dict[int, np.ndarray]:
        """Values of every column for `size` rows: floats, or label indices for categories."""
        codes = np.zeros((len(self.codec.codecs), size), dtype=np.uint8)
        values: dict[int, np.ndarray] = {}
        if last >= 0:
            codes, values = self._condition(size, rng, conditions, last)
        for column in self.columns[last + 1 :]:
            self._draw(column, codes, values, rng, None)
        return values

    def _draw(
        self, column: ColumnForest, codes: np.ndarray, values: dict[int, np.ndarray], rng: np.random.Generator,
        condition: tuple[np.ndarray, Any] | None,
    ) -> np.ndarray | None:  # fmt: skip
        """Draw one column given the codes of those before it; the probability of its condition per row, if any."""
        u: np.ndarray = rng.random((codes.shape[1],))
        share, codec = condition if condition else (None, self.codec.codecs[column.index])
        tokens, mass = column.draw(codes, u, share)
        values[column.index] = codec.decode(tokens, u)
        x = values[column.index] if isinstance(codec, NumericalCodec) else None
        codes[column.index] = feature_codes(codec, tokens, x)
        return mass

    def _condition(
        self, size: int, rng: np.random.Generator, conditions: Mapping[int, tuple[np.ndarray, Any]], last: int
    ) -> tuple[np.ndarray, dict[int, np.ndarray]]:
        """Rows of the conditional distribution, up to the last conditioned column.

        Conditioned columns are drawn within their condition; a candidate is kept with probability
        proportional to that of the condition given the columns before it, which is exact and cheap:
        what is rejected are poor fits of the earlier columns, not rows that miss the condition.
        """
        kept_codes: list[np.ndarray] = []
        kept_values: list[dict[int, np.ndarray]] = []
        n_kept, highest = 0, 0.0
        n = max(size, 4096)
        for attempt in range(MAX_CANDIDATE_CHUNKS):
            codes = np.zeros((len(self.codec.codecs), n), dtype=np.uint8)
            values: dict[int, np.ndarray] = {}
            mass = np.ones(n)
            for column in self.columns[: last + 1]:
                own = self._draw(column, codes, values, rng, conditions.get(column.index))
                mass = mass if own is None else mass * own
            highest = max(highest, float(mass.max()))
            if highest <= 0.0:
                continue
            keep = np.flatnonzero(rng.random(n) * highest < mass)
            kept_codes.append(codes[:, keep])
            kept_values.append({j: v[keep] for j, v in values.items()})
            n_kept += len(keep)
            if n_kept >= size:
                break
            n = int(np.clip((size - n_kept) * 1.2 * (attempt + 1) * n / max(n_kept, 1), 4096, 1 << 18))
        if not n_kept:
            raise ConfigError(
                "where: the generator gives these conditions together no probability; loosen one of them"
            )
        pick = np.arange(size) if n_kept >= size else rng.integers(0, n_kept, size)
        merged = {j: np.concatenate([v[j] for v in kept_values])[pick] for j in kept_values[0]}
        return np.concatenate(kept_codes, axis=1)[:, pick], merged

    def log_density(self, table: pd.DataFrame) -> np.ndarray:
        """log P(row), (n_rows,) nats: probabilities on the columns' grids, densities for continuous ones.

        -inf for a row the generator can't emit (a suppressed category, a broken dependency).
        """
        codes = self.codec.features(table, self.codec.encode(table))
        total = np.zeros(len(table))
        with np.errstate(divide="ignore"):
            for column in self.columns:
                parts = self.codec.codecs[column.index].parts(
                    table[self.codec.codecs[column.index].column.name]
                )
                total += np.log(column.probability(codes, parts))
        return total

    def save(self, path: Path) -> None:
        """Write the artifact directory; no training rows are in it."""
        metas, arrays = self.codec.state()
        state = {"codecs": metas, "columns": [c.meta() for c in self.columns]}
        for i, c in enumerate(self.columns):
            arrays |= {f"forest.{i}.{k}": v for k, v in c.arrays().items()}
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
                generator.columns.append(ColumnForest.from_state(meta, own))
        except (KeyError, ValueError, IndexError, TypeError) as e:
            raise ArtifactError(
                f"{path}: the artifact is damaged ({type(e).__name__}); fit it again or fetch it anew"
            ) from None
        return generator


def _threads() -> int:
    return min(os.cpu_count() or 1, 8)

"""`autoregressive`: a neural network that knows every column given any set of others.

Tokens as in `forest`; a fresh random set of shown columns for every row (Strauss & Oliva 2021; Hoogeboom et al. 2022).
It draws in any order, so conditions come first, missing cells are filled given all the others, and the density of a
row is exact. On a CPU it is one small perceptron a column (`neural_mlp`), on a GPU a causal transformer over columns
in any order (`neural_transformer`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from understudy import ranks
from understudy.canonical import conform, conform_column
from understudy.encoding import TableCodec, fit_codec
from understudy.encoding.codec import unit_weights
from understudy.errors import ArtifactError, ConfigError, SchemaError, TableError
from understudy.generators.base import (
    Progress,
    check_n_rows,
    check_where,
    parse_config,
    read_artifact,
    write_artifact,
)
from understudy.generators.lookups import LookupColumn, find_lookups, from_token_table
from understudy.generators.neural_layout import Layout
from understudy.generators.neural_settings import AutoregressiveConfig, choose_device, held_out_rows
from understudy.generators.output import assemble
from understudy.generators.rows import Condition, Rows
from understudy.schema import TableSchema, unknown_column

if TYPE_CHECKING:
    import torch

    from understudy.generators.neural_network import Network
    from understudy.generators.neural_sampling import Sampler
    from understudy.generators.neural_training import Schedule


class Autoregressive:
    """Any-order autoregression over tokens. See the module's docstring; the config is `AutoregressiveConfig`."""

    name: ClassVar[str] = "autoregressive"
    summary: ClassVar[str] = "a neural network that draws columns in any order; also fills gaps and goes on learning"

    def __init__(self, **config: Any) -> None:
        self.config = parse_config(AutoregressiveConfig, self.name, config)
        self.schema: TableSchema
        self.codec: TableCodec
        self.layout: Layout
        self.lookups: dict[int, LookupColumn] = {}
        self.network: Network
        self.architecture = ""

    def fit(
        self,
        table: pd.DataFrame,
        *,
        schema: TableSchema,
        rng: np.random.Generator,
        progress: Progress | None = None,
        checkpoint: Path | None = None,
    ) -> Autoregressive:
        """Learn from a conformed table.

        With a directory `checkpoint` a killed fit of the same table, settings and `rng` goes on where it was, and
        gives the generator that it would have given. The checkpoint is removed at the end.
        Raises ConfigError for fewer than two rows, a device that isn't there, a checkpoint of another fit.
        """
        from understudy.generators import neural_checkpoint, neural_network

        if len(table) < 2:
            raise ConfigError(f"the table has {len(table)} rows; a generator needs at least 2")
        device = choose_device(self.config.device)
        self.schema = schema
        self.codec = fit_codec(table, schema, min_units=self.config.min_units)
        known, weight = Rows.of_table(self.codec, table), unit_weights(table, schema)
        tokens = known.tokens()
        self.lookups = find_lookups(table, schema, known, weight, self.config.min_units)
        names = [c.column.name for c in self.codec.codecs]
        order = [j for j in range(len(names)) if j not in self.lookups]
        order.sort(key=lambda j: (names[j] == schema.target) == (self.config.target == "last"))
        self.layout = Layout.of(self.codec.codecs, order, tokens)
        self.architecture = self.config.architecture
        if self.architecture == "auto":
            self.architecture = "transformer" if device.type == "cuda" else "mlp"
        seed = int(rng.integers(1 << 62))
        self.network = neural_network.build(self.layout, self.architecture, *self._size(), seed)
        rows = np.ascontiguousarray(tokens[order].T)
        held_out = held_out_rows(table, schema, rng)
        print_ = neural_checkpoint.fingerprint(
            self.config.model_dump(), seed, {"rows": rows, "held_out": held_out, **self.layout.arrays()}
        )
        schedule = self._schedule(len(rows) - int(held_out.sum()))
        self._train(rows, held_out, schedule, seed, device, progress, checkpoint, print_)
        if checkpoint and ranks.first():
            neural_checkpoint.discard(Path(checkpoint))
        return self

    def _size(self) -> tuple[int, int]:
        """Width and depth of the network."""
        width, depth = (128, 4) if self.architecture == "transformer" else (64, 1)
        return self.config.width or width, depth if self.config.layers is None else self.config.layers

    def _schedule(self, n_rows: int) -> Schedule:
        from understudy.generators.neural_training import Schedule

        mlp, c = self.architecture == "mlp", self.config
        # Measured on 3,000 to 32,000 rows: small tables want small batches and much decay.
        batch = c.batch_size or int(np.clip(2 ** round(np.log2(2 * n_rows) / 2), 16, 1024))
        decay = float(np.clip(6000 / n_rows, 0.2, 3)) if mlp else 0.1
        return Schedule(
            steps=c.steps or int(np.clip(6 * n_rows / batch, 300, 3000)),
            batch_size=batch,
            learning_rate=c.learning_rate or (0.016 if mlp else 0.003),
            weight_decay=decay if c.weight_decay is None else c.weight_decay,
            ordered_share=c.ordered_share,
            patience=c.patience,
            checkpoint_seconds=5.0,
        )

    def _train(
        self, rows: np.ndarray, held_out: np.ndarray, schedule: Schedule, seed: int, device: torch.device,
        progress: Progress | None, checkpoint: Path | None = None, belongs_to: str = "",
    ) -> None:  # fmt: skip
        """Train the network on `device`, where it stays, and give its columns the frequencies they have in `rows`."""
        from understudy.generators.neural_calibration import calibrate
        from understudy.generators.neural_distributed import joined
        from understudy.generators.neural_training import Checkpointing, Training

        keep = Checkpointing(Path(checkpoint), belongs_to) if checkpoint else None
        with joined(device) as together:
            Training(
                self.network, rows[~held_out], rows[held_out], schedule, seed=seed, device=device, checkpoint=keep,
                progress=progress, ranks=together,
            ).run()  # fmt: skip
        self.network.requires_grad_(False)
        calibrate(self.network, self.layout.frequencies(rows), seed)

    def sampler(self) -> Sampler:
        """What draws from the network, on the network's device."""
        from understudy.generators.neural_rows import Model
        from understudy.generators.neural_sampling import Sampler

        c = self.config
        return Sampler(Model(self.network, self.layout, self.codec, self.lookups, c.temperature, c.top_p))

    def sample(
        self, n_rows: int, *, rng: np.random.Generator, where: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """A conformed table of `n_rows` rows; `where` as in `Generator.sample`."""
        n_rows = check_n_rows(n_rows)
        conditions = {}
        for name, condition in check_where(where, self.schema).items():
            j = self.codec.index(name)
            conditions[j] = Condition.of(self.codec.codecs[j], condition)
        drawn = self.sampler().rows(n_rows, rng, conditions)
        columns = {c.column.name: c.to_series(drawn[j]) for j, c in enumerate(self.codec.codecs)}
        return assemble(columns, self.schema, n_rows, rng)

    def impute(self, table: pd.DataFrame, *, rng: np.random.Generator, likely: bool = False) -> pd.DataFrame:
        """`table` with its missing cells drawn given the other cells of their row; those stay as they are.

        With `likely` a cell takes its most probable category or its median instead: nearer to the truth, but with
        less variation than real cells have.
        Columns that aren't modelled stay too. A gap that a determining column explains (`region` has no `code`)
        stays a gap. Raises SchemaError for a table that lacks a column of the schema.
        """
        known = self._conformed(table)
        missing = np.stack([known[c.column.name].isna().to_numpy() for c in self.codec.codecs])
        values = self.sampler().fill(Rows.of_table(self.codec, known), missing, rng, likely)
        filled = table.reset_index(drop=True)
        for j, found in values.items():
            codec = self.codec.codecs[j]
            column = known[codec.column.name].astype(object)
            column[missing[j]] = codec.to_series(found[missing[j]]).astype(object).to_numpy()
            filled[codec.column.name] = conform_column(column, codec.column)
        return filled.set_axis(table.index)

    def _conformed(self, table: pd.DataFrame) -> pd.DataFrame:
        """The columns of the schema that `table` has, of which any may have gaps. Raises SchemaError for a lack of
        one that was learnt."""
        for column in self.schema.modelled:
            if column.name not in table.columns:
                raise SchemaError(unknown_column(column.name, map(str, table.columns), "the generator's column"))
        nullable = tuple(c.model_copy(update={"nullable": True}) for c in self.schema.columns)
        return conform(table, self.schema.model_copy(update={"columns": nullable}), require_all=False)

    def values(self, column: str) -> tuple[str, ...]:
        """The categories that a sample can hold."""
        return self.codec.values(column)

    def log_density(self, table: pd.DataFrame) -> np.ndarray:
        """log P(row) in the sampling order, (n_rows,) nats: probabilities on the columns' grids, densities for
        continuous ones. -inf for a row the generator can't emit."""
        rows = Rows.of_table(self.codec, table)
        sampler, total = self.sampler(), np.zeros(len(table))
        for a in range(0, len(table), sampler.chunk):
            b = np.arange(a, min(a + sampler.chunk, len(table)))
            total[b] = sampler.log_density(rows.take(b))
        return total

    def update(
        self, table: pd.DataFrame, *, rng: np.random.Generator, replay: float = 1.0, progress: Progress | None = None
    ) -> Autoregressive:
        """Go on learning from new rows of the same schema, mixed with rows of its own so as not to forget.

        `replay` is the number of own rows per new one. Tokens and schema stay: a new category counts as OTHER.
        Neither the old table nor the new one is kept. Raises ConfigError for a replay below 0, TableError for no rows.
        """
        from understudy.generators.neural_training import Schedule

        if not 0 <= replay <= 100:
            raise ConfigError(f"replay is {replay}; give the number of own rows per new row, 0 to 100")
        if not len(table):
            raise TableError("the table has no rows; an update needs some")
        table = self._conformed(table)
        for c in self.codec.codecs:
            if c.null < 0 and table[c.column.name].isna().any():
                raise TableError(
                    f"column {c.column.name!r} has missing values, which the generator has never seen; fill them"
                    " (`understudy impute`) or leave those rows out"
                )
        held_out = held_out_rows(table, self.schema, rng)
        tokens = self.codec.encode(table)
        if replay:
            again = self.codec.encode(self.sample(max(round(replay * len(table)), 1), rng=rng))
            tokens = np.concatenate([tokens, again], axis=1)
            held_out = np.concatenate([held_out, np.arange(again.shape[1]) < held_out.sum() * min(replay, 1.0)])
        usual = self._schedule(len(held_out) - int(held_out.sum()))
        schedule = Schedule(**{**vars(usual), "learning_rate": usual.learning_rate / 4})
        self.network.requires_grad_(True)
        rows = np.ascontiguousarray(tokens[self.layout.columns].T)
        self._train(rows, held_out, schedule, int(rng.integers(1 << 62)), choose_device(self.config.device), progress)
        return self

    def save(self, path: Path) -> None:
        """Write the artifact directory: float32 weights, no training rows."""
        from understudy.generators.neural_network import to_arrays

        metas, arrays = self.codec.state()
        arrays |= {f"layout.{k}": v for k, v in self.layout.arrays().items()}
        for d, lookup in self.lookups.items():
            arrays |= {f"lookup.{d}.{lookup.determinant}.{k}": v for k, v in lookup.state()[1].items()}
        arrays |= {f"network.{k}": v for k, v in to_arrays(self.network).items()}
        write_artifact(
            Path(path),
            name=self.name,
            config=self.config.model_dump(),
            schema=self.schema,
            state={"codecs": metas, "architecture": self.architecture},
            arrays=arrays,
        )

    @classmethod
    def load(cls, path: Path, *, device: str = "cpu") -> Autoregressive:
        """Raises ArtifactError. `device`: where to sample (cpu, cuda or auto), wherever it was fitted."""
        from understudy.generators import neural_network

        manifest, schema, arrays = read_artifact(path, cls.name)
        where = choose_device(device)
        try:
            generator = cls(**manifest["config"])
            generator.schema = schema
            state = manifest["state"]
            generator.codec = TableCodec.from_state(schema.modelled, state["codecs"], arrays)
            generator.layout = Layout.from_arrays(_under("layout.", arrays))
            generator.architecture = state["architecture"]
            generator.lookups = _lookups(generator.codec, _under("lookup.", arrays))
            network = neural_network.build(generator.layout, generator.architecture, *generator._size(), 0)
            neural_network.from_arrays(network, _under("network.", arrays))
        except (KeyError, ValueError, IndexError, TypeError) as e:
            raise ArtifactError(
                f"{path}: the artifact is damaged ({type(e).__name__}); fit it again or fetch it anew"
            ) from None
        generator.network = network.to(where).eval().requires_grad_(False)
        return generator


def _under(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def _lookups(codec: TableCodec, arrays: Mapping[str, np.ndarray]) -> dict[int, LookupColumn]:
    """From arrays named COLUMN.DETERMINANT.PART, or COLUMN.DETERMINANT as in format 1."""
    found = {}
    for key, array in arrays.items():
        d, a, *part = key.split(".")
        if not part:
            found[int(d)] = from_token_table(codec, int(d), int(a), array)
        elif part == ["found"]:
            found[int(d)] = LookupColumn(int(d), int(a), arrays[f"{d}.{a}.cuts"], array)
    return found

"""`auto`: which generator fits a table, by its size, its width and the device. docs/benchmarks.md has the figures.

It is a choice and not a generator: what is written is the chosen generator's own artifact, under its own name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from understudy.generators import base
from understudy.schema import TableSchema

NAME = base.DEFAULT
FEWEST_ROWS = 1_000
"""Below it samples of `autoregressive` tell more about who was learnt from than those of `forest`."""
MOST_COLUMNS = 48
"""Beyond it `autoregressive` on a CPU shares one layer among all columns (`neural_mlp`)."""
SUMMARY = "chooses one of the others by the table's size"
RULE = (
    f"forest for fewer than {FEWEST_ROWS:,} rows, and for more than {MOST_COLUMNS} modelled columns unless a GPU is"
    " there; else autoregressive"
)


@dataclass(frozen=True)
class Choice:
    """The chosen generator, and why in a few words ("" where it was asked for by name)."""

    name: str
    reason: str = ""

    def facts(self) -> dict[str, str]:
        """For results and logs; what is empty is left out."""
        return {k: v for k, v in (("generator", self.name), ("chosen because", self.reason)) if v}


def choose(n_rows: int, n_columns: int, *, cuda: bool = False) -> Choice:
    """The generator for a table of `n_rows` rows and `n_columns` modelled columns; `cuda`: on a GPU.

    >>> choose(30_000, 15).name, choose(500, 15).name, choose(30_000, 100).name
    ('autoregressive', 'forest', 'forest')
    """
    rows, columns = f"{n_rows:,} rows", f"{n_columns} modelled columns"
    if n_rows < FEWEST_ROWS:
        return Choice("forest", f"{rows} are fewer than {FEWEST_ROWS:,}")
    if n_columns > MOST_COLUMNS and not cuda:
        return Choice("forest", f"{columns} are more than {MOST_COLUMNS}, and there is no GPU")
    if n_columns > MOST_COLUMNS:
        return Choice("autoregressive", f"there is a GPU for {columns}")
    return Choice("autoregressive", f"{rows} are at least {FEWEST_ROWS:,}, and {columns} at most {MOST_COLUMNS}")


def resolve(name: str, n_rows: int, schema: TableSchema, config: Mapping[str, Any] | None = None) -> Choice:
    """The choice where `name` is `auto`, else `name` itself. A GPU is looked for only where it matters."""
    if name != NAME:
        return Choice(name)
    n_columns = len(schema.modelled)
    wide = n_columns > MOST_COLUMNS and n_rows >= FEWEST_ROWS
    return choose(n_rows, n_columns, cuda=wide and (config or {}).get("device") != "cpu" and _has_gpu())


def create(
    name: str, config: Mapping[str, Any] | None, table: pd.DataFrame, schema: TableSchema
) -> tuple[base.Generator, Choice]:
    """A generator for `table`, not fitted yet, and the choice. Raises ConfigError, which names the chosen one, for an
    unknown name, key or value."""
    choice = resolve(name, len(table), schema, config)
    return base.create(choice.name, **(config or {})), choice


def check(name: str, config: Mapping[str, Any] | None = None) -> None:
    """Raises ConfigError early, before a table is read, for what can be known without it."""
    if name != NAME:
        base.create(name, **(config or {}))


def _has_gpu() -> bool:
    from understudy.generators.neural_settings import choose_device

    return choose_device("auto").type == "cuda"

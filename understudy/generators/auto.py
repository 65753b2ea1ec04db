"""`auto`: which generator fits a table, by its size, its units, its width and the device.

docs/benchmarks.md has the figures behind the rule.
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
FEWEST_UNITS = 1_000
"""Below it samples of `autoregressive` tell more about who was learnt from than those of `forest`."""
ROWS_A_UNIT = 1.5
"""Above it the privacy units have several rows: `forest` counts units, where `autoregressive` learns from rows."""
MOST_COLUMNS = 48
"""Beyond it `autoregressive` on a CPU shares one layer among all columns (`neural_mlp`)."""
SUMMARY = "chooses one of the others for the table"
RULE = (
    f"forest for fewer than {FEWEST_UNITS:,} privacy units (without --unit: rows), where units have more than"
    f" {ROWS_A_UNIT} rows on average, and for more than {MOST_COLUMNS} modelled columns unless a GPU is there;"
    " else autoregressive"
)


@dataclass(frozen=True)
class Choice:
    """The chosen generator, and why in a few words ("" where it was asked for by name)."""

    name: str
    reason: str = ""

    def facts(self) -> dict[str, str]:
        """For results and logs; what is empty is left out."""
        return {k: v for k, v in (("generator", self.name), ("chosen because", self.reason)) if v}


def choose(n_rows: int, n_columns: int, *, n_units: int | None = None, cuda: bool = False) -> Choice:
    """The generator for a table of `n_rows` rows about `n_units` privacy units (None: each row is one) and `n_columns`
    modelled columns; `cuda`: on a GPU.

    >>> choose(30_000, 15).name, choose(500, 15).name, choose(30_000, 100).name, choose(30_000, 15, n_units=9_000).name
    ('autoregressive', 'forest', 'forest', 'forest')
    """
    units = f"{n_rows:,} rows" if n_units is None else f"{n_units:,} privacy units"
    n_units = n_rows if n_units is None else n_units
    columns = f"{n_columns} modelled columns"
    if n_units < FEWEST_UNITS:
        return Choice("forest", f"{units} are fewer than {FEWEST_UNITS:,}")
    if n_rows > ROWS_A_UNIT * n_units:
        return Choice("forest", f"{units} have {n_rows / n_units:.1f} rows each, and it counts units")
    if n_columns > MOST_COLUMNS and not cuda:
        return Choice("forest", f"{columns} are more than {MOST_COLUMNS}, and there is no GPU")
    if n_columns > MOST_COLUMNS:
        return Choice("autoregressive", f"there is a GPU for {columns}")
    return Choice("autoregressive", f"{units} are at least {FEWEST_UNITS:,}, and {columns} at most {MOST_COLUMNS}")


def resolve(name: str, table: pd.DataFrame, schema: TableSchema, config: Mapping[str, Any] | None = None) -> Choice:
    """The choice where `name` is `auto`, else `name` itself. A GPU is looked for only where it may be used."""
    if name != NAME:
        return Choice(name)
    n_columns = len(schema.modelled)
    n_units = table[schema.unit].nunique(dropna=False) if schema.unit is not None and schema.unit in table else None
    cuda = n_columns > MOST_COLUMNS and (config or {}).get("device") != "cpu" and _has_gpu()
    return choose(len(table), n_columns, n_units=n_units, cuda=cuda)


def create(
    name: str, config: Mapping[str, Any] | None, table: pd.DataFrame, schema: TableSchema
) -> tuple[base.Generator, Choice]:
    """A generator for `table`, not fitted yet, and the choice. Raises ConfigError, which names the chosen one, for an
    unknown name, key or value."""
    choice = resolve(name, table, schema, config)
    return base.create(choice.name, **(config or {})), choice


def check(name: str, config: Mapping[str, Any] | None = None) -> None:
    """Raises ConfigError early, before a table is read, for what can be known without it."""
    if name != NAME:
        base.create(name, **(config or {}))


def _has_gpu() -> bool:
    from understudy.generators.neural_settings import choose_device

    return choose_device("auto").type == "cuda"

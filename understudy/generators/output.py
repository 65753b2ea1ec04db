"""Put drawn columns together to a released table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from understudy.identifiers import surrogates
from understudy.schema import TableSchema

if TYPE_CHECKING:
    from understudy.generators.base import Generator

BATCH = 1 << 18


def assemble(columns: Mapping[str, pd.Series], schema: TableSchema, n_rows: int) -> pd.DataFrame:
    """The released columns in the schema's order, with surrogates for replaced identifiers."""
    return pd.DataFrame(
        {c.name: columns[c.name] if c.modelled else surrogates(c, n_rows) for c in schema.released},
        copy=False,
    )


def sample_batches(
    generator: Generator, n_rows: int, *, rng: np.random.Generator, where: Mapping[str, Any] | None = None,
    first: int = 0,
) -> Iterator[pd.DataFrame]:  # fmt: skip
    """Batches of at most 262,144 rows, so that any number of rows streams in constant memory.

    `first`: the number of the first row in a table that is made in parts, for its surrogate identifiers.
    """
    replaced = [c for c in generator.schema.released if not c.modelled]
    for start in range(0, max(n_rows, 1), BATCH):
        batch = generator.sample(min(BATCH, n_rows - start), rng=rng, where=where)
        for column in replaced:
            batch[column.name] = surrogates(column, len(batch), first + start)
        yield batch

"""Put drawn columns together to a released table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from understudy.pii.replace import surrogates
from understudy.schema import TableSchema

if TYPE_CHECKING:
    from understudy.generators.base import Generator

BATCH = 1 << 18


def assemble(
    columns: Mapping[str, pd.Series], schema: TableSchema, n_rows: int, rng: np.random.Generator
) -> pd.DataFrame:
    """The released columns in the schema's order, with surrogates for replaced identifiers.

    Invented surrogates come from a child of `rng`, so that the other columns are the same with and without them.
    """
    invented = _surrogates(schema, n_rows, rng, 0)
    series = {c.name: columns[c.name] if c.modelled else invented[c.name] for c in schema.released}
    # Without their indices, which pandas would align one by one.
    return pd.DataFrame({name: values.array for name, values in series.items()}, pd.RangeIndex(n_rows), copy=False)


def sample_batches(
    generator: Generator, n_rows: int, *, rng: np.random.Generator, where: Mapping[str, Any] | None = None,
    size: int = BATCH, first: int = 0,
) -> Iterator[pd.DataFrame]:  # fmt: skip
    """Batches of at most `size` rows, so that any number of rows streams in constant memory.

    `first`: the number of the first row in a table that is made in parts, for its surrogate identifiers.
    """
    for start in range(0, max(n_rows, 1), size):
        batch = generator.sample(min(size, n_rows - start), rng=rng, where=where)
        if first + start:  # the numbers of keys go on
            for name, values in _surrogates(generator.schema, len(batch), rng, first + start).items():
                batch[name] = values
        yield batch


def _surrogates(schema: TableSchema, n_rows: int, rng: np.random.Generator, start: int) -> dict[str, pd.Series]:
    replaced = [c for c in schema.released if not c.modelled]
    return surrogates(replaced, n_rows, rng.spawn(1)[0], start) if replaced else {}

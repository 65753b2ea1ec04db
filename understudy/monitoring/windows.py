"""A window: the fixed number of rows that is compared, whatever number there is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from understudy.canonical import conform_column
from understudy.errors import ConfigError, SchemaError
from understudy.schema import TableSchema

ROWS = 5_000
FEWEST = 200


@dataclass(frozen=True)
class Window:
    """Rows to compare.

    Attributes:
        table: conformed; columns that are missing or can't be read are not in it.
        units: (n_rows,) which rows belong to one person, as 0, 1, ...; None: each row is one.
        n_given: how many rows there were to choose from.
        faults: what is wrong with the columns that are not in `table`, a line each.
    """

    table: pd.DataFrame
    units: np.ndarray | None
    n_given: int
    faults: tuple[str, ...]

    @classmethod
    def of(
        cls, raw: pd.DataFrame, schema: TableSchema, expected: list[str], n_rows: int, rng: np.random.Generator
    ) -> Window:
        """`n_rows` rows of `raw` by chance, with the modelled ones of the `expected` columns.

        Raises ConfigError for fewer than `FEWEST` rows: nothing could be told from them.
        """
        if n_rows < FEWEST:
            raise ConfigError(f"--rows is {n_rows}; give at least {FEWEST}")
        if len(raw) < FEWEST:
            raise ConfigError(f"the window has {len(raw)} rows; give at least {FEWEST}, fewer tell nothing")
        chosen = raw.iloc[np.sort(rng.permutation(len(raw))[:n_rows])].reset_index(drop=True)
        columns, faults = {}, []
        for column in schema.modelled:
            if column.name not in expected:
                continue
            if column.name not in chosen:
                faults.append(f"column {column.name!r} is missing")
                continue
            try:
                columns[column.name] = conform_column(chosen[column.name], column)
            except SchemaError as e:
                faults.append(str(e))
        unit = schema.unit if schema.unit in chosen else None
        units = None if unit is None else pd.factorize(chosen[unit], use_na_sentinel=False)[0]
        return cls(pd.DataFrame(columns), units, len(raw), tuple(faults))

"""A simulated population of eight mixed columns, and audits of known generators over it."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from understudy.schema import Column, TableSchema

KINDS = {
    "age": ("numerical", 0),
    "income": ("numerical", 2),
    "weight": ("numerical", 1),
    "visits": ("numerical", 0),
    "region": ("categorical", None),
    "job": ("categorical", None),
    "smoker": ("boolean", None),
    "since": ("datetime", None),
}


def _draw(n: int, rng: np.random.Generator) -> pd.DataFrame:
    z, group = rng.normal(size=(n, 3)), rng.integers(0, 3, n)
    job = np.clip((3 * z[:, 1] + 6 + rng.normal(size=n)).astype(int), 0, 11)
    return pd.DataFrame(
        {
            "age": np.clip(np.round(45 + 15 * z[:, 0] + 3 * group), 18, 90).astype("int64"),
            "income": np.where(rng.random(n) < 0.05, np.nan, np.round(np.exp(10 + 0.6 * z[:, 0] + 0.5 * z[:, 1]), 2)),
            "weight": np.round(75 + 12 * z[:, 1] + 4 * z[:, 2], 1),
            "visits": pd.Series(rng.poisson(np.exp(0.3 * z[:, 2] + 0.5))).astype("Int64").mask(rng.random(n) < 0.1),
            "region": pd.Categorical(np.array(["north", "south", "east", "west"])[(group + rng.integers(0, 2, n)) % 4]),
            "job": pd.Categorical(np.array([f"job {i}" for i in range(12)])[job]),
            "smoker": rng.random(n) < 1 / (1 + np.exp(-z[:, 2])),
            "since": pd.Timestamp("2001-01-01") + pd.to_timedelta(rng.integers(0, 3000, n), unit="D"),
        }
    )


@pytest.fixture(scope="session")
def population() -> Callable[[int, np.random.Generator], pd.DataFrame]:
    """Draws n people."""
    return _draw


@pytest.fixture(scope="session")
def schema() -> TableSchema:
    return TableSchema(
        columns=tuple(Column(name=n, kind=k, decimals=d, nullable=True) for n, (k, d) in KINDS.items())
    )

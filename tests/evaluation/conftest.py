"""A small conformed table with every modelled kind, and its schema."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from understudy.schema import Column, TableSchema

SCHEMA = TableSchema(
    columns=(
        Column(name="person", kind="id"),
        Column(name="age", kind="numerical", decimals=0),
        Column(name="pay", kind="numerical", nullable=True),
        Column(name="city", kind="categorical", nullable=True),
        Column(name="member", kind="boolean"),
        Column(name="since", kind="datetime", nullable=True),
        Column(name="buys", kind="categorical"),
    ),
    target="buys",
)


def make_people(n: int, seed: int) -> pd.DataFrame:
    """`n` rows in which pay follows age, and buys follows pay and city."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, n)
    pay = np.exp(rng.normal(9 + age / 60, 0.4))
    city = rng.choice(["Paris", "Rome", "Oslo"], n, p=[0.5, 0.3, 0.2])
    odds = (pay > np.median(pay)) * 2.0 + (city == "Rome") - 1.5
    buys = np.where(rng.random(n) < 1 / (1 + np.exp(-odds)), "yes", "no")
    table = pd.DataFrame(
        {
            "person": np.arange(n),
            "age": age,
            "pay": np.where(rng.random(n) < 0.1, np.nan, pay.round(2)),
            "city": pd.Categorical(np.where(rng.random(n) < 0.05, None, city)),
            "member": rng.random(n) < age / 100,
            "since": pd.Timestamp("2015-01-01") + pd.to_timedelta(rng.integers(0, 3000, n), unit="D"),
            "buys": pd.Categorical(buys),
        }
    )
    table.loc[rng.random(n) < 0.05, "since"] = pd.NaT
    return table


@pytest.fixture
def schema() -> TableSchema:
    return SCHEMA


@pytest.fixture
def people() -> Callable[[int, int], pd.DataFrame]:
    return make_people

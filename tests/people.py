"""A simulated table of people with every kind of column, and its schema."""

from __future__ import annotations

import numpy as np
import pandas as pd

from understudy.canonical import conform
from understudy.inference import infer_schema
from understudy.schema import TableSchema


def people(n_rows: int, seed: int = 0) -> pd.DataFrame:
    """Columns of all kinds with known relations: pay rises with age, plan depends on region and pay,
    region_code is a function of region, joined holds dates, bonus is mostly zero, notes may be missing."""
    rng = np.random.default_rng(seed)
    age = np.clip(rng.normal(45, 15, n_rows), 18, 90).astype(int)
    region = rng.choice(["north", "south", "east", "west"], n_rows, p=[0.4, 0.3, 0.2, 0.1])
    pay = np.round(rng.lognormal(7 + age / 60, 0.3, n_rows), 2)
    bonus = np.where(rng.random(n_rows) < 0.7, 0, rng.integers(1, 60, n_rows) * 1000)
    active = rng.random(n_rows) < 0.8
    score = rng.normal(0, 1, n_rows) + (region == "north")
    joined = pd.Timestamp("2015-01-01") + pd.to_timedelta(rng.integers(0, 3000, n_rows), unit="D")
    logit = (pay - np.median(pay)) / 2000 + (region == "west")
    plan = np.where(rng.random(n_rows) < 1 / (1 + np.exp(-logit)), "gold", "basic")
    grade = rng.choice(["a", "b", "c"], n_rows).astype(object)
    grade[rng.random(n_rows) < 0.1] = None
    children = pd.array(rng.poisson(1.2, n_rows), dtype="Int64")
    children[rng.random(n_rows) < 0.05] = pd.NA
    return pd.DataFrame(
        {
            "age": age,
            "region": region,
            "region_code": pd.Series(region).map({"north": 1, "south": 2, "east": 3, "west": 4}),
            "pay": pay,
            "bonus": bonus,
            "active": active,
            "score": score,
            "joined": joined,
            "grade": grade,
            "children": children,
            "plan": plan,
        }
    )


def conformed_people(n_rows: int, seed: int = 0) -> tuple[pd.DataFrame, TableSchema]:
    raw = people(n_rows, seed)
    schema = infer_schema(raw, target="plan")
    return conform(raw, schema), schema

"""Tables of many kinds to judge generators on; `python -m benchmarks.frontier --table NAME` uses them.

Simulated ones are always there and have fresh rows to compare with; real ones come with scikit-learn and statsmodels
and are split by a fixed shuffle. Nothing is downloaded and no data file is kept in the repository.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks import simulated
from understudy.canonical import conform
from understudy.errors import ConfigError
from understudy.inference import infer_schema
from understudy.schema import TableSchema


@dataclass(frozen=True)
class Made:
    """Raw train and holdout tables, the column to predict, and whether it is a class or a number."""

    train: pd.DataFrame
    holdout: pd.DataFrame
    target: str
    kind: str


def simulate(make: Callable[[int, np.random.Generator], pd.DataFrame], n_rows: int, target: str, kind: str) -> Made:
    """Two thirds to train, one third to compare with, all drawn at once."""
    return _split(make(n_rows, np.random.default_rng(20_260)), target, kind)


def embedded(name: str, target: str, kind: str, words: tuple[str, ...] = ()) -> Made:
    """A table of scikit-learn. `words` name the classes of an integer target."""
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    table = bunch.frame.rename(columns={"target": target})
    if words:
        table[target] = np.array(words)[table[target]]
    return _split(table.loc[:, table.nunique() > 1], target, kind)


def statistics(name: str, target: str, kind: str) -> Made:
    """A table of statsmodels (a development dependency)."""
    try:
        import statsmodels.datasets as datasets
    except ImportError:
        raise ConfigError(f"table {name!r} comes with statsmodels; install it, or choose a simulated table") from None
    table = getattr(datasets, name).load_pandas().data
    if kind == "class":
        table[target] = np.char.add("class ", table[target].astype(int).astype(str).to_numpy(dtype=str))
    return _split(table, target, kind)


TABLES: dict[str, Callable[[], Made]] = {
    "credit": lambda: simulate(simulated.credit, 30_000, "default", "class"),
    "sessions": lambda: simulate(simulated.sessions, 12_330, "bought", "class"),
    "weather": lambda: simulate(simulated.weather, 43_824, "dust", "number"),
    "policies": lambda: simulate(simulated.policies, 24_000, "premium", "number"),
    "showers": lambda: simulate(simulated.showers, 19_020, "particle", "class"),
    "houses": lambda: simulate(simulated.houses, 21_613, "price", "number"),
    "wine": lambda: embedded("wine", "cultivar", "class", ("a", "b", "c")),
    "breast_cancer": lambda: embedded("breast_cancer", "tumour", "class", ("malignant", "benign")),
    "diabetes": lambda: embedded("diabetes", "progression", "number"),
    "digits": lambda: embedded("digits", "digit", "class", tuple(f"digit {k}" for k in range(10))),
    "fair": lambda: statistics("fair", "affairs", "number"),
    "randhie": lambda: statistics("randhie", "mdvis", "number"),
    "anes96": lambda: statistics("anes96", "vote", "class"),
}
MAIN = ("credit", "sessions", "weather", "policies", "showers", "houses", "breast_cancer", "diabetes", "fair")
"""What `--table all` measures: enough kinds, large enough that figures mean something."""


def load(name: str) -> tuple[pd.DataFrame, pd.DataFrame, TableSchema]:
    """The conformed train and holdout tables and their schema. Raises ConfigError for an unknown name."""
    if name not in TABLES:
        raise ConfigError(f"table {name!r} is not known; choose one of: {', '.join(TABLES)}")
    made = TABLES[name]()
    schema = infer_schema(made.train, target=made.target)
    return conform(made.train, schema), conform(made.holdout, schema), schema


def _split(table: pd.DataFrame, target: str, kind: str) -> Made:
    order = np.random.default_rng(7).permutation(len(table))
    train, holdout = np.split(order, [2 * len(table) // 3])
    parts = (table.iloc[np.sort(rows)].reset_index(drop=True) for rows in (train, holdout))
    return Made(*parts, target=target, kind=kind)

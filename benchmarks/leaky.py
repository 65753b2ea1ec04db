"""Generators whose leaks are known, and a population to let them leak from.

A leak is a function (train, fresh, rng) -> the synthetic table: `train` are the rows it learnt, `fresh` as many
synthetic rows of a generator that leaks nothing, an independent draw of the population.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from understudy.schema import Column, TableSchema

KINDS = {
    "age": ("numerical", 0),
    "income": ("numerical", 2),
    "weight": ("numerical", 1),
    "visits": ("numerical", 0),
    "region": ("categorical", None),
    "job": ("categorical", None),
    "town": ("categorical", None),
    "smoker": ("boolean", None),
    "grade": ("categorical", None),
}
SCHEMA = TableSchema(
    columns=tuple(Column.model_validate({"name": n, "kind": k, "decimals": d}) for n, (k, d) in KINDS.items())
)
RARE_TOWNS = 20_000
RARE_SHARE = 0.03
Leak = Callable[[pd.DataFrame, pd.DataFrame, np.random.Generator], pd.DataFrame]


def population(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """`n` people: three latent normals and a group shape nine dependent columns. Three in a hundred live in one of
    `RARE_TOWNS` towns, most of them alone."""
    z, group = rng.normal(size=(n, 3)), rng.integers(0, 3, n)
    job = np.clip((3 * z[:, 1] + 6 + rng.normal(size=n)).astype(int), 0, 11)
    rare = rng.random(n) < RARE_SHARE
    town = np.where(rare, 20 + rng.integers(0, RARE_TOWNS, n), group * 5 + rng.integers(0, 8, n))
    return pd.DataFrame(
        {
            "age": np.clip(np.round(45 + 15 * z[:, 0] + 3 * group), 18, 90).astype("int64"),
            "income": np.round(np.exp(10 + 0.6 * z[:, 0] + 0.5 * z[:, 1]), 2),
            "weight": np.round(75 + 12 * z[:, 1] + 4 * z[:, 2], 1),
            "visits": rng.poisson(np.exp(0.3 * z[:, 2] + 0.5)).astype("int64"),
            "region": np.array(["north", "south", "east", "west"])[(group + rng.integers(0, 2, n)) % 4],
            "job": np.char.add("job ", job.astype(str)),
            "town": np.char.add("town ", town.astype(str)),
            "smoker": rng.random(n) < 1 / (1 + np.exp(-z[:, 2])),
            "grade": np.array(["a", "b", "c"])[group],
        }
    )


def bootstrap(train: pd.DataFrame, fresh: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Training rows, drawn with replacement."""
    return _rows(train, rng.integers(0, len(train), len(fresh)))


def copied(share: float) -> Leak:
    """`share` of the synthetic rows are training rows."""

    def leak(train: pd.DataFrame, fresh: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        n = round(share * len(fresh))
        return pd.concat([fresh.iloc[n:], _rows(train, rng.permutation(len(train))[:n])], ignore_index=True)

    return leak


def jittered(train: pd.DataFrame, fresh: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Training rows whose numbers moved by a tenth of their standard deviation; no row is copied."""
    rows = bootstrap(train, fresh, rng)
    for name in rows.select_dtypes("number"):
        noise = rng.normal(scale=0.1 * train[name].std(), size=len(rows))
        whole = pd.api.types.is_integer_dtype(train[name])
        moved = np.clip(rows[name] + noise, train[name].min(), train[name].max())
        rows[name] = moved.round().astype("int64") if whole else moved.round(2)
    return rows


def halves(train: pd.DataFrame, fresh: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The left half of one training row's columns glued to the right half of another's."""
    left, right = (bootstrap(train, fresh, rng) for _ in range(2))
    half = len(train.columns) // 2
    return pd.concat([left.iloc[:, :half], right.iloc[:, half:]], axis=1)


def outliers(train: pd.DataFrame, fresh: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The twentieth of the training rows that lies farthest out, jittered; the others are fresh."""
    numbers = train.select_dtypes("number")
    away = ((numbers - numbers.mean()) / numbers.std()).abs().max(axis=1)
    far = jittered(_rows(train, np.argsort(-away.to_numpy())[: len(train) // 20]), fresh.iloc[: len(fresh) // 20], rng)
    return pd.concat([fresh.iloc[len(far) :], far], ignore_index=True)


def rare_category(train: pd.DataFrame, fresh: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Fresh rows, but the categories of the column with the most of them are those of the training rows, the rarest
    included."""
    labels = [c for c in train if not pd.api.types.is_numeric_dtype(train[c])]
    column = max(labels, key=lambda c: train[c].nunique())
    return fresh.assign(**{column: train[column].to_numpy()[rng.integers(0, len(train), len(fresh))]})


def cart(train: pd.DataFrame, fresh: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """synthpop's CART (Nowok, Raab and Dibben, 2016) with leaves of 5 rows: columns in order, each drawn from the
    donors in the leaf of a tree on the ones before it."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    codes = pd.DataFrame({c: train[c] if _numeric(train[c]) else pd.factorize(train[c], sort=True)[0] for c in train})
    known = codes.astype(float).fillna(-1.0).to_numpy()
    drawn = np.empty((len(fresh), known.shape[1]))
    rows = np.empty((len(fresh), known.shape[1]), dtype=int)  # the donor of each cell
    for j, name in enumerate(train):
        if j == 0:
            rows[:, 0] = rng.integers(0, len(train), len(fresh))
        else:
            kind = DecisionTreeRegressor if _numeric(train[name]) else DecisionTreeClassifier
            tree = kind(min_samples_leaf=5, random_state=int(rng.integers(2**31))).fit(known[:, :j], known[:, j])
            rows[:, j] = _donors(tree.apply(known[:, :j]), tree.apply(drawn[:, :j]), rng)
        drawn[:, j] = known[rows[:, j], j]
    return pd.DataFrame({name: train[name].to_numpy()[rows[:, j]] for j, name in enumerate(train)})


def _donors(leaves: np.ndarray, wanted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n,) a random training row out of each wanted leaf; `leaves` are the training rows'."""
    order = np.argsort(leaves, kind="stable")
    values, start, count = np.unique(leaves[order], return_index=True, return_counts=True)
    at = np.searchsorted(values, wanted)
    return order[start[at] + (rng.random(len(wanted)) * count[at]).astype(int)]


def _numeric(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column))


def _rows(table: pd.DataFrame, at: np.ndarray) -> pd.DataFrame:
    return table.iloc[at].reset_index(drop=True)


LEAKS: dict[str, Leak] = {
    "no leak": lambda train, fresh, rng: fresh,
    "bootstrap": bootstrap,
    "1 % copied rows": copied(0.01),
    "2 % copied rows": copied(0.02),
    "5 % copied rows": copied(0.05),
    "CART, leaves of 5 rows": cart,
    "copies with jittered numbers": jittered,
    "memorises outliers only": outliers,
    "leaks rare categories": rare_category,
    "swapped halves of rows": halves,
}

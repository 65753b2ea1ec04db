"""Functional dependencies: columns that another column determines (education -> education_num)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from understudy.schema import TableSchema

MAX_DISTINCT = 2000
MIN_SUPPORT = 5  # mean rows per determinant value: fewer would find dependencies by chance


@dataclass(frozen=True)
class Dependency:
    """`dependent` is a function of `determinant`; `mapping` holds it, keys and values as text
    (missing values as None)."""

    determinant: str
    dependent: str
    mapping: dict[str | None, str | None]


def functional_dependencies(table: pd.DataFrame, schema: TableSchema) -> list[Dependency]:
    """The exact one-column dependencies among columns of at most 2,000 distinct values.

    A constant dependent doesn't count. Of mutual dependencies both are listed.
    """
    coded: dict[str, tuple[np.ndarray, np.ndarray, int]] = {}
    for column in schema.modelled:
        codes, labels = pd.factorize(_text(table[column.name]), use_na_sentinel=False)
        if 1 < len(labels) <= min(MAX_DISTINCT, max(len(table) // MIN_SUPPORT, 2)):
            coded[column.name] = (codes, np.asarray(labels, dtype=object), len(labels))
    found = []
    for a, (codes_a, labels_a, n_a) in coded.items():
        first = np.full(n_a, -1)
        # The last writer wins: whichever row that is, all rows of a value must agree with it.
        for b, (codes_b, labels_b, n_b) in coded.items():
            if a == b or n_b > n_a:
                continue
            first[codes_a] = codes_b
            if np.array_equal(first[codes_a], codes_b):
                mapping = {_none(labels_a[i]): _none(labels_b[j]) for i, j in enumerate(first)}
                found.append(Dependency(a, b, mapping))
    return found


def holds(dependency: Dependency, table: pd.DataFrame) -> float:
    """The share of rows of `table` in which the dependency holds; an unseen determinant counts as a breach."""
    if not len(table):
        return float("nan")
    a, b = _text(table[dependency.determinant]), _text(table[dependency.dependent])
    pairs = pd.DataFrame({"a": a, "b": b, "n": 1}).groupby(["a", "b"], dropna=False, as_index=False).sum()
    unseen = object()
    ok = [
        dependency.mapping.get(_none(x), unseen) == _none(y) for x, y in zip(pairs["a"], pairs["b"], strict=True)
    ]
    return float(pairs["n"][ok].sum()) / len(table)


def _text(values: pd.Series) -> pd.Series:
    """Values as text, the same for 3 and 3.0, so that tables of different dtypes compare."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.astype(object)
    if pd.api.types.is_numeric_dtype(values.dtype) and values.dtype.kind != "b":
        codes, unique = pd.factorize(values.to_numpy(dtype=float, na_value=np.nan), use_na_sentinel=True)
        text = np.array([repr(float(u)) for u in unique] + [None], dtype=object)
        return pd.Series(text[codes])
    return values.map(str, na_action="ignore").astype(object)


def _none(value: object) -> str | None:
    return None if value is None or value is pd.NA or value != value else str(value)

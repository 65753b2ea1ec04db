"""Functional dependencies: columns that another column determines (education -> education_num)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from understudy.schema import TableSchema

MAX_DISTINCT = 2000
PROBE_ROWS = 512
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

    A constant dependent doesn't count. Of mutual dependencies both are listed. Pairs that a sample of the rows refutes
    are not looked at further, so that hundreds of columns take seconds.
    """
    most = min(MAX_DISTINCT, max(len(table) // MIN_SUPPORT, 2))
    probe, wide = (_spread(len(table), n) for n in (PROBE_ROWS, 5 * MAX_DISTINCT))
    coded: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for column in schema.modelled:
        values = table[column.name]
        if values.iloc[wide].nunique() > most:
            continue
        codes, labels = _coded(values)
        if 1 < len(labels) <= most:
            coded[column.name] = codes, labels
    names = list(coded)
    sizes = np.array([len(labels) for _, labels in coded.values()])
    sample = np.stack([codes[probe] for codes, _ in coded.values()]) if names else np.empty((0, 0), dtype=int)
    found = []
    for i, a in enumerate(names):
        codes_a, labels_a = coded[a]
        for j in np.flatnonzero(_agree(sample, i, sizes[i]) & (sizes <= sizes[i])):
            if i == j:
                continue
            codes_b, labels_b = coded[names[j]]
            # The last writer wins: whichever row that is, all rows of a value must agree with it.
            first = np.full(len(labels_a), -1)
            first[codes_a] = codes_b
            if np.array_equal(first[codes_a], codes_b):
                mapping = {labels_a[k]: labels_b[v] for k, v in enumerate(first)}
                found.append(Dependency(a, names[j], mapping))
    return found


def _spread(n_rows: int, wanted: int) -> np.ndarray:
    """At most `wanted` row numbers, evenly spread."""
    return np.linspace(0, max(n_rows - 1, 0), min(n_rows, wanted)).astype(int)


def _agree(sample: np.ndarray, i: int, n_values: int) -> np.ndarray:
    """(n_columns,) whether column `i` determines each column within `sample`, (n_columns, n_rows) codes."""
    first = np.zeros((len(sample), n_values), dtype=sample.dtype)
    first[:, sample[i]] = sample
    return (first[:, sample[i]] == sample).all(axis=1)


def holds(dependency: Dependency, table: pd.DataFrame) -> float:
    """The share of rows of `table` in which the dependency holds; an unseen determinant counts as a breach."""
    if not len(table):
        return float("nan")
    codes_a, labels_a = _coded(table[dependency.determinant])
    codes_b, labels_b = _coded(table[dependency.dependent])
    pairs, rows = np.unique(codes_a.astype(np.int64) * len(labels_b) + codes_b, return_counts=True)
    unseen = object()
    ok = [
        dependency.mapping.get(labels_a[p // len(labels_b)], unseen) == labels_b[p % len(labels_b)]
        for p in pairs.tolist()
    ]
    return float(rows[ok].sum()) / len(table)


def _coded(values: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Codes, (n,), and the values that occur as text, (n_values,), the missing one None.

    3 and 3.0 are the same, so that tables of different dtypes compare.
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        raw, names = values.cat.codes.to_numpy(), values.cat.categories
        used = np.bincount(raw + 1, minlength=len(names) + 1) > 0  # (missing, every category)
        kept = [str(x) for x, u in zip(names, used[1:], strict=True) if u]
        return (np.cumsum(used) - 1)[raw + 1], np.array(([None] if used[0] else []) + kept, dtype=object)
    if pd.api.types.is_numeric_dtype(values.dtype) and values.dtype.kind != "b":
        codes, floats = pd.factorize(values.to_numpy(dtype=float, na_value=np.nan), use_na_sentinel=False)
        return codes, np.array([None if x != x else repr(float(x)) for x in floats], dtype=object)
    codes, unique = pd.factorize(values, use_na_sentinel=False)
    return codes, np.array([None if pd.isna(x) else str(x) for x in unique], dtype=object)

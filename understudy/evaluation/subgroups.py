"""Which columns a table is divided by when fairness is measured, and which rows make a group.

Columns that a user names are taken as they are. Where none is named, those whose name is that of a commonly protected
attribute come first, since a name is the best evidence that the law or a person cares; then booleans and categories
of 2 to 12 levels, those first on which the model trained on *real* rows differs most. The synthetic model has no say
in the choice, so a column isn't chosen for the very figure that is reported of it.

A group of fewer than 30 units in train or in the holdout says nothing reliable and may point at persons. Such groups
are merged into one; if that has fewer than 30 as well, it is not shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from understudy.errors import ConfigError, SchemaError
from understudy.evaluation.aligned import Aligned, View
from understudy.schema import Column, TableSchema

MIN_UNITS = 30
MAX_GROUPS = 12
MAX_COLUMNS = 6
OTHER, MISSING = "other groups", "(missing)"
_PROTECTED = re.compile(
    r"(.*_)?(sex|gender|race|ethnic(ity)?|ethnic_group|age|age_group|age_band|religion|disab(led|ility)|nationality"
    r"|native_country|country_of_birth|birth_country|marital(_status)?|civil_status|orientation|sexual_orientation"
    r"|pregnan(t|cy)|language|caste|colou?r_of_skin|skin_colou?r|veteran|female|male|hispanic|black|white)(_.*)?"
)


@dataclass(frozen=True, eq=False)
class Division:
    """One column's groups.

    Attributes:
        column: its name.
        labels: the groups shown, in order.
        codes: of each view, (n_rows,) positions in `labels`; -1: in a group that isn't shown.
        merged, hidden: how many groups were merged into OTHER, and how many are not shown.
    """

    column: str
    labels: tuple[str, ...]
    codes: tuple[np.ndarray, ...]
    merged: int
    hidden: int


def check_sensitive(names: Sequence[str], schema: TableSchema) -> tuple[str, ...]:
    """The columns named by the user, once each. Raises SchemaError or ConfigError."""
    for name in names:
        column = schema.column(name)
        if not column.modelled:
            raise SchemaError(f"sensitive: column {name!r} is of kind {column.kind}, which has no groups; name another")
        if name == schema.target:
            raise ConfigError(f"sensitive: {name!r} is the target that is predicted; name other columns")
    return tuple(dict.fromkeys(names))


def is_protected(name: str) -> bool:
    """Whether a column's name is that of a commonly protected attribute.

    >>> [is_protected(n) for n in ("sex", "Patient_Gender", "native-country", "ageGroup", "wage", "message")]
    [True, True, True, True, False, False]
    """
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])|[-. ]+", "_", name.strip()).lower()
    return _PROTECTED.fullmatch(snake) is not None


def divisions(
    data: Aligned, names: Sequence[str], target: str | None, disparity: Callable[[Division], float]
) -> list[Division]:
    """How `data.views` = (train, holdout, synthetic) are divided by the columns `names`, or by those chosen.

    Chosen ones that don't fall into two groups of 30 units are passed over; a named one is kept, with no group.

    Args:
        disparity: how differently the model trained on real rows treats the groups; the largest are chosen.
    """
    columns = {c.name: c for c in data.columns}
    if names:
        return [divide(data, columns[n]) for n in names]
    others = [c for c in data.columns if c.name != target]
    first = [d for c in others if is_protected(c.name) and len((d := divide(data, c)).labels) > 1][:MAX_COLUMNS]
    taken = {d.column for d in first}
    rest = [
        d
        for c in others
        if c.name not in taken and 2 <= len(data.labels.get(c.name, ())) <= MAX_GROUPS
        if len((d := divide(data, c)).labels) > 1
    ]
    if len(first) + len(rest) > MAX_COLUMNS:
        rest.sort(key=disparity, reverse=True)
    return [*first, *rest][:MAX_COLUMNS]


def divide(data: Aligned, column: Column) -> Division:
    """The groups of one column: its categories, the quartile bands of numbers and dates, missing values."""
    codes, labels = _levels(data, column)
    sizes = [_units_in(v, c, len(labels)) for v, c in zip(data.views[:2], codes[:2], strict=True)]
    large = np.minimum(sizes[0], sizes[1]) >= MIN_UNITS
    ranked = np.flatnonzero(large)
    if len(ranked) > MAX_GROUPS:
        keep = ranked[np.argsort(-sizes[0][ranked], kind="stable")[: MAX_GROUPS - 1]]
        ranked = np.sort(keep)
    seen = np.maximum(sizes[0], sizes[1]) > 0
    small = np.setdiff1d(np.flatnonzero(seen), ranked)
    to = np.full(len(labels) + 1, -1)
    to[ranked] = np.arange(len(ranked))
    shown = [labels[i] for i in ranked]
    merged = len(small) > 1 and all(
        len(_distinct(v, np.isin(c, small))) >= MIN_UNITS for v, c in zip(data.views[:2], codes[:2], strict=True)
    )
    if merged:
        to[small] = len(shown)
        shown.append(OTHER)
    n_small = len(small)
    return Division(
        column.name,
        tuple(shown),
        tuple(to[c] for c in codes),
        merged=n_small if merged else 0,
        hidden=0 if merged else n_small,
    )


def _levels(data: Aligned, column: Column) -> tuple[list[np.ndarray], list[str]]:
    """Codes of each view, and labels; missing is the last."""
    name = column.name
    if name in data.labels:
        labels = [str(x) for x in data.labels[name]]
        codes = [v.codes[name] for v in data.views]
    else:
        known = data.views[0].numbers[name]
        known = known[~np.isnan(known)]
        inner = np.unique(np.quantile(known, [0.25, 0.5, 0.75], method="lower")) if len(known) else np.empty(0)
        inner = inner[inner < known.max()] if len(known) else inner
        labels = _bands(inner, column)
        codes = [np.searchsorted(inner, v.numbers[name], side="left") for v in data.views]
    missing = len(labels)
    codes = [np.where(v.missing(name), missing, c) for v, c in zip(data.views, codes, strict=True)]
    return codes, [*labels, MISSING]


def _bands(inner: np.ndarray, column: Column) -> list[str]:
    if column.kind == "datetime":
        words = [str(np.datetime64(int(x), "ns").astype("datetime64[D]")) for x in inner]
    else:
        words = [f"{x:,.6g}" for x in inner]
    if not words:
        return ["all"]
    between = [f"above {a} to {b}" for a, b in zip(words[:-1], words[1:], strict=True)]
    return [f"up to {words[0]}", *between, f"above {words[-1]}"]


def _units_in(view: View, codes: np.ndarray, n: int) -> np.ndarray:
    """(n,) how many units have a row in each group."""
    if view.units is None:
        return np.bincount(codes, minlength=n)
    pairs = np.unique(np.stack([codes.astype(np.int64), view.units]), axis=1)
    return np.bincount(pairs[0], minlength=n)


def _distinct(view: View, rows: np.ndarray) -> np.ndarray:
    """The units of the rows (n_rows,) bool."""
    at = np.flatnonzero(rows)
    return at if view.units is None else np.unique(view.units[at])

"""What one raw column is found to hold, by all the ways there are: values, name, text, model."""

from __future__ import annotations

import numpy as np
import pandas as pd

from understudy.pii.detect import Finding, by_name, by_number, by_value
from understudy.pii.inside import LEAST_SHARE, by_text
from understudy.pii.presidio import asked, by_model

_NUMBERED = {"phone", "national id", "iban", "card"}
"""What a column of numbers may be by its name."""
_FEW = 0.05  # of the rows: fewer distinct values are categories, whatever the column's name
_MODEL_VALUES = 30  # distinct values from which a model is asked: below, they are categories


def find(values: pd.Series, *, presidio: str = "auto", language: str = "en") -> Finding | None:
    """What a column holds, or None for nothing that identifies. Keys are not looked for.

    Args:
        values: the raw column.
        presidio: whether to ask it, as `config.Pii` has it.
        language: of the texts, two letters.
    """
    present = values.dropna()
    unique = pd.Series(present.unique())
    if not len(unique) or values.dtype.kind in "bM" or isinstance(values.dtype, pd.BooleanDtype | pd.DatetimeTZDtype):
        return None
    name, distinct = str(values.name), len(unique) / len(present)
    if pd.api.types.is_numeric_dtype(values.dtype):
        return _of_numbers(unique.to_numpy(), name, distinct)
    text = unique.astype(object).map(str)
    found = by_value(text)
    if found and (found.kind != "url" or distinct > _FEW):
        return found
    numbers = pd.to_numeric(text, errors="coerce")
    if numbers.notna().all():
        return _of_numbers(numbers.to_numpy(), name, distinct)
    named = by_name(name)
    if named not in (None, "key") and distinct > _FEW:
        return Finding(str(named), f"column name {name!r}", "name", n=len(text))
    return _in_text(text, distinct, asked(presidio, language), language)


def _of_numbers(unique: np.ndarray, name: str, distinct: float) -> Finding | None:
    whole = unique.dtype.kind in "iu" or bool((np.isfinite(unique) & (unique == np.floor(unique))).all())
    if not whole:
        return None
    found, named = by_number(unique), by_name(name)
    if not found and named in _NUMBERED and distinct > 0.5:
        return Finding(str(named), f"column name {name!r}", "name", n=len(unique))
    return found


def _in_text(text: pd.Series, distinct: float, model: bool, language: str) -> Finding | None:
    """What is inside the values; by the model only where they may be text: many, with letters."""
    found = next(iter(by_text(text)), None)
    if found and found.share >= LEAST_SHARE:
        return found
    if model and len(text) >= _MODEL_VALUES and distinct > _FEW and text.str.contains(r"[^\W\d_]{3}").mean() > 0.5:
        said = next(iter(by_model(list(text), language)), None)
        if said and said.share >= LEAST_SHARE:
            return said
    return found

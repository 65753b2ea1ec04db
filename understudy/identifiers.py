"""Find direct identifiers, keys and free text, which are never modelled; make surrogates for keys."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from understudy.schema import Column

_BY_VALUE = {
    "email": r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}",
    "uuid": r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}",
    "phone": r"\+?\(?\d[\d\s().-]{7,17}\d",
    "iban": r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}",
    "ip address": r"(\d{1,3}\.){3}\d{1,3}",
    "national id": r"\d{3}-\d{2}-\d{4}",
    "url": r"https?://\S+",
}
_BY_NAME = {
    "email": r"e[-_ ]?mail",
    "phone": r"(tele)?phone|mobile|fax",
    "name": r"(first|last|middle|full|given|family|maiden|sur|customer|patient|person)[-_ ]?name|name",
    "national id": r"ssn|nin|passport|social[-_ ]security([-_ ](no|number))?|tax[-_ ]?id",
    "address": r"street|address|street[-_ ]address|postal[-_ ]address",
    "iban": r"iban|account[-_ ]?(no|number)|card[-_ ]?(no|number)",
    "key": r"(.*[-_ ])?(id|key|uuid|guid|index|row[-_ ]?(no|number)|nr)",
}


def identifier_by_value(text: pd.Series) -> str | None:
    """The kind of identifier that at least 90 % of the distinct values look like, or None."""
    sample = text.iloc[:2000]
    if len(sample) < 3:
        return None
    for kind in ("email", "uuid", "national id", "ip address", "iban", "url", "phone"):
        if sample.str.fullmatch(_BY_VALUE[kind]).mean() >= 0.9:
            return kind
    return None


def identifier_by_name(name: str) -> str | None:
    """The kind of identifier that a header names, or None.

    >>> identifier_by_name("Patient_Name"), identifier_by_name("customer_id"), identifier_by_name("age")
    ('name', 'key', None)
    """
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip()).lower()
    return next((kind for kind, pattern in _BY_NAME.items() if re.fullmatch(pattern, snake)), None)


def looks_like_text(text: pd.Series, distinct: float) -> bool:
    """Free text: mostly distinct values of several words."""
    words = text.iloc[:2000].str.count(r"\s+").mean() + 1
    return bool(distinct > 0.3 and words >= 4) or bool(text.iloc[:2000].str.len().mean() > 200)


def surrogates(column: Column, n_rows: int, start: int = 0) -> pd.Series:
    """Unique surrogate values, numbered from `start` + 1, for a replaced identifier; real ones play no part."""
    numbers = np.arange(start + 1, start + n_rows + 1)
    kind = column.identifier or "key"
    if kind in ("key", "unit key"):
        return pd.Series(numbers, name=column.name)
    pattern = {"email": "person{:07d}@example.org", "phone": "+1-555-{:07d}"}.get(
        kind, kind.replace(" ", "-") + "-{:07d}"
    )
    return pd.Series([pattern.format(i) for i in numbers], name=column.name, dtype=object)

"""Invented values in place of identifiers: surrogates that no real value plays a part in.

Keys are numbered: the rows of a synthetic table are independent, so each gets a key of its own, and columns
whose real values were equal row by row stay equal. What can't be kept is which rows belong to one person, or which
row another table's key points to. Names, first names, last names and e-mail addresses of a row fit together.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from understudy.errors import ConfigError
from understudy.schema import Column

if TYPE_CHECKING:
    from faker import Faker

DEFAULT_LOCALE = "en_US"
POOL = 2_000
"""Names and addresses are drawn from so many invented ones a call: people share them, too."""
_FAMILY_FIRST = ("hu", "ja", "ko", "zh")
_MADE: dict[str, Callable[[Faker], str]] = {
    "phone": lambda f: f.phone_number(),
    "national id": lambda f: f.ssn(),
    "iban": lambda f: f.iban(),
    "card": lambda f: f.credit_card_number(),
    "ip address": lambda f: f.ipv4_private(),
    "mac address": lambda f: f.mac_address(),
    "uuid": lambda f: f.uuid4(),
}
_OF_A_PERSON = ("name", "first name", "last name", "email")
_NUMBERED = ("key", "unit key")


def check_locale(locale: str) -> None:
    """Raises ConfigError, with the nearest one there is, for a locale that invented values can't have."""
    from difflib import get_close_matches

    from faker.config import AVAILABLE_LOCALES

    if locale not in AVAILABLE_LOCALES:
        same = [x for x in sorted(AVAILABLE_LOCALES) if x.startswith(locale[:3])]
        near = get_close_matches(locale, same or AVAILABLE_LOCALES, 1, 0) or [DEFAULT_LOCALE]
        raise ConfigError(f"data.pii.locale: {locale!r} is not known; for example {near[0]!r}")


def surrogates(
    columns: Sequence[Column], n_rows: int, rng: np.random.Generator, start: int = 0
) -> dict[str, pd.Series]:
    """Values for the replaced identifiers of `n_rows` rows, which are numbered from `start` + 1, by column name.

    Keys are whole numbers and e-mail addresses carry the row's number, so both are unique. Equal `rng` give equal
    values; it is left as it was where only keys are made.
    """
    numbers = np.arange(start + 1, start + n_rows + 1)
    made: dict[str, pd.Series] = {}
    people: dict[str, _People] = {}
    for c in columns:
        kind, locale = c.identifier or "key", c.locale or DEFAULT_LOCALE
        if kind in _NUMBERED:
            made[c.name] = pd.Series(numbers, name=c.name)
            continue
        if kind in _OF_A_PERSON:
            people.setdefault(locale, _People(locale, n_rows, rng))
            values = people[locale].values(kind, numbers)
        elif kind == "address":
            fake, pool = _faker(locale, rng), min(POOL, max(n_rows, 1))
            places = np.array([fake.address().replace("\n", ", ") for _ in range(pool)], dtype=object)
            values = list(places[rng.integers(0, pool, n_rows)])
        elif kind in _MADE:
            fake, make = _faker(locale, rng), _MADE[kind]
            values = [make(fake) for _ in range(n_rows)]
        else:
            values = [f"{kind.replace(' ', '-')}-{i:07d}" for i in numbers]
        made[c.name] = pd.Series(values, name=c.name, dtype=object)
    return made


class _People:
    """`n_rows` invented persons: a first and a last name each."""

    def __init__(self, locale: str, n_rows: int, rng: np.random.Generator) -> None:
        fake, pool = _faker(locale, rng), min(POOL, max(n_rows, 1))
        self.family_first = locale.startswith(_FAMILY_FIRST)
        first = np.array([fake.first_name() for _ in range(pool)], dtype=object)
        last = np.array([fake.last_name() for _ in range(pool)], dtype=object)
        self.first, self.last = first[rng.integers(0, pool, n_rows)], last[rng.integers(0, pool, n_rows)]

    def values(self, kind: str, numbers: np.ndarray) -> list[str]:
        if kind == "first name":
            return list(self.first)
        if kind == "last name":
            return list(self.last)
        if kind == "name":
            parts = (self.last, self.first) if self.family_first else (self.first, self.last)
            return [f"{a} {b}" for a, b in zip(*parts, strict=True)]
        names = zip(self.first, self.last, numbers, strict=True)
        return [f"{_ascii(a)}.{_ascii(b)}.{i}@example.org" for a, b, i in names]  # RFC 2606: nobody's domain


def _ascii(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return "".join(c for c in plain if c.isalnum()) or "x"


def _faker(locale: str, rng: np.random.Generator) -> Faker:
    from faker import Faker

    fake = Faker(locale)
    fake.seed_instance(int(rng.integers(1 << 62)))
    return fake

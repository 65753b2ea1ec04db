"""Identifiers inside longer text: comments, notes, addresses written into a category."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import pandas as pd

from understudy.pii import contact, national, payment
from understudy.pii.detect import SAMPLE, Finding

LEAST_SHARE = 0.05
"""A column of which this share of distinct values holds an identifier is treated as free text: never modelled."""

_EDGE_L, _EDGE_R = r"(?<![\w@.+-])", r"(?![\w@-])"
# kind, rule, where one may stand, whether it is one
_PLACES: tuple[tuple[str, str, str, Callable[[str], bool]], ...] = (
    ("email", "e-mail address", r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)+", contact.email),
    ("url", "URL", r"(?:https?|ftp)://[^\s<>\"')]+|www\.[^\s<>\"')]+", contact.url),
    ("uuid", "UUID", r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", contact.uuid),
    ("iban", "IBAN", r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{2,4}){3,8}", payment.iban),
    ("card", "payment card", r"\d(?:[ -]?\d){11,18}", payment.card),
    ("national id", "US Social Security number", r"\d{3}-\d{2}-\d{4}", national.us_ssn),
    ("national id", "Spanish DNI/NIE", r"(?:\d{8}|[XYZ]\d{7})-?[A-Z]", national.es_dni),
    ("national id", "Italian codice fiscale", r"[A-Z]{6}\d{2}[A-Z]\d{2}[A-Z]\d{3}[A-Z]", national.it_fiscal),
    ("national id", "French NIR", r"[12](?: ?\d{2}){3} ?\d{3} ?\d{3} ?\d{2}", national.fr_nir),
    ("national id", "Brazilian CPF", r"\d{3}\.\d{3}\.\d{3}-\d{2}", national.br_cpf),
    ("ip address", "IP address", r"(?:\d{1,3}\.){3}\d{1,3}", contact.ip),
    ("mac address", "MAC address", r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}", contact.mac),
    ("phone", "telephone number", r"(?:\+|\()?\d[\d ()./-]{7,18}\d", contact.phone),
)
_COMPILED = tuple((kind, rule, re.compile(_EDGE_L + f"(?:{p})" + _EDGE_R), valid) for kind, rule, p, valid in _PLACES)


def identifiers_in(text: str) -> list[tuple[str, str]]:
    """(kind, rule) of each identifier in `text`; every stretch counts once, for the first rule that fits it.

    >>> identifiers_in("ask jo@example.org or (212) 555-0147, by 3 pm")
    [('email', 'e-mail address'), ('phone', 'telephone number')]
    >>> identifiers_in("invoice 2024-11-05 of 1,250.00, room 12-3456")
    []
    """
    found = []
    for kind, rule, pattern, valid in _COMPILED:
        for match in list(pattern.finditer(text)):
            if valid(match[0]):
                found.append((kind, rule))
                text = text[: match.start()] + " " * len(match[0]) + text[match.end() :]
    return found


def by_text(text: pd.Series) -> list[Finding]:
    """What distinct values, as text, hold inside longer text, the most frequent kind first."""
    sample = text.iloc[:SAMPLE]
    counts: Counter[tuple[str, str]] = Counter()
    for value in sample:
        counts.update(set(identifiers_in(value)))
    n = max(len(sample), 1)
    return [Finding(kind, rule, "inside text", k / n, n=n) for (kind, rule), k in counts.most_common()]

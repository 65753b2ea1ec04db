"""Whether a column holds direct identifiers: by its values, and by its name.

By value: the share of distinct values that a rule lets through must be large, and larger than digits at random would
reach (a tenth of all numbers carry Luhn's check digit): P(at least as many valid | chance) <= `MAX_ACCIDENT`, by
Chernoff's bound. So a column of incomes is no column of card numbers, however many of them pass.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from understudy.pii import contact
from understudy.pii.rules import ANY_PHONE, BARE_SSN, PHONE, PUNCTUATED, RULES, Rule

MAX_ACCIDENT = 1e-6
LEAST_VALUES = 3
SAMPLE = 2_000
_PROBE = 200

_BY_NAME = {
    "email": r"(.*[-_ ])?e[-_ ]?mails?([-_ ]?(id|addr(ess)?))?",
    "phone": (
        r"(.*[-_ ])?((tele|cell|mobile[-_ ]?)?phone|telefon[oe]?|mobile|tel|fax|msisdn)([-_ ]?(no|nr|num|number))?"
    ),
    "first name": r"(first|given|middle)[-_ ]?names?|forename|vorname|prenom|pr[ée]nom|nombre",
    "last name": r"(last|family|maiden|sur)[-_ ]?names?|nachname|apellidos?|nom",
    "name": r"((full|customer|patient|person|client|employee|member|user|contact|legal)[-_ ]?)?name",
    "national id": (
        r"(.*[-_ ])?(ssn|nino|bsn|cpf|pesel|nif|dni|hetu|aadhaar|personnummer|steuer[-_ ]?id|codice[-_ ]?fiscale"
        r"|(national|tax|passport|social[-_ ]security|driver'?s?[-_ ]licen[cs]e)[-_ ]?(id|no|nr|num|number)"
        r"|social[-_ ]security|passport)([-_ ]?(no|nr|num|number))?"
    ),
    "address": r"((home|street|postal|mailing|billing|shipping)[-_ ]?)?address([-_ ]?(line)?[-_ ]?\d)?|street",
    "iban": r"iban|(bank[-_ ]?)?account[-_ ]?(no|number)",
    "card": r"(credit|debit|payment)?[-_ ]?card[-_ ]?(no|nr|num|number)|pan",
    "ip address": r"(.*[-_ ])?ip([-_ ]?addr(ess)?)?",
    "mac address": r"mac([-_ ]?addr(ess)?)?",
    "key": r"(.*[-_ ])?(id|key|uuid|guid|index|row[-_ ]?(no|number)|nr)",
}


@dataclass(frozen=True)
class Finding:
    """What a column was found to hold.

    Attributes:
        kind: as `Column.identifier` has it.
        rule: the kind more closely, e.g. the country's number.
        by: what told it.
        share: of the distinct values (by name: 0), how many are valid.
        chance: the share that random digits would reach.
        n: how many distinct values were looked at.
    """

    kind: str
    rule: str
    by: Literal["value", "name", "inside text", "model"]
    share: float = 0.0
    chance: float = 0.0
    n: int = 0

    @property
    def sure(self) -> Literal["high", "medium", "low"]:
        """How sure it is: high where nearly all values are valid and accident is excluded."""
        if self.by == "value":
            return "high" if self.share >= 0.9 else "medium"
        return "medium" if self.by == "name" or self.share >= 0.5 else "low"


def by_value(text: pd.Series) -> Finding | None:
    """What distinct values, as text, are found to be; None if nothing."""
    values = [v.strip() for v in text.iloc[:SAMPLE]]
    if len(values) < LEAST_VALUES:
        return None
    numeric = [v for v in values if v.isdigit()]
    if len(numeric) == len(values) and (found := _bare_ssn(values)):
        return found
    tried = [f for rule in (*RULES, *PUNCTUATED) if (f := _tried(rule, values))]
    return max(tried, key=lambda f: (f.share, -f.chance), default=None)


def by_number(numbers: np.ndarray) -> Finding | None:
    """What distinct numbers, (n,) float64 or int64, are found to be: those that are written as digits alone."""
    x = numbers[:SAMPLE]
    if len(x) < LEAST_VALUES or (x < 1e7).mean() > 0.5 or (x < 0).any() or (x != np.floor(x)).any():
        return None
    digits = [str(int(v)) for v in x]
    longest = max(map(len, digits))
    best = None
    for width in (0, *range(longest, longest + 3)):  # numbers lose leading zeros
        found = by_value(pd.Series([d.zfill(width) for d in digits], dtype=object))
        full = sum(len(d) >= width for d in digits) / len(digits)
        if found and full >= 0.5 and (best is None or found.share > best.share):
            best = found
    return best


def by_name(name: str) -> str | None:
    """The kind of identifier that a header names, or None.

    >>> by_name("Patient_Name"), by_name("customer_id"), by_name("age"), by_name("phone_calls")
    ('name', 'key', None, None)
    """
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip()).lower()
    return next((kind for kind, pattern in _BY_NAME.items() if re.fullmatch(pattern, snake)), None)


def accident(valid: int, n: int, chance: float) -> float:
    """A bound on P(at least `valid` of `n` | each with probability `chance`): Chernoff's, exp(-n KL(share, chance)).

    >>> accident(100, 100, 0.1) < 1e-90, accident(10, 100, 0.1)
    (True, 1.0)
    """
    share = valid / n
    if share <= chance:
        return 1.0
    kl = share * math.log(share / chance) + ((1 - share) * math.log((1 - share) / (1 - chance)) if share < 1 else 0.0)
    return math.exp(-n * kl)


def _tried(rule: Rule, values: list[str]) -> Finding | None:
    """Whether `rule` explains the values: most of them, and more than by accident."""
    if rule is PHONE and sum(map(contact.international, values)) >= 0.1 * len(values):
        rule = ANY_PHONE
    least = 0.5 if rule.chance <= 0.05 else 0.8
    probe = sum(map(rule.valid, values[:_PROBE])) / min(len(values), _PROBE)
    if probe < least / 2:
        return None
    hits = [v for v in values if rule.valid(v)]
    share = len(hits) / len(values)
    if share < least or len(hits) < LEAST_VALUES or accident(len(hits), len(values), rule.chance) > MAX_ACCIDENT:
        return None
    if rule.name == "IP address" and not _spread_of_octets(hits):
        return None
    return Finding(rule.family, rule.name, "value", share, rule.chance, len(values))


def _spread_of_octets(values: list[str]) -> bool:
    """Addresses use the whole byte; version numbers (3.11.2.1) don't."""
    v4 = [v for v in values if ":" not in v]
    large = sum(any(int(o) >= 64 for o in v.split(".")) for v in v4)
    return len(v4) < len(values) / 2 or large >= 0.3 * len(v4)


def _bare_ssn(values: list[str]) -> Finding | None:
    """Social Security numbers without dashes: nearly all nine-digit numbers pass, so more is asked of the column.

    Hundreds of different nine-digit numbers of which none has an area that was never issued (000, 666, 900 to 999),
    though their areas are spread over all others.
    """
    nine = [v for v in values if len(v) == 9]
    if len(nine) < 100 or len(nine) < 0.98 * len(values):
        return None
    valid = sum(map(BARE_SSN.valid, nine))
    areas = np.sort([int(v[:3]) for v in nine])
    low, high = areas[int(0.05 * len(areas))], areas[int(0.95 * len(areas))]
    if valid < 0.98 * len(nine) or low > 150 or high < 550 or accident(valid, len(nine), BARE_SSN.chance) > 1e-4:
        return None
    return Finding(BARE_SSN.family, BARE_SSN.name, "value", valid / len(values), BARE_SSN.chance, len(values))

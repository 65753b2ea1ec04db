"""Bank accounts and payment cards."""

from __future__ import annotations

import re

from understudy.pii.checksums import letters_to_numbers, luhn

# Lengths by country: SWIFT, IBAN registry.
_IBAN_LENGTHS = {
    16: "NO", 15: "", 18: "DK FI FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU XK MN", 21: "CH CR HR LI LV",
    22: "BG BH DE GB GE IE ME RS VA", 23: "AE GI IL IQ TL SO OM", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "PT ST LY", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ CY DO GT HU LB PL BY SV NI",
    29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
}  # fmt: skip
IBAN_LENGTH = {c: n for n, countries in _IBAN_LENGTHS.items() for c in countries.split()} | {"NO": 15, "BE": 16}


def iban(text: str) -> bool:
    """ISO 13616: a known country, its length, and ISO 7064 mod 97 = 1.

    >>> iban("GB82 WEST 1234 5698 7654 32"), iban("GB82 WEST 1234 5698 7654 33")
    (True, False)
    """
    code = text.replace(" ", "").upper()
    if IBAN_LENGTH.get(code[:2]) != len(code) or not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]+", code):
        return False
    return letters_to_numbers(code[4:] + code[:4]) % 97 == 1


_MAESTRO = (12, 13, 14, 15, 16, 18, 19)
# Prefixes (first, last) and lengths of the issuers: ISO/IEC 7812 ranges as the schemes publish them.
_ISSUERS = (
    ("4", "4", (13, 16, 19)), ("51", "55", (16,)), ("2221", "2720", (16,)), ("34", "34", (15,)), ("37", "37", (15,)),
    ("6011", "6011", (16, 19)), ("644", "649", (16, 19)), ("65", "65", (16, 19)), ("36", "36", (14,)),
    ("38", "39", (14,)), ("300", "305", (14,)), ("3528", "3589", (16, 19)), ("62", "62", (16, 17, 18, 19)),
    ("2131", "2131", (15,)), ("1800", "1800", (15,)), ("5018", "5018", _MAESTRO), ("5020", "5020", _MAESTRO),
    ("5038", "5038", _MAESTRO), ("56", "58", _MAESTRO), ("6304", "6304", _MAESTRO), ("6759", "6763", _MAESTRO),
)  # fmt: skip


def card(text: str) -> bool:
    """A payment card number: an issuer's prefix and length, and Luhn's check digit.

    >>> card("4111 1111 1111 1111"), card("4111-1111-1111-1112"), card("9111111111111111")
    (True, False, False)
    """
    digits = re.sub(r"[ -]", "", text)
    if not digits.isascii() or not digits.isdigit():
        return False
    known = any(
        len(digits) in lengths and low <= digits[: len(low)] <= high for low, high, lengths in _ISSUERS
    )
    return known and luhn(digits)

"""National identity, tax, social-security and health numbers that have a rule to check.

Each function takes one value as text and says whether it is well formed; separators that people write are
allowed. Where a number holds a date of birth, the date must exist. A valid form is no proof that the
number was issued.
"""

from __future__ import annotations

import re
from datetime import date

from understudy.pii.checksums import luhn, mod_11_10, verhoeff, weighted

_CONTROL = "TRWAGMYFPDXBNJZSQVHLCKE"
_FISCAL_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21,
         2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
        strict=True,
    )
)  # fmt: skip
_HETU = "0123456789ABCDEFHJKLMNPRSTUVWXY"


def us_ssn(text: str) -> bool:
    """Social Security number, AAA-GG-SSSS: no area 000, 666 or 9xx, no group 00, no serial 0000 (SSA, since 2011).

    >>> us_ssn("536-90-4399"), us_ssn("666-12-3456"), us_ssn("12-345-6789")
    (True, False, False)
    """
    m = re.fullmatch(r"(\d{3})([ -]?)(\d{2})\2(\d{4})", text, re.ASCII)
    if not m:
        return False
    area, group, serial = m[1], m[3], m[4]
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def uk_nino(text: str) -> bool:
    """National Insurance number (HMRC NIM39110).

    >>> uk_nino("AB 12 34 56 C"), uk_nino("BG123456A")
    (True, False)
    """
    m = re.fullmatch(r"([A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z])(\d{6})[A-D]", _plain(text))
    return bool(m) and m is not None and m[1] not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")


def uk_nhs(text: str) -> bool:
    """NHS number, ten digits, modulus 11.

    >>> uk_nhs("943 476 5919"), uk_nhs("9434765918")
    (True, False)
    """
    d = _digits(text, 10)
    return bool(d) and weighted(d, range(10, 0, -1)) % 11 == 0 and len(set(d)) > 1


def es_dni(text: str) -> bool:
    """DNI (eight digits and a control letter) or NIE (X, Y or Z, seven digits and the letter).

    >>> es_dni("12345678Z"), es_dni("X1234567L"), es_dni("12345678A")
    (True, True, False)
    """
    t = _plain(text)
    if not re.fullmatch(r"(?:\d{8}|[XYZ]\d{7})[A-Z]", t):
        return False
    return _CONTROL[int(t[:-1].translate(str.maketrans("XYZ", "012"))) % 23] == t[-1]


def it_fiscal(text: str) -> bool:
    """Codice fiscale of a person, with its control letter; digits may be replaced by letters (omocodia).

    >>> it_fiscal("RSSMRA85T10A562S"), it_fiscal("RSSMRA85T10A562T")
    (True, False)
    """
    t = _plain(text)
    d = "[0-9LMNPQRSTUV]"
    if not re.fullmatch(rf"[A-Z]{{6}}{d}{{2}}[ABCDEHLMPRST]{d}{{2}}[A-Z]{d}{{3}}[A-Z]", t):
        return False
    day = int(t[9:11].translate(str.maketrans("LMNPQRSTUV", "0123456789")))
    if not 1 <= day % 40 <= 31 or day > 71:
        return False
    odd, even = sum(_FISCAL_ODD[c] for c in t[0:15:2]), sum(int(c) if c.isdigit() else ord(c) - 65 for c in t[1:15:2])
    return chr(65 + (odd + even) % 26) == t[15]


def fr_nir(text: str) -> bool:
    """NIR (numéro de sécurité sociale): thirteen digits and the key 97 - n mod 97.

    >>> fr_nir("2 55 08 14 168 025 38"), fr_nir("255081416802539")
    (True, False)
    """
    t = _plain(text)
    if not re.fullmatch(r"[1-478]\d{4}(?:\d{2}|2[AB])\d{8}", t):
        return False
    month = int(t[3:5])
    if not (1 <= month <= 12 or 20 <= month <= 42 or month >= 50):
        return False
    # Corsica: 2A counts as 19, 2B as 18.
    return 97 - int(t[:13].replace("2A", "19").replace("2B", "18")) % 97 == int(t[13:])


def de_tax(text: str) -> bool:
    """Steuer-ID: eleven digits, one of the first ten twice or thrice and the others at most once, MOD 11,10.

    >>> de_tax("86 095 742 719"), de_tax("86095742718")
    (True, False)
    """
    d = _digits(text, 11)
    if not d or d[0] == "0":
        return False
    often = sorted((d[:10].count(c) for c in set(d[:10])), reverse=True)
    return often[0] in (2, 3) and often[1] == 1 and mod_11_10(d)


def nl_bsn(text: str) -> bool:
    """Burgerservicenummer: nine digits, the eleven test with a last weight of -1.

    >>> nl_bsn("111222333"), nl_bsn("111222334")
    (True, False)
    """
    d = _digits(text, 9)
    return bool(d) and d != "000000000" and weighted(d, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def pl_pesel(text: str) -> bool:
    """PESEL: a date of birth (the month tells the century) and a check digit.

    >>> pl_pesel("44051401359"), pl_pesel("44051401358")
    (True, False)
    """
    d = _digits(text, 11)
    if not d or weighted(d, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10:
        return False
    century, month = divmod(int(d[2:4]), 20)
    return _is_date((1900, 2000, 2100, 2200, 1800)[century] + int(d[:2]), month, int(d[4:6]))


def se_personnummer(text: str) -> bool:
    """Personnummer or samordningsnummer (day + 60), ten or twelve digits, Luhn over the last ten.

    >>> se_personnummer("811228-9874"), se_personnummer("19811228-9875")
    (True, False)
    """
    m = re.fullmatch(r"(19|20)?(\d{2})(\d{2})(\d{2})[-+]?(\d{4})", text, re.ASCII)
    if not m or not luhn(m[2] + m[3] + m[4] + m[5]):
        return False
    day = int(m[4])
    return _is_date(int(m[1] or 20) * 100 + int(m[2]), int(m[3]), day - 60 if day > 60 else day)


def in_aadhaar(text: str) -> bool:
    """Aadhaar: twelve digits, the first 2 to 9, Verhoeff's check digit, no palindrome (UIDAI).

    >>> in_aadhaar("2341 2341 2346"), in_aadhaar("234123412347")
    (True, False)
    """
    d = _digits(text, 12)
    return bool(d) and d[0] in "23456789" and d != d[::-1] and verhoeff(d)


def br_cpf(text: str) -> bool:
    """CPF: eleven digits with two check digits.

    >>> br_cpf("390.533.447-05"), br_cpf("39053344706")
    (True, False)
    """
    d = _digits(re.sub(r"\.", "", text), 11)
    if not d or len(set(d)) == 1:
        return False
    first = weighted(d[:9], range(10, 1, -1)) * 10 % 11 % 10
    second = weighted(d[:10], range(11, 1, -1)) * 10 % 11 % 10
    return d[9:] == f"{first}{second}"


def cn_resident(text: str) -> bool:
    """Resident identity number: region, date of birth, sequence, check character (GB 11643, ISO 7064 MOD 11-2).

    >>> cn_resident("11010519491231002X"), cn_resident("110105194912310021")
    (True, False)
    """
    t = text.strip().upper()
    if not re.fullmatch(r"[1-8]\d{16}[\dX]", t, re.ASCII):
        return False
    if not _is_date(int(t[6:10]), int(t[10:12]), int(t[12:14])) or not 1850 <= int(t[6:10]) <= 2100:
        return False
    total = sum(int(c) * pow(2, 17 - i, 11) for i, c in enumerate(t[:17]))
    return "10X98765432"[total % 11] == t[17]


def ca_sin(text: str) -> bool:
    """Social insurance number: nine digits, Luhn, the first not 0 or 8.

    >>> ca_sin("130 692 544"), ca_sin("130692545")
    (True, False)
    """
    d = _digits(text, 9)
    return bool(d) and d[0] not in "08" and luhn(d)


def be_national(text: str) -> bool:
    """Rijksregisternummer: date of birth, sequence, 97 - n mod 97 (a leading 2 for those born since 2000).

    >>> be_national("85.07.30-033.28"), be_national("85073003329")
    (True, False)
    """
    d = _digits(re.sub(r"\.", "", text), 11)
    if not d:
        return False
    month, day = int(d[2:4]), int(d[4:6])
    if not (month <= 12 and day <= 31):
        return False
    return any(97 - int(lead + d[:9]) % 97 == int(d[9:]) for lead in ("", "2"))


def fi_hetu(text: str) -> bool:
    """Henkilötunnus: date of birth, century sign, number, check character (mod 31).

    >>> fi_hetu("131052-308T"), fi_hetu("131052-308U")
    (True, False)
    """
    m = re.fullmatch(r"(\d{2})(\d{2})(\d{2})([-+A-FU-Y])(\d{3})([0-9A-Y])", text.strip().upper(), re.ASCII)
    if not m or int(m[5]) < 2:
        return False
    century = 1800 if m[4] == "+" else 2000 if m[4] in "ABCDEF" else 1900
    if not _is_date(century + int(m[3]), int(m[2]), int(m[1])):
        return False
    return _HETU[int(m[1] + m[2] + m[3] + m[5]) % 31] == m[6]


def ch_ahv(text: str) -> bool:
    """AHV/AVS number: 756, nine digits, and the check digit of EAN-13.

    >>> ch_ahv("756.9217.0769.85"), ch_ahv("7569217076984")
    (True, False)
    """
    d = _digits(re.sub(r"\.", "", text), 13)
    return bool(d) and d.startswith("756") and weighted(d, (1, 3) * 6 + (1,)) % 10 == 0


def no_fodselsnummer(text: str) -> bool:
    """Fødselsnummer (or D-number, day + 40): date of birth and two check digits, modulus 11.

    >>> no_fodselsnummer("01010750160"), no_fodselsnummer("01010750161")
    (True, False)
    """
    d = _digits(text, 11)
    if not d:
        return False
    day, month, year = int(d[:2]) % 40, int(d[2:4]), int(d[4:6])
    if not any(_is_date(century + year, month, day) for century in (1900, 2000)):
        return False
    first = weighted(d[:10], (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11
    return first == 0 and weighted(d, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def _plain(text: str) -> str:
    return re.sub(r"[ -]", "", text).upper()


def _digits(text: str, n: int) -> str:
    """The digits of `text` if there are exactly `n`, perhaps with spaces and dashes between; else ""."""
    d = re.sub(r"(?<=\d)[ /-](?=\d)", "", text)
    return d if len(d) == n and d.isascii() and d.isdigit() else ""


def _is_date(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True

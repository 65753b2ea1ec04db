"""Validators against published examples, against Faker (written by others), and against random digits."""

import doctest
import importlib
import random
from collections.abc import Callable

import pytest
from faker import Faker

from understudy.pii import contact, national, payment
from understudy.pii.rules import BARE_SSN, RULES


@pytest.mark.parametrize("name", ["checksums", "contact", "detect", "inside", "national", "payment"])
def test_the_examples_hold(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(f"understudy.pii.{name}"))
    assert tried and not failed


def made(locale: str, provider: str, n: int = 300) -> list[str]:
    fake = Faker(locale)
    fake.seed_instance(0)
    return [str(getattr(fake, provider)()) for _ in range(n)]


@pytest.mark.parametrize(
    ("valid", "locale", "provider", "least"),
    [
        (national.us_ssn, "en_US", "ssn", 1.0),
        (national.es_dni, "es_ES", "nif", 1.0),
        (national.es_dni, "es_ES", "nie", 1.0),
        (national.it_fiscal, "it_IT", "ssn", 1.0),
        (national.fr_nir, "fr_FR", "ssn", 1.0),
        (national.nl_bsn, "nl_NL", "ssn", 1.0),
        (national.pl_pesel, "pl_PL", "pesel", 1.0),
        (national.se_personnummer, "sv_SE", "ssn", 1.0),
        (national.br_cpf, "pt_BR", "cpf", 1.0),
        (national.cn_resident, "zh_CN", "ssn", 1.0),
        (national.ca_sin, "en_CA", "ssn", 1.0),
        (national.be_national, "nl_BE", "ssn", 1.0),
        (national.fi_hetu, "fi_FI", "ssn", 1.0),
        (national.ch_ahv, "de_CH", "ssn", 1.0),
        (national.no_fodselsnummer, "no_NO", "ssn", 1.0),
        (payment.iban, "de_DE", "iban", 1.0),
        (payment.iban, "fr_FR", "iban", 1.0),
        (payment.card, "en_US", "credit_card_number", 0.9),  # it also invents numbers of retired ranges
        (contact.email, "en_US", "email", 1.0),
        (contact.mac, "en_US", "mac_address", 1.0),
        (contact.ip, "en_US", "ipv6", 1.0),
        (contact.url, "en_US", "url", 1.0),
        (contact.uuid, "en_US", "uuid4", 1.0),
        (contact.phone, "en_US", "phone_number", 0.7),  # some as digits alone
    ],
)
def test_what_others_invent_is_valid(valid: Callable[[str], bool], locale: str, provider: str, least: float) -> None:
    values = made(locale, provider)
    assert sum(map(valid, values)) >= least * len(values)


R = random.Random(0)


def digits(n: int) -> str:
    return "".join(R.choice("0123456789") for _ in range(n))


def birth() -> str:
    return f"{R.randint(0, 99):02d}{R.randint(1, 12):02d}{R.randint(1, 28):02d}"


def turned(six: str) -> str:
    return six[4:] + six[2:4] + six[:2]


# Values of the right shape and prefix, but with random digits.
RANDOM = {
    "IBAN": lambda: f"DE{digits(20)}",
    "payment card": lambda: f"4{digits(15)}",
    "Italian codice fiscale": lambda: f"RSSMRA{digits(2)}T{R.randint(1, 31):02d}A{digits(3)}{R.choice('ABCDEFGHIJKLMNOPQRSTUVWXYZ')}",
    "Finnish HETU": lambda: f"{turned(birth())}-{digits(3)}{R.choice('0123456789ABCDEFHJKLMNPRSTUVWXY')}",
    "Spanish DNI/NIE": lambda: f"{digits(8)}{R.choice('TRWAGMYFPDXBNJZSQVHLCKE')}",
    "Chinese resident number": lambda: f"11010519{birth()}{digits(4)}",
    "French NIR": lambda: f"1{digits(2)}{R.randint(1, 12):02d}{digits(10)}",
    "Swiss AHV number": lambda: f"756{digits(10)}",
    "Norwegian national number": lambda: f"{turned(birth())}{digits(5)}",
    "Belgian national number": lambda: f"{birth()}{digits(5)}",
    "Brazilian CPF": lambda: digits(11),
    "German Steuer-ID": lambda: digits(11),
    "Polish PESEL": lambda: f"{birth()}{digits(5)}",
    "Swedish personnummer": lambda: f"{birth()}{digits(4)}",
    "Indian Aadhaar": lambda: f"{R.choice('23456789')}{digits(11)}",
    "UK NHS number": lambda: digits(10),
    "Dutch BSN": lambda: digits(9),
    "Canadian SIN": lambda: f"{R.choice('12345679')}{digits(8)}",
    BARE_SSN.name: lambda: digits(9),
}


@pytest.mark.parametrize("name", RANDOM)
def test_the_stated_chance_bounds_what_random_digits_reach(name: str) -> None:
    """20,000 draws: a share at the stated chance exceeds it by 4 standard errors with probability 3e-5."""
    rule = next(r for r in (*RULES, BARE_SSN) if r.name == name)
    n = 20_000
    share = sum(rule.valid(RANDOM[name]()) for _ in range(n)) / n
    assert share <= rule.chance + 4 * (rule.chance / n) ** 0.5


def test_one_wrong_digit_is_found() -> None:
    """Luhn, Verhoeff, mod 97 and mod 11 find every single wrong digit (ISO 7064; Verhoeff 1969)."""
    for valid, value in (
        (payment.card, "4111111111111111"), (payment.iban, "GB82WEST12345698765432"), (national.in_aadhaar, "234123412346"),
        (national.nl_bsn, "111222333"), (national.uk_nhs, "9434765919"),
    ):  # fmt: skip
        assert valid(value)
        for i, c in enumerate(value):
            for d in set("0123456789") - {c} if c.isdigit() else ():
                assert not valid(value[:i] + d + value[i + 1 :]), (value, i, d)


@pytest.mark.parametrize("value", ["", " ", "é" * 9, "１２３４５６７８９", "9" * 400, "-", "²²²²²²²²²", "\x00" * 11])
def test_odd_values_are_no_identifiers_and_no_crash(value: str) -> None:
    assert not any(rule.valid(value) for rule in RULES)

"""Simulated columns: identifiers as they are written in tables, and what resembles them but isn't."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from faker import Faker

N = 250


def _fake(locale: str, seed: int) -> Faker:
    fake = Faker(locale)
    fake.seed_instance(seed)
    return fake


def _made(locale: str, provider: str) -> Callable[[int], list]:
    return lambda seed: [getattr(f, provider)() for f in [_fake(locale, seed)] for _ in range(N)]


def _as_numbers(values: Callable[[int], list]) -> Callable[[int], list]:
    return lambda seed: [int("".join(c for c in str(v) if c.isdigit())) for v in values(seed)]


def _dirty(values: Callable[[int], list]) -> Callable[[int], list]:
    """One value in twenty is something else."""
    return lambda seed: [v if i % 20 else f"unknown {i}" for i, v in enumerate(values(seed))]


# name -> (kind that should be found, values by seed); the columns are called x, so that only values count
IDENTIFIERS: dict[str, tuple[str, Callable[[int], list]]] = {
    "e-mail": ("email", _made("en_US", "email")),
    "e-mail, dirty": ("email", _dirty(_made("de_DE", "email"))),
    **{f"phone {x}": ("phone", _made(x, "phone_number")) for x in ("en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pl_PL", "sv_SE")},
    "SSN": ("national id", _made("en_US", "ssn")),
    "SSN as numbers": ("national id", _as_numbers(_made("en_US", "ssn"))),
    "SSN, dirty": ("national id", _dirty(_made("en_US", "ssn"))),
    "card": ("card", _made("en_US", "credit_card_number")),
    "Visa as numbers": ("card", lambda s: [int(f.credit_card_number("visa16")) for f in [_fake("en_US", s)] for _ in range(N)]),
    "IBAN": ("iban", _made("de_DE", "iban")),
    "IBAN, spaced": ("iban", lambda s: [" ".join(v[i : i + 4] for i in range(0, 22, 4)) for v in _made("en_GB", "iban")(s)]),
    **{f"id {x}": ("national id", _made(x, p)) for x, p in (
        ("es_ES", "nif"), ("it_IT", "ssn"), ("fr_FR", "ssn"), ("nl_NL", "ssn"), ("pl_PL", "pesel"), ("sv_SE", "ssn"),
        ("pt_BR", "cpf"), ("zh_CN", "ssn"), ("en_CA", "ssn"), ("nl_BE", "ssn"), ("fi_FI", "ssn"), ("de_CH", "ssn"),
        ("no_NO", "ssn"))},
    "BSN as numbers": ("national id", _as_numbers(_made("nl_NL", "ssn"))),
    "PESEL as numbers": ("national id", _as_numbers(_made("pl_PL", "pesel"))),
    "IPv4": ("ip address", _made("en_US", "ipv4")),
    "IPv6": ("ip address", _made("en_US", "ipv6")),
    "MAC": ("mac address", _made("en_US", "mac_address")),
    "URL": ("url", _made("en_US", "url")),
    "UUID": ("uuid", _made("en_US", "uuid4")),
}  # fmt: skip


def _rng(draw: Callable[[np.random.Generator], object]) -> Callable[[int], list]:
    return lambda seed: list(draw(np.random.default_rng(seed)))  # type: ignore[call-overload]


def _texts(form: str, **high: int) -> Callable[[int], list]:
    def values(seed: int) -> list:
        rng = np.random.default_rng(seed)
        return [form.format(**{k: int(rng.integers(0, h)) for k, h in high.items()}) for _ in range(N)]

    return values


ORDINARY: dict[str, Callable[[int], list]] = {
    "zip codes": _made("en_US", "zipcode"),
    "zip + 4": _made("en_US", "zipcode_plus4"),
    "zip codes as numbers": _rng(lambda r: r.integers(501, 99951, N)),
    "postcodes GB": _made("en_GB", "postcode"),
    "postcodes NL": _made("nl_NL", "postcode"),
    "incomes": _rng(lambda r: np.round(r.lognormal(10.5, 0.7, N))),
    "large amounts": _rng(lambda r: np.round(r.lognormal(19, 1.5, N))),
    "cents": _rng(lambda r: r.integers(10**8, 10**9, N)),
    "populations": _rng(lambda r: np.round(r.lognormal(11, 2, N))),
    "years": _rng(lambda r: r.integers(1900, 2025, N)),
    "ages": _rng(lambda r: r.integers(0, 100, N)),
    "floats": _rng(lambda r: r.normal(0, 1, N)),
    "shares": _rng(lambda r: np.round(r.random(N), 3)),
    "unix times": _rng(lambda r: r.integers(1_500_000_000, 1_700_000_000, N)),
    "unix times in ms": _rng(lambda r: r.integers(1_500_000_000_000, 1_700_000_000_000, N)),
    "nine random digits": _rng(lambda r: r.integers(10**8, 10**9, N)),
    "ten random digits": _rng(lambda r: r.integers(10**9, 10**10, N)),
    "eleven random digits": _rng(lambda r: r.integers(10**10, 10**11, N)),
    "twelve random digits": _rng(lambda r: r.integers(10**11, 10**12, N)),
    "sixteen random digits from 4": _rng(lambda r: r.integers(4 * 10**15, 5 * 10**15, N)),
    "EAN-13": lambda s: _made("en_US", "ean13")(s),
    "ISBN": _made("en_US", "isbn13"),
    "order numbers": _texts("{a:03d}-{b:07d}-{c:07d}", a=1000, b=10**7, c=10**7),
    "product codes": _texts("AB-{a:04d}-{b:02d}", a=10_000, b=100),
    "part numbers": _texts("{a:03d}-{b:02d}{c:02d}", a=1000, b=100, c=100),
    "ICD-10": lambda s: [f"{'ABCDEFGHIJ'[i % 10]}{i % 90 + 10}.{(i * s + i) % 10}" for i in range(N)],
    "NDC drug codes": _texts("{a:05d}-{b:04d}-{c:02d}", a=10**5, b=10**4, c=100),
    "LOINC": _texts("{a:05d}-{b}", a=10**5, b=10),
    "versions": _texts("{a}.{b}.{c}.{d}", a=4, b=20, c=12, d=30),
    "times": _texts("{a:02d}:{b:02d}:{c:02d}", a=24, b=60, c=60),
    "dates and times": lambda s: [str(t) for t in pd.date_range("2020-01-01", periods=N, freq="37h")],
    "dates, compact": lambda s: list(pd.date_range("2019-01-01", periods=N).strftime("%Y%m%d")),
    "months": lambda s: list(pd.date_range("1990-01-01", periods=N, freq="MS").strftime("%Y-%m")),
    "coordinates": _texts("{a}.{b:06d}, -{c}.{d:06d}", a=90, b=10**6, c=180, d=10**6),
    "measures": _texts("{a}/{b} mmHg", a=200, b=120),
    "hex colours": _texts("#{a:06x}", a=1 << 24),
    "country codes": _made("en_US", "country_code"),
    "cities": _made("en_US", "city"),
    "companies": _made("en_US", "company"),
    "jobs": _made("en_US", "job"),
    "colours": _made("en_US", "color_name"),
    "currencies": _texts("${a}.{b:02d}", a=10_000, b=100),
    "ranges": _texts("{a}-{b}", a=100, b=100),
    "plates": _made("en_US", "license_plate"),
    "BIC": _made("en_US", "swift"),
    "phone calls": _rng(lambda r: r.poisson(4, N)),
}  # fmt: skip

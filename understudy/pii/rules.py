"""The rules by which a value is recognised as an identifier, and how easily other values pass them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from understudy.pii import contact, national, payment


@dataclass(frozen=True)
class Rule:
    """One kind of identifier that can be told by its values.

    Attributes:
        name: what it is called in reports.
        family: what `Column.identifier` calls it.
        valid: whether one value is well formed.
        chance: the share of values of the right shape and prefix, but with random digits (and the check letter as
            it is), that `valid` lets through: what a column of codes or numbers would reach by accident.
            For what is told by its punctuation alone (an e-mail address), a cautious bound.
        widths: the lengths it has as digits alone, () where it is never written so.

    `chance` is checked by simulation in the tests.
    """

    name: str
    family: str
    valid: Callable[[str], bool]
    chance: float
    widths: tuple[int, ...] = ()


SHAPE = 1e-3
RULES = (
    Rule("e-mail address", "email", contact.email, SHAPE),
    Rule("UUID", "uuid", contact.uuid, SHAPE),
    Rule("MAC address", "mac address", contact.mac, SHAPE),
    Rule("IP address", "ip address", contact.ip, SHAPE),
    Rule("URL", "url", contact.url, SHAPE),
    Rule("IBAN", "iban", payment.iban, 1 / 97),
    Rule("payment card", "card", payment.card, 0.1, tuple(range(12, 20))),
    Rule("Italian codice fiscale", "national id", national.it_fiscal, 1 / 26),
    Rule("Finnish HETU", "national id", national.fi_hetu, 1 / 30),
    Rule("UK National Insurance number", "national id", national.uk_nino, SHAPE),
    Rule("Spanish DNI/NIE", "national id", national.es_dni, 1 / 23),
    Rule("Chinese resident number", "national id", national.cn_resident, 0.1, (18,)),
    Rule("French NIR", "national id", national.fr_nir, 1 / 97, (15,)),
    Rule("Swiss AHV number", "national id", national.ch_ahv, 0.1, (13,)),
    Rule("Norwegian national number", "national id", national.no_fodselsnummer, 1 / 100, (11,)),
    Rule("Belgian national number", "national id", national.be_national, 2 / 97, (11,)),
    Rule("Brazilian CPF", "national id", national.br_cpf, 1 / 100, (11,)),
    Rule("German Steuer-ID", "national id", national.de_tax, 0.1, (11,)),
    Rule("Polish PESEL", "national id", national.pl_pesel, 0.1, (11,)),
    Rule("Swedish personnummer", "national id", national.se_personnummer, 0.1, (10, 12)),
    Rule("Indian Aadhaar", "national id", national.in_aadhaar, 0.1, (12,)),
    Rule("UK NHS number", "national id", national.uk_nhs, 1 / 11, (10,)),
    Rule("Dutch BSN", "national id", national.nl_bsn, 1 / 11, (9,)),
    Rule("Canadian SIN", "national id", national.ca_sin, 0.1, (9,)),
)
PHONE = Rule("telephone number", "phone", contact.phone, SHAPE)
ANY_PHONE = Rule("telephone number", "phone", contact.phone_written_anyhow, SHAPE)
PUNCTUATED = (
    Rule("US Social Security number", "national id", lambda t: "-" in t and national.us_ssn(t), SHAPE),
    PHONE,
)
"""Told by how they are written: as digits alone nearly everything passes them."""
BARE_SSN = Rule("US Social Security number", "national id", national.us_ssn, 0.89, (9,))

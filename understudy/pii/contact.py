"""How to reach a person or a machine: e-mail, telephone, URL, IP and MAC addresses, UUIDs."""

from __future__ import annotations

import ipaddress
import re

_EMAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}"
)
_URL = re.compile(r"(?:https?|ftp)://[^\s/?#]+\.[^\s]+|www\.[^\s/?#]+\.[A-Za-z]{2,24}(?:[/?#]\S*)?")
_MAC = re.compile(
    r"(?:[0-9A-Fa-f]{2}([:-]))(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}"
)
_UUID = re.compile(r"\{?[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\}?")
# E.123: "+", or an international "00" with a separator soon after it, and 8 to 15 digits (E.164).
_INTERNATIONAL = re.compile(r"(?:\+|00(?=\d{1,3}[ ./-]))[1-9](?:[ ./()-]{0,2}\d){6,14}")
# North America: area and exchange begin with 2 to 9; written in groups 3-3-4.
_NORTH_AMERICA = re.compile(r"(?:\+?1[ .-]?)?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[ .-])[2-9]\d{2}[ .-]\d{4}")
# Elsewhere a trunk prefix 0, and at least one separator: 020 7946 0123, (030) 123456, 01 23 45 67 89.
_TRUNK = re.compile(r"\(?0[1-9]\d{0,4}\)?(?:[ /.-]\d{2,8}){1,5}")
_GROUPED = re.compile(r"\+?[\d ()./-]{7,24}")
_EXTENSION = re.compile(r" ?(?:x|ext\.?) ?\d{1,6}$")


def email(text: str) -> bool:
    """The addr-spec that people use (RFC 5321, without quoted local parts).

    >>> email("a.b@example.org"), email("a@b"), email("a..b@example.org")
    (True, False, False)
    """
    local = text.partition("@")[0]
    return bool(_EMAIL.fullmatch(text)) and ".." not in local and not local.startswith(".") and not local.endswith(".")


def phone(text: str) -> bool:
    """A telephone number as it is written for people: with a +, with a trunk 0 and groups, or in groups 3-3-4.

    Digits alone are not recognised: half of all ten-digit numbers could be one.

    >>> phone("+44 20 7946 0123"), phone("(212) 555-0147"), phone("2125550147"), phone("2020-01-02")
    (True, True, False, False)
    """
    bare = _EXTENSION.sub("", text)
    digits = sum(c.isdigit() for c in bare)
    if _INTERNATIONAL.fullmatch(bare):
        return 8 <= digits <= 16
    return bool(_NORTH_AMERICA.fullmatch(bare)) or (9 <= digits <= 12 and bool(_TRUNK.fullmatch(bare)))


def phone_written_anyhow(text: str) -> bool:
    """A telephone number in a column where others are international ones: digits and what groups them."""
    bare = _EXTENSION.sub("", text)
    return bool(_GROUPED.fullmatch(bare)) and 7 <= sum(c.isdigit() for c in bare) <= 16


def international(text: str) -> bool:
    return bool(_INTERNATIONAL.fullmatch(_EXTENSION.sub("", text)))


def url(text: str) -> bool:
    """
    >>> url("https://example.org/u/7"), url("example")
    (True, False)
    """
    return bool(_URL.fullmatch(text))


def ip(text: str) -> bool:
    """IPv4 or IPv6. A version number such as 1.2.3.4 is one too: `detect` looks at the whole column.

    >>> ip("192.168.0.1"), ip("2001:db8::1"), ip("300.1.1.1"), ip("12")
    (True, True, False, False)
    """
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return text.count(":") >= 2 or text.count(".") == 3


def mac(text: str) -> bool:
    """IEEE 802 MAC address, three ways of writing it.

    >>> mac("00:1B:44:11:3A:B7"), mac("001b.4411.3ab7"), mac("00:1B:44:11:3A")
    (True, True, False)
    """
    return bool(_MAC.fullmatch(text))


def uuid(text: str) -> bool:
    """RFC 9562, any version.

    >>> uuid("123e4567-e89b-12d3-a456-426614174000"), uuid("123e4567")
    (True, False)
    """
    return bool(_UUID.fullmatch(text))

"""ed25519 keys as PEM, from a file or the environment.

    openssl genpkey -algorithm ed25519 -out signing.pem
    openssl pkey -in signing.pem -pubout -out signing.pub

Several public keys may stand one after the other, so that keys can be changed without a gap.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from understudy.errors import ConfigError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PRIVATE, PUBLIC = "UNDERSTUDY_SIGNING_KEY", "UNDERSTUDY_PUBLIC_KEY"
"""Variables that hold a PEM; with _FILE behind, its path."""
_BLOCK = re.compile(r"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----", re.S)


def configured(variable: str) -> str:
    """The PEM that `variable` or `variable`_FILE gives; "" where neither is set. Raises ConfigError."""
    if text := os.environ.get(variable, "").strip():
        return text
    path = os.environ.get(f"{variable}_FILE", "")
    return read_pem(path, f"{variable}_FILE") if path else ""


def read_pem(path: str | Path, named_by: str) -> str:
    """Raises ConfigError, which says that `named_by` named it, for a file that can't be read or is empty."""
    try:
        text = Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as e:
        reason = getattr(e, "strerror", None) or "no PEM"
        raise ConfigError(f"key {path} ({named_by}): can't be read ({reason}); check the path") from None
    if not text:
        raise ConfigError(f"key {path} ({named_by}): is empty; give a PEM file")
    return text


def private_key(pem: str) -> Ed25519PrivateKey:
    """Raises ConfigError, without a word of the key, for anything but an unencrypted ed25519 key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):  # TypeError: it is encrypted
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(
            "the signing key is no unencrypted ed25519 key in PEM; make one: openssl genpkey -algorithm ed25519"
        )
    return key


def public_keys(pem: str) -> list[Ed25519PublicKey]:
    """All keys in `pem`. Raises ConfigError for none, or one that isn't ed25519."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    found: list[Ed25519PublicKey] = []
    for block in _BLOCK.finditer(pem):
        try:
            key = load_pem_public_key(block[0].encode())
        except ValueError:
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise ConfigError(f"the public key is no ed25519 key but {block[1].lower()}; see `openssl pkey -pubout`")
        found.append(key)
    if not found:
        raise ConfigError("the public key is no PEM; write one with: openssl pkey -in signing.pem -pubout")
    return found


def key_id(key: Ed25519PublicKey) -> str:
    """The sha256 of the key as DER, which names it in signatures."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def named(keys: Sequence[Ed25519PublicKey]) -> dict[str, Ed25519PublicKey]:
    return {key_id(k): k for k in keys}

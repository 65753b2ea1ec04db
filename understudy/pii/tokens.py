"""Keyed tokens of a column's values: HMAC-SHA256, so that only the key's holder can tell whose they are.

The same value, key and domain give the same token, in any table: keys of several tables still join. A token is a
pseudonym of a real person, not an invented value: real tables may hold it, a synthetic table never does.
The key comes from the environment or from a file, is never written or logged, and is known by its `key_id`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from understudy.canonical import label
from understudy.errors import ConfigError

KEY_VARIABLE = "UNDERSTUDY_TOKEN_KEY"
KEY_FILE_VARIABLE = "UNDERSTUDY_TOKEN_KEY_FILE"
TOKEN_BITS = 128
"""Of HMAC-SHA256's 256. The probability that any two of n distinct values share a token is below n**2 / 2**129:
1.5e-21 for 10**9 values."""
LEAST_BYTES = 32
_LEAST_DISTINCT = 16  # of 32 random bytes about 30 differ; fewer than 16 do with probability below 1e-15
_MAKE_ONE = "make one with: openssl rand -hex 32"


@dataclass(frozen=True)
class TokenKey:
    """A secret of at least 32 random bytes. `repr` doesn't show it."""

    secret: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str, source: str) -> TokenKey:
        """From hexadecimal or base64. Raises ConfigError, without the text, for a key that could be guessed."""
        secret = _decoded(text.strip())
        if secret is None:
            raise ConfigError(f"{source}: the key must be hexadecimal or base64; {_MAKE_ONE}")
        if len(secret) < LEAST_BYTES:
            raise ConfigError(f"{source}: the key has {len(secret)} bytes, {LEAST_BYTES} are needed; {_MAKE_ONE}")
        if len(set(secret)) < min(_LEAST_DISTINCT, len(secret)) or all(32 <= b < 127 for b in secret):
            raise ConfigError(f"{source}: the key is a text or repeats itself, not random bytes; {_MAKE_ONE}")
        return cls(secret)

    @classmethod
    def read(cls, file: str | Path | None = None) -> TokenKey:
        """From `file`, else from the environment: the key in UNDERSTUDY_TOKEN_KEY, or a file named in
        UNDERSTUDY_TOKEN_KEY_FILE. Raises ConfigError where there is none, or a weak one."""
        named = file or (None if os.environ.get(KEY_VARIABLE) else os.environ.get(KEY_FILE_VARIABLE))
        if named:
            try:
                text = Path(named).read_text(encoding="ascii")
            except (OSError, UnicodeDecodeError) as e:
                reason = getattr(e, "strerror", None) or "not ASCII"
                raise ConfigError(f"key file {named}: can't be read ({reason}); {_MAKE_ONE} > {named}") from None
            return cls.parse(text, f"key file {named}")
        if text := os.environ.get(KEY_VARIABLE, ""):
            return cls.parse(text, KEY_VARIABLE)
        raise ConfigError(f"tokenising needs a key: set {KEY_VARIABLE} or {KEY_FILE_VARIABLE}; {_MAKE_ONE}")

    @property
    def key_id(self) -> str:
        """Sixteen hexadecimal digits that tell whether two runs had the same key, and nothing else about it."""
        return hmac.new(self.secret, b"understudy key id v1", hashlib.sha256).hexdigest()[:16]

    def token(self, value: str, domain: str) -> str:
        """32 hexadecimal digits. The domain's length comes first, so that no two pairs give the same message."""
        name = domain.encode()
        message = b"understudy token v1" + len(name).to_bytes(4, "big") + name + value.encode()
        return hmac.new(self.secret, message, hashlib.sha256).hexdigest()[: TOKEN_BITS // 4]


def tokenise(values: pd.Series, key: TokenKey, domain: str) -> pd.Series:
    """Tokens of a column, missing values left missing.

    A value counts as its text, 3 and 3.0 as one. Columns that are to join need the same `domain`, others must not.
    """
    codes, unique = pd.factorize(values)
    tokens = pd.Series([key.token(label(v), domain) for v in unique], dtype=object)
    return pd.Series(tokens.reindex(codes).to_numpy(), index=values.index, name=values.name, dtype=object)


def _decoded(text: str) -> bytes | None:
    if re.fullmatch(r"(?:[0-9a-fA-F]{2})+", text):
        return bytes.fromhex(text)
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        return None

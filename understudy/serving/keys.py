"""API keys: a file of SHA-256 hashes, with a client's name and role each.

Keys are 256 random bits, so that a plain hash of one can't be turned back. A changed file (a Kubernetes
secret that was rotated) is read again; while it can't be read, the keys that were known go on counting.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from understudy.errors import ConfigError
from understudy.files import atomic
from understudy.schema import first_problem
from understudy.serving.refusal import Refusal

Role = Literal["sampler", "admin"]
PREFIX = "us_"


class Key(BaseModel):
    """One key: who may use it, for what, and its hash."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client: str = Field(pattern=r"^[A-Za-z0-9._@-]{1,64}$")
    role: Role
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class KeyFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[Key, ...] = ()


@dataclass(frozen=True)
class Caller:
    """Who asks. The role `admin` may do what `sampler` may, and load and unload models."""

    client: str
    role: Role

    def require_admin(self) -> Caller:
        if self.role != "admin":
            raise Refusal(
                f"client {self.client} has the role {self.role}; this needs the role admin",
                status=403, field="authorization",
            )  # fmt: skip
        return self


ANYONE = Caller("anonymous", "admin")


class Keys:
    """The keys of a server; none: everyone is `ANYONE`."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._known: dict[str, Caller] = {}
        self._stamp: tuple[int, int] | None = None
        if path is not None:
            self._known = _callers(read_keys(path))
            self._stamp = _stamp(path)

    def caller(self, authorization: str | None) -> Caller:
        """Who sent the header `Authorization: Bearer KEY`. Raises Refusal 401."""
        if self.path is None:
            return ANYONE
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise Refusal("no API key; send the header 'Authorization: Bearer KEY'", status=401, field="authorization")
        # A look-up by hash tells nothing about a key by how long it takes.
        found = self._known.get(hashed(key.strip()))
        if found is None:
            raise Refusal("the API key is not known; ask the server's owner for one", status=401, field="authorization")
        return found

    def refresh(self) -> bool:
        """Read the file again if it changed. Raises ConfigError, and keeps the known keys, if it can't be read."""
        if self.path is None or (stamp := _stamp(self.path)) == self._stamp:
            return False
        self._known = _callers(read_keys(self.path))
        self._stamp = stamp
        return True


def hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def read_keys(path: Path) -> KeyFile:
    """Raises ConfigError for a file that is missing or isn't one of keys."""
    try:
        return KeyFile.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as e:
        raise ConfigError(f"keys {path}: can't be read ({e.strerror}); make one with `understudy keys add`") from None
    except ValidationError as e:
        raise ConfigError(f"keys {path}: {first_problem(e)}") from None
    except ValueError:
        raise ConfigError(f"keys {path}: is not JSON; make one with `understudy keys add`") from None


def add_key(path: Path, client: str, role: str) -> str:
    """A new key for `client`, added to the file, which only its owner may read; the key itself is kept nowhere.

    Raises ConfigError for a client's name or a role that can't be.
    """
    if not re.fullmatch(r"[A-Za-z0-9._@-]{1,64}", client):
        raise ConfigError(f"client {client!r}: use 1 to 64 letters, digits and . _ @ -")
    if role not in ("sampler", "admin"):
        raise ConfigError(f"role {role!r} is not known; choose sampler or admin")
    present = read_keys(path).keys if path.exists() else ()
    key = PREFIX + secrets.token_urlsafe(32)
    keys = KeyFile(keys=(*present, Key(client=client, role=role, sha256=hashed(key))))  # type: ignore[arg-type]
    with atomic(path) as temporary:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as f:
            f.write(keys.model_dump_json(indent=1) + "\n")
    return key


def _callers(file: KeyFile) -> dict[str, Caller]:
    return {k.sha256: Caller(k.client, k.role) for k in file.keys}


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino

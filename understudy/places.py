"""Directories that steps on different machines share: a path (a mounted claim), or `s3://BUCKET/PREFIX`.

Credentials come from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL) or from the URI.
A file appears there whole or not at all: an object store shows an object when it is complete.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from understudy.errors import ConfigError, StorageError
from understudy.files import atomic


def check_place(place: str) -> str:
    """Raises ConfigError for a place of a kind that can't be written."""
    scheme = re.match(r"([a-z][a-z0-9+.-]*)://", place)
    if not place or (scheme and scheme[1] not in ("s3", "gs", "file")):
        raise ConfigError(f"{place!r} is no place to write to; give a directory, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX")
    return place


def put(source: Path, place: str, name: str) -> str:
    """Copy a local file to `place` under `name`; where it is. Raises ConfigError or StorageError."""
    if "://" not in check_place(place):
        final = Path(place) / name
        with atomic(final) as temporary:
            shutil.copyfile(source, temporary)
        return str(final)
    where = f"{_public(place).rstrip('/')}/{name}"
    try:
        system, root = _file_system(place)
        system.create_dir(root, recursive=True)
        with source.open("rb") as read, system.open_output_stream(f"{root}/{name}") as write:
            shutil.copyfileobj(read, write, 1 << 22)
    except (OSError, ValueError) as e:  # pyarrow's are of these
        raise StorageError(f"{where}: can't be written: {str(e)[:300]}; check the place and its credentials") from e
    return where


def _file_system(place: str) -> tuple[Any, str]:
    from pyarrow import fs

    system, root = fs.FileSystem.from_uri(place)
    return system, root.rstrip("/")


def _public(place: str) -> str:
    """A URI without the credentials and options it may hold."""
    return re.sub(r"//[^/@]*@", "//", place).partition("?")[0]

"""Outputs that are whole or absent: write to a temporary path, then rename."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from understudy.errors import StorageError


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; create a file or a directory there.

    On success it replaces `path`; on failure it is removed and `path` is as before. What a
    killed process left (`.NAME.*.partial`) is removed by the next writer of the same path.
    Raises StorageError for a full disk or a place that can't be written.
    """
    final = Path(path)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        for stale in final.parent.glob(f".{final.name}.*.partial"):
            remove(stale)
    except OSError as e:
        raise storage_error(final, e) from e
    temporary = final.parent / f".{final.name}.{uuid.uuid4().hex[:12]}.partial"
    try:
        yield temporary
        _replace(temporary, final)
    except OSError as e:
        raise storage_error(final, e) from e
    finally:
        remove(temporary)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def remove(path: Path) -> None:
    """Remove a file or a directory tree; nothing there is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _replace(temporary: Path, final: Path) -> None:
    if not final.is_dir():
        os.replace(temporary, final)
        return
    # A directory can't be replaced in one step: move the old one aside, which the next writer cleans up.
    aside = final.parent / f".{final.name}.{uuid.uuid4().hex[:12]}.partial"
    os.replace(final, aside)
    os.replace(temporary, final)
    remove(aside)


def storage_error(path: Path, e: OSError) -> StorageError:
    remedies = {
        errno.ENOSPC: "the disk is full; free some space and run it again",
        errno.EDQUOT: "the disk quota is used up; free some space and run it again",
        errno.EACCES: "permission denied; choose a place you may write to",
        errno.EROFS: "the file system is read-only; choose a place you may write to",
        errno.EEXIST: "a part of the path is a file; choose another place",
        errno.ENOTDIR: "a part of the path is a file; choose another place",
        errno.EFBIG: "the file would exceed the size limit; raise the limit or write less",
        errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    }
    return StorageError(f"{path}: can't be written: {remedies.get(e.errno or 0, e.strerror or str(e))}")

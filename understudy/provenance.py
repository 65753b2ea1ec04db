"""What a result was made from: hashes of data, code and artifacts, and the commit."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from understudy import __version__
from understudy.errors import TableError

PACKAGE = Path(__file__).resolve().parent


def file_md5(path: str | Path) -> str:
    """The MD5 of a file, which is also its name in a DVC remote. Raises TableError."""
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with open(path, "rb") as f:
            while block := f.read(1 << 20):
                digest.update(block)
    except OSError as e:
        raise TableError(f"{path}: can't be read ({e.strerror}); check the path") from None
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def tree_sha256(root: Path, files: Iterable[Path] | None = None) -> str:
    """One hash of all files below `root` (or of `files`): relative names and contents."""
    digest = hashlib.sha256()
    for path in sorted(files if files is not None else (p for p in root.rglob("*") if p.is_file())):
        name, content = path.relative_to(root).as_posix().encode(), path.read_bytes()
        digest.update(b"%d %s %d " % (len(name), name, len(content)))
        digest.update(content)
    return digest.hexdigest()


def code_sha256() -> str:
    """The hash of the installed package's source, for cache keys: KFP doesn't look into images."""
    sources = (p for p in PACKAGE.rglob("*") if p.suffix in (".py", ".html", ".j2", ".css"))
    return tree_sha256(PACKAGE, sources)


def code_commit() -> str:
    """The commit the package's source is at, with `-dirty` if it was changed; "" outside a checkout."""
    head = _git("rev-parse", "HEAD")
    if not head or not _git("ls-files", "--", "errors.py"):
        return ""
    return head + ("-dirty" if _git("status", "--porcelain", "--untracked-files=no") else "")


def requirements() -> list[str]:
    """This package and what it needs, at the versions installed here; nothing is looked up elsewhere."""
    try:
        needed = metadata.requires("understudy") or []
    except metadata.PackageNotFoundError:  # run from a source tree
        needed = []
    names = sorted(re.split(r"[^A-Za-z0-9._-]", n)[0] for n in needed if "extra ==" not in n)
    return [f"understudy=={__version__}", *(f"{n}=={metadata.version(n)}" for n in names)]


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(PACKAGE), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""

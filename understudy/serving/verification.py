"""Check an audit log: every record's hash, and that each follows the one before it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from understudy.errors import TableError
from understudy.serving.auditlog import START, log_files, record_hash


@dataclass(frozen=True)
class Verification:
    """What was found.

    Attributes:
        intact: whether nothing shows that the log was changed.
        records: how many records are in order.
        problem: the first thing that is wrong, with file and line; "" if nothing is.
        head: the hash of the last record that is in order: keep it elsewhere, and the end can't be cut off unseen.
        starts: `previous` of the first record; not the start of the log where older files weren't given.
    """

    intact: bool
    records: int
    problem: str
    head: str
    starts: str


def verify(files: Sequence[Path], head: str = "") -> Verification:
    """Verify `files` in the order in which they follow each other; one current file stands for its rotated ones too.

    `head`: a hash that must be in the log, as it was noted earlier. Raises TableError for a file that can't be read.
    """
    paths = list(files)
    if len(paths) == 1 and paths[0].exists():
        found = log_files(paths[0])
        paths = found if paths[0] in found else paths
    previous, starts, records, seen = "", "", 0, not head
    for path in paths:
        try:
            lines = path.open("rb")
        except OSError as e:
            raise TableError(f"audit log {path}: can't be read ({e.strerror}); check the path") from None
        with lines:
            for number, line in enumerate(lines, 1):
                problem, own, before = _read(line)
                starts = starts or before
                if not problem and previous and before != previous:
                    problem = "doesn't follow the record before it: records were taken out, put in or reordered"
                if problem:
                    return Verification(False, records, f"{path}:{number}: {problem}", previous, starts)
                previous, records, seen = own, records + 1, seen or own == head
    if not seen:
        return Verification(False, records, f"no record has the hash {head}: the end was cut off", previous, starts)
    return Verification(True, records, "", previous or START, starts or START)


def _read(line: bytes) -> tuple[str, str, str]:
    """What is wrong with a line, its hash, and the hash it says is before it."""
    if not line.endswith(b"\n"):
        return "is unfinished: the server was killed, and cuts it off when it starts again", "", ""
    try:
        record = json.loads(line)
        own, before = record["hash"], record["previous"]
        if record_hash(record) != own:
            return "was changed: it doesn't match its hash", "", str(before)
    except (ValueError, KeyError, TypeError):
        return "is not a record of an audit log", "", ""
    return "", str(own), str(before)

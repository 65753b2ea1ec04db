"""The audit log: one JSON line a request, chained by hashes, on disk before the rows go out.

Each record holds the hash of the record before it (`previous`) and its own (`hash`), across rotated files. So a
record that was changed, taken out or put in shows; that the newest ones were cut off shows only against a hash kept
elsewhere (`verify(..., head=)`). One process writes at a time (a lock). Records that come together are
written and synced together (group commit): a request waits for one fsync, however many there are.
"""

from __future__ import annotations

import asyncio
import datetime
import fcntl
import hashlib
import json
import os
import queue
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from understudy.errors import ConfigError, StorageError
from understudy.files import storage_error

START = "0" * 64
"""`previous` of the first record of all."""
TAIL_BYTES = 1 << 20

Waiting = tuple[dict[str, Any], "asyncio.Future[None]", asyncio.AbstractEventLoop]


class AuditLog:
    """The log at `path`. Rotated files are named PATH-WITHOUT-SUFFIX-TIME.jsonl, beside it.

    A line that a killed server left unfinished, whose rows never went out, is cut off; a record
    `recovered` says so. Raises ConfigError for a log that another server writes or whose end is damaged.
    """

    def __init__(self, path: Path, rotate_bytes: int) -> None:
        self.path, self.rotate_bytes = path, rotate_bytes
        self._hash, self._size = START, 0
        self._queue: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open()
            torn = self._recover()
            if torn:
                self._append([{"time": now(), "event": "recovered", "torn_bytes": torn}])
        except OSError as e:
            raise storage_error(path, e) from e
        self._thread = threading.Thread(target=self._run, name="audit-log", daemon=True)
        self._thread.start()

    async def write(self, record: Mapping[str, Any]) -> None:
        """Returns when the record is on disk. Raises StorageError where it can't be."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._queue.put(({"time": now(), **record}, done, loop))
        # A client that goes takes only its wait away, not the record.
        await asyncio.shield(done)

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()
        os.close(self._file)

    def rows_today(self) -> dict[str, int]:
        """Rows that were granted since midnight UTC, by client."""
        day = now()[:10]
        found: dict[str, int] = {}
        for file in reversed(log_files(self.path)):
            first = None
            for record in _records(file):
                first = first or str(record.get("time"))
                if str(record.get("time"))[:10] == day and record.get("status") == 200:
                    client = str(record.get("client"))
                    found[client] = found.get(client, 0) + int(record.get("n_rows") or 0)
            if first is not None and first[:10] < day:
                break
        return found

    def _run(self) -> None:
        ended = False
        while not ended:
            batch = [self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get())
            waiting = [w for w in batch if w is not None]
            ended = len(waiting) < len(batch)
            failure: StorageError | None = None
            try:
                self._append([record for record, _, _ in waiting])
            except OSError as e:
                failure = storage_error(self.path, e)
            for _, done, loop in waiting:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(_settle, done, failure)

    def _append(self, records: list[dict[str, Any]]) -> None:
        """All of them or none. Raises OSError."""
        lines, previous = [], self._hash
        for record in records:
            record["previous"] = previous
            previous = record["hash"] = record_hash(record)
            lines.append(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
        data = "".join(lines).encode()
        if self._size and self._size + len(data) > self.rotate_bytes:
            self._rotate()
        try:
            written = 0
            while written < len(data):
                written += os.write(self._file, data[written:])
            os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(data)
        self._hash = previous

    def _rotate(self) -> None:
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S.%f")
        os.replace(self.path, self.path.with_name(f"{self.path.stem}-{stamp}{self.path.suffix}"))
        old = self._file
        self._open()
        os.close(old)
        self._size = 0

    def _open(self) -> None:
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise ConfigError(f"audit log {self.path}: another server writes it; give another --audit-log") from None
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _recover(self) -> int:
        """Find the end of the chain; the bytes of an unfinished line that were cut off."""
        size = os.fstat(self._file).st_size
        tail = os.pread(self._file, TAIL_BYTES, max(size - TAIL_BYTES, 0))
        torn = len(tail) - (tail.rfind(b"\n") + 1)
        if torn:
            os.ftruncate(self._file, size - torn)
        self._size = size - torn
        lines = tail[: len(tail) - torn].splitlines()
        if lines:
            self._hash = _hash_of(lines[-1], self.path)
            return torn
        rotated = [f for f in log_files(self.path) if f != self.path]
        self._hash = _hash_of(rotated[-1].read_bytes().splitlines()[-1], rotated[-1]) if rotated else START
        return torn


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def record_hash(record: Mapping[str, Any]) -> str:
    """Of everything in the record but its own hash."""
    content = {k: v for k, v in record.items() if k != "hash"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def log_files(path: Path) -> list[Path]:
    """The files of a log, oldest first: rotated ones by the time in their names, then the current one."""
    rotated = sorted(path.parent.glob(f"{path.stem}-*{path.suffix}"))
    return [*rotated, path] if path.exists() else rotated


def _settle(done: asyncio.Future[None], failure: StorageError | None) -> None:
    if done.cancelled():
        return
    if failure is None:
        done.set_result(None)
    else:
        done.set_exception(StorageError(str(failure)))


def _records(file: Path) -> Iterator[dict[str, Any]]:
    with file.open("rb") as lines:
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict):
                yield record


def _hash_of(line: bytes, path: Path) -> str:
    try:
        record = json.loads(line)
        if record["hash"] == record_hash(record):
            return str(record["hash"])
    except (ValueError, KeyError, TypeError):
        pass
    raise ConfigError(
        f"audit log {path}: its last record is damaged or was changed; keep the file, and give another --audit-log"
    )

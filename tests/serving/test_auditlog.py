"""The audit log: on disk before the answer, chained, rotated, whole after a kill."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from pathlib import Path

import pytest

from understudy.errors import ConfigError, StorageError
from understudy.serving.auditlog import START, AuditLog, log_files, record_hash
from understudy.serving.verification import verify


def write(path: Path, n: int, rotate_bytes: int = 1 << 20, **record: object) -> None:
    log = AuditLog(path, rotate_bytes)

    async def together() -> None:
        await asyncio.gather(*[log.write({"client": "ann", "n_rows": i, "status": 200, **record}) for i in range(n)])

    asyncio.run(together())
    log.close()


def test_records_are_chained_across_restarts_and_rotations(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for _ in range(3):
        write(path, 40, rotate_bytes=4096)
    files = log_files(path)
    assert len(files) > 3 and files[-1] == path and all(f.stat().st_size <= 4096 + 40 * 300 for f in files)
    found = verify([path])
    assert found.intact and found.records == 120 and found.starts == START
    assert verify(files) == found
    assert verify([path], head=found.head).intact
    rows = [json.loads(x)["n_rows"] for f in files for x in f.read_text().splitlines()]
    assert sorted(rows) == sorted([*range(40)] * 3)


TAMPERINGS = {
    "changed": lambda lines: [*lines[:3], lines[3].replace('"n_rows":3', '"n_rows":9'), *lines[4:]],
    "taken out": lambda lines: lines[:3] + lines[4:],
    "reordered": lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]],
    "put in": lambda lines: [*lines[:4], lines[3], *lines[4:]],
    "not JSON": lambda lines: [*lines[:2], "nonsense\n", *lines[2:]],
}


@pytest.mark.parametrize("how", TAMPERINGS)
def test_tampering_shows(tmp_path: Path, how: str) -> None:
    path = tmp_path / "audit.jsonl"
    write(path, 8)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(TAMPERINGS[how](lines)))
    found = verify([path])
    assert not found.intact and f"{path}:" in found.problem


def test_a_changed_record_with_a_new_hash_breaks_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    write(path, 5)
    lines = path.read_text().splitlines()
    record = {**json.loads(lines[2]), "n_rows": 77}
    lines[2] = json.dumps({**record, "hash": record_hash(record)})
    path.write_text("\n".join(lines) + "\n")
    assert verify([path]).problem.startswith(f"{path}:4:")


def test_an_end_that_was_cut_off_shows_against_a_noted_hash(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    write(path, 5)
    head = verify([path]).head
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
    assert verify([path]).intact
    assert "cut off" in verify([path], head=head).problem


def test_a_line_that_a_kill_left_unfinished_is_cut_off_and_told(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    write(path, 3)
    with path.open("a") as f:
        f.write('{"time":"2026-11-24T')
    assert "unfinished" in verify([path]).problem
    write(path, 2)
    assert verify([path]).intact
    events = [json.loads(x) for x in path.read_text().splitlines()]
    assert len(events) == 6 and events[3]["event"] == "recovered" and events[3]["torn_bytes"] == 20


def test_a_damaged_end_is_not_written_after(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    write(path, 3)
    path.write_text(path.read_text().replace('"n_rows":2', '"n_rows":3'))
    with pytest.raises(ConfigError, match="damaged or was changed"):
        AuditLog(path, 1 << 20)


def test_two_servers_dont_share_a_log(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl", 1 << 20)
    with pytest.raises(ConfigError, match="another server writes it"):
        AuditLog(tmp_path / "audit.jsonl", 1 << 20)
    log.close()


def test_a_full_disk_refuses_and_leaves_the_chain_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "audit.jsonl"
    write(path, 2)
    log, real = AuditLog(path, 1 << 20), os.write

    def full(file: int, data: bytes) -> int:
        if file == log._file:
            real(file, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, data)

    async def one() -> None:
        await log.write({"client": "ann"})

    with monkeypatch.context() as m:
        m.setattr(os, "write", full)
        with pytest.raises(StorageError, match="disk is full"):
            asyncio.run(one())
    assert verify([path]).records == 2
    asyncio.run(one())
    log.close()
    assert verify([path]) == verify(log_files(path)) and verify([path]).records == 3


def test_todays_rows_are_found_again(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    write(path, 4, time="2001-01-01T00:00:00.000Z")
    write(path, 5, rotate_bytes=4096)
    write(path, 3, status=429)
    log = AuditLog(path, 1 << 20)
    assert log.rows_today() == {"ann": 0 + 1 + 2 + 3 + 4}
    log.close()

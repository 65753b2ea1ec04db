"""Load on `understudy serve`: small requests, a stream of a million rows, and minutes of both with reloads.

    python -m benchmarks.serving out/model --minutes 10

Server and client are two processes on the same cores. The floor is a plain MLServer that sums the columns of 100
rows it is sent. Loopback only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from understudy import console

CONNECTIONS = 16
RELOAD_SECONDS = 20.0


@dataclass
class Load:
    """What a client saw: seconds of each request, and how many failed."""

    seconds: list[float] = field(default_factory=list)
    failed: int = 0
    rows: int = 0

    def row(self, title: str, duration: float) -> tuple[str, ...]:
        found = sorted(self.seconds) or [float("nan")]
        quantiles = (f"{1000 * found[int(q * (len(found) - 1))]:.1f}" for q in (0.5, 0.99, 1.0))
        return title, f"{len(self.seconds) / duration:,.0f}", *quantiles, str(self.failed)


class Connection:
    """One HTTP/1.1 connection that is kept."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: bytes, accept: str = "text/csv") -> tuple[int, int]:
        """The status, and how many bytes of body came. Raises OSError or EOFError for a connection that broke."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 22)
        reader, writer = self._streams
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        size = await self._body(reader, headers)
        return int(lines[0].split()[1]), size

    @staticmethod
    async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> int:
        if "content-length" in headers:
            return len(await reader.readexactly(int(headers["content-length"])))
        total = 0
        while size := int(await reader.readline(), 16):
            left = size
            while left:  # so that a large part isn't held whole
                left -= len(await reader.readexactly(min(left, 1 << 20)))
            await reader.readexactly(2)
            total += size
        await reader.readexactly(2)
        return total

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


async def ask_until(end: float, port: int, load: Load, path: str, body: bytes, rows: int, pause: float = 0.0) -> None:
    connection = Connection(port)
    while time.perf_counter() < end:
        started = time.perf_counter()
        try:
            status, _ = await connection.post(path, body)
        except (OSError, EOFError):
            connection.close()
            status = 0
        load.seconds.append(time.perf_counter() - started)
        load.failed += status != 200
        load.rows += rows if status == 200 else 0
        if pause > 1:  # the server closes connections that are idle for 5 seconds
            connection.close()
        await asyncio.sleep(pause)
    connection.close()


async def many(port: int, seconds: float, path: str, body: Any, rows: int = 100) -> Load:
    load, end, data = Load(), time.perf_counter() + seconds, json.dumps(body).encode()
    await asyncio.gather(*(ask_until(end, port, load, path, data, rows) for _ in range(CONNECTIONS)))
    return load


async def watched(server: psutil.Process, work: Awaitable[Any]) -> tuple[Any, list[float]]:
    """The result, and the server's resident memory, MB, every tenth of a second."""
    memory = [server.memory_info().rss / 2**20]

    async def watch() -> None:
        while True:
            await asyncio.sleep(0.1)
            memory.append(server.memory_info().rss / 2**20)

    task = asyncio.ensure_future(watch())
    try:
        return await work, memory
    finally:
        task.cancel()


async def mixed(port: int, minutes: float) -> dict[str, Load]:
    """Small requests of three kinds, streams, and a reload every 20 seconds."""
    loads = {name: Load() for name in ("100 rows", "100 rows, seed", "100 rows, condition", "200,000 rows", "reload")}
    seed, condition = {"n_rows": 100, "seed": 1}, {"n_rows": 100, "where": await _condition(port)}
    end, name = time.perf_counter() + 60 * minutes, (await _get(port, "/model"))["name"]

    def client(kind: str, body: Any, rows: int, pause: float) -> Awaitable[None]:
        return ask_until(end, port, loads[kind], "/sample", json.dumps(body).encode(), rows, pause)

    await asyncio.gather(
        *(client("100 rows", {"n_rows": 100}, 100, 0.02) for _ in range(8)),
        *(client("100 rows, seed", seed, 100, 0.05) for _ in range(2)),
        *(client("100 rows, condition", condition, 100, 0.05) for _ in range(2)),
        client("200,000 rows", {"n_rows": 200_000}, 200_000, 2.0),
        ask_until(end, port, loads["reload"], f"/v2/repository/models/{name}/load", b"", 0, RELOAD_SECONDS),
    )
    return loads


async def _get(port: int, path: str) -> Any:
    import urllib.request

    def read() -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return bytes(answer.read())

    return json.loads(await asyncio.to_thread(read))


async def _condition(port: int) -> dict[str, Any]:
    """The commonest value of the first column of categories."""
    columns = (await _get(port, "/reference"))["columns"]
    first = next(c for c in columns if c.get("values"))
    return {first["name"]: first["values"][0]["value"]}


@contextmanager
def server_of(command: list[str], port: int, directory: Path) -> Iterator[tuple[psutil.Process, float]]:
    """The running server, and the seconds until it was ready."""
    started = time.perf_counter()
    with (directory / "server.err").open("w") as errors:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors, env=environment)
    try:
        while not _listens(port):
            if process.poll() is not None or time.perf_counter() > started + 60:
                raise SystemExit(f"the server didn't start: {(directory / 'server.err').read_text()[-500:]}")
            time.sleep(0.02)
        yield psutil.Process(process.pid), time.perf_counter() - started
    finally:
        process.terminate()
        process.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def measured(
    title: str, server: psutil.Process, port: int, seconds: float, path: str, body: Any, run: Callable[[Any], Any]
) -> tuple[str, ...]:
    """A row of the table of small loads: with the server's CPU time of a request, which other work hardly changes."""
    before = server.cpu_times()
    load: Load = run(many(port, seconds, path, body))
    after = server.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    return *load.row(title, seconds), f"{1000 * cpu / max(len(load.seconds), 1):.2f}"


def floor(directory: Path, seconds: float, run: Callable[[Any], Any]) -> tuple[str, ...]:
    """The same load on a plain MLServer that sums 8 columns of 100 rows."""
    port = _free_port()
    (directory / "model-settings.json").write_text(
        json.dumps({"name": "sum", "implementation": "benchmarks.serving_floor.SumOfColumns"})
    )
    ports = {"http_port": port, "grpc_port": _free_port(), "metrics_port": _free_port()}
    settings = {"host": "127.0.0.1", "parallel_workers": 0, "debug": False, **ports}
    (directory / "settings.json").write_text(json.dumps(settings))
    command = [str(Path(sys.executable).with_name("mlserver")), "start", str(directory)]
    table = {"name": "table", "shape": [100, 8], "datatype": "FP64", "data": [float(i) for i in range(800)]}
    with server_of(command, port, directory) as (server, _):
        time.sleep(2)  # it listens before its model is loaded
        title, path = "floor: sum of columns", "/v2/models/sum/infer"
        return measured(title, server, port, seconds, path, {"inputs": [table]}, run)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="", help="as for `understudy serve`")
    parser.add_argument("--seconds", type=float, default=10, help="of each small load")
    parser.add_argument("--minutes", type=float, default=10, help="of the mixed load")
    given = parser.parse_args()
    import uvloop

    run = uvloop.run
    with tempfile.TemporaryDirectory() as place:
        directory, port = Path(place), _free_port()
        log, program = str(directory / "log" / "audit.jsonl"), [sys.executable, "-m", "understudy.cli"]
        model = [given.model] if given.model else []
        command = [*program, "serve", *model, "--port", str(port), "--grpc-port", "0", "--audit-log", log]
        rows = [floor(directory, given.seconds, run)]
        with server_of(command, port, directory) as (server, ready):
            run(many(port, 1, "/sample", {"n_rows": 100}))
            for title, body in (("100 rows", {"n_rows": 100}), ("100 rows, seed", {"n_rows": 100, "seed": 1}),
                                ("100 rows, condition", {"n_rows": 100, "where": run(_condition(port))})):  # fmt: skip
                rows.append(measured(title, server, port, given.seconds, "/sample", body, run))
            header = ("16 connections", "a second", "p50 ms", "p99 ms", "max ms", "failed", "CPU ms each")
            sys.stdout.write(f"{psutil.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; ready in {ready:.1f} s\n")
            console.show_rows(header, rows)
            stream(port, server, run)
            if given.minutes:
                soak(port, server, given.minutes, run)
        subprocess.run([*program, "audit-log", "verify", log], check=True)


def stream(port: int, server: psutil.Process, run: Callable[[Any], Any]) -> None:
    before = server.memory_info().rss / 2**20
    started = time.perf_counter()
    body = json.dumps({"n_rows": 1_000_000}).encode()
    (status, size), memory = run(watched(server, Connection(port).post("/sample", body)))
    seconds = time.perf_counter() - started
    sys.stdout.write(
        f"stream of 1,000,000 rows (status {status}, {size / 2**20:.1f} MB): {1e6 / seconds:,.0f} rows/s; the server's"
        f" memory grew by {max(memory) - before:.0f} MB, from {before:.0f} MB\n"
    )


def soak(port: int, server: psutil.Process, minutes: float, run: Callable[[Any], Any]) -> None:
    loads, memory = run(watched(server, mixed(port, minutes)))
    console.show_rows(
        (f"{minutes:g} minutes, mixed", "requests/s", "p50 ms", "p99 ms", "max ms", "failed"),
        [load.row(kind, 60 * minutes) for kind, load in loads.items()],
    )
    third = len(memory) // 3
    parts = [max(memory[a : a + third]) for a in (0, third, 2 * third)]
    sys.stdout.write(f"most memory in each third: {', '.join(f'{x:.0f} MB' for x in parts)}\n")


if __name__ == "__main__":
    main()

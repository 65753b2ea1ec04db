"""A server in a process of its own, over a small model, for tests."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests.people import conformed_people
from understudy.generators import create


def model_directory(root: Path, *, generator: str = "forest", verdict: str = "PASS", seed: int = 0, n_rows: int = 400) -> Path:
    """A generator of `people` in root/model, and beside it the audit that says `verdict` of it ("": none)."""
    table, schema = conformed_people(n_rows, seed)
    config = {"steps": 20} if generator == "autoregressive" else {}
    create(generator, **config).fit(table, schema=schema, rng=np.random.default_rng(seed)).save(root / "model")
    if verdict:
        (root / "audit").mkdir(parents=True, exist_ok=True)
        (root / "audit" / "audit.json").write_text(json.dumps({"verdict": verdict, "reasons": []}))
    return root / "model"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Running:
    """A server that runs; `call` asks it."""

    def __init__(self, process: subprocess.Popen[str], port: int, grpc_port: int, log: Path, facts: dict[str, Any]) -> None:
        self.process, self.port, self.grpc_port, self.log, self.facts = process, port, grpc_port, log, facts
        self.url = f"http://127.0.0.1:{port}"

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            named = {k.replace("_", "-"): v for k, v in headers.items()}
            connection.request(method, path, data, {"Content-Type": "application/json", **named})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def sample(self, **wanted: Any) -> tuple[int, bytes]:
        return self.call("POST", "/sample", wanted)

    def error(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str, str]:
        """Status, field and message of a refusal."""
        status, text = self.call(method, path, body, **headers)
        content = json.loads(text)
        return status, content["field"], content["error"]

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def metric(self, name: str) -> float:
        _, text = self.call("GET", "/metrics")
        return next(float(line.rsplit(" ", 1)[1]) for line in text.decode().splitlines() if line.startswith(name + " "))

    def rss_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(x for x in status.splitlines() if x.startswith("VmRSS")).split()[1]) / 1024


@contextmanager
def serving(model: Path | str, root: Path, *options: str, grpc: bool = False, **popen: Any) -> Iterator[Running]:
    """`understudy serve MODEL` on free ports, its log in `root`; stopped at the end."""
    port, grpc_port, log = free_port(), free_port() if grpc else 0, root / "log" / "audit.jsonl"
    command = [sys.executable, "-m", "understudy.cli", "serve", str(model), "--port", str(port), "--grpc-port", str(grpc_port),
               "--audit-log", str(log), "--json", *options]  # fmt: skip
    errors = (root / "serve.err").open("a+")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment, **popen)
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            process.wait(30)
            errors.seek(0)
            raise RuntimeError(f"exit code {process.returncode}: {errors.read()}")
        yield Running(process, port, grpc_port, log, json.loads(line))
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stdout:
            process.stdout.close()
        errors.close()


def until(condition: Any, seconds: float = 20.0) -> None:
    """Wait until `condition()` holds; fail if it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)

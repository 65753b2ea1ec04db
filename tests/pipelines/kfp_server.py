"""A stand-in of the KFP server: its REST API (v2beta1) as far as pipelines are uploaded, run and scheduled.

Runs on a port of this machine, in a thread. What is uploaded is read with KFP's own loader. A run goes through the
states it is given, one a look.
"""

from __future__ import annotations

import email.policy
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kfp import components

PREFIX = "/apis/v2beta1"


def task(name: str, state: str, message: str = "") -> dict[str, Any]:
    return {"display_name": name, "task_id": name, "state": state, **({"error": {"code": 2, "message": message}} if message else {})}


@dataclass
class Kfp:
    """What the server holds, and how it behaves.

    Attributes:
        states: of a run, one a look; the last stays.
        tasks: the steps of a run once it has ended.
        token: what clients must send; "": nothing.
        broken: looks at a run that are answered 503 before the first is answered.
        refusal: (status, message) for every request but the health check.
    """

    states: Sequence[str] = ("PENDING", "RUNNING", "SUCCEEDED")
    tasks: Sequence[dict[str, Any]] = ()
    token: str = ""
    broken: int = 0
    refusal: tuple[int, str] | None = None
    url: str = ""
    pipelines: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)
    experiments: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    schedules: dict[str, dict[str, Any]] = field(default_factory=dict)
    looks: int = 0
    asked: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        self.asked.append(f"{method} {path}")
        if path == "/healthz":
            return 200, {"multi_user": False}
        if self.refusal:
            return self.refusal[0], {"code": 7, "message": self.refusal[1]}
        for verb, pattern, act in ROUTES:
            found = re.fullmatch(pattern, path)
            if verb == method and found:
                return act(self, query, body, *found.groups())
        return 404, {"code": 5, "message": f"no such thing: {method} {path}"}

    def list_pipelines(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        return 200, {"pipelines": _named(self.pipelines.values(), query)} if self.pipelines else {}

    def upload(self, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        made = {"pipeline_id": f"p{len(self.pipelines)}", "display_name": query["name"]}
        self.pipelines[made["pipeline_id"]] = made
        self.upload_version({"name": query["name"], "pipelineid": made["pipeline_id"]}, body)
        return 200, made

    def upload_version(self, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        assert query["pipelineid"] in self.pipelines
        components.load_component_from_text(body.decode())
        made = {
            "pipeline_id": query["pipelineid"],
            "pipeline_version_id": f"v{len(self.versions)}",
            "display_name": query["name"],
        }
        self.versions[made["pipeline_version_id"]] = made | {"text": body.decode()}
        return 200, made

    def list_versions(self, query: dict[str, str], body: Any, pipeline: str) -> tuple[int, Any]:
        listed = [{k: x for k, x in v.items() if k != "text"} for v in self.versions.values() if v["pipeline_id"] == pipeline]
        return 200, {"pipeline_versions": _named(listed, query)}

    def list_experiments(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        return 200, {"experiments": _named(self.experiments.values(), query)}

    def create_experiment(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        made = body | {"experiment_id": f"e{len(self.experiments)}"}
        self.experiments[made["experiment_id"]] = made
        return 200, made

    def create_run(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        assert body["experiment_id"] in self.experiments
        assert body["pipeline_version_reference"]["pipeline_version_id"] in self.versions
        made = body | {"run_id": f"r{len(self.runs)}", "state": "PENDING"}
        self.runs[made["run_id"]] = made
        return 200, made

    def get_run(self, query: dict[str, str], body: Any, run: str) -> tuple[int, Any]:
        if run not in self.runs:
            return 404, {"code": 5, "message": f"Run {run} not found"}
        if self.broken:
            self.broken -= 1
            return 503, {"code": 14, "message": "upstream connect error"}
        state = self.states[min(self.looks, len(self.states) - 1)]
        self.looks += 1
        done = state in ("SUCCEEDED", "FAILED", "CANCELED")
        return 200, self.runs[run] | {"state": state, "run_details": {"task_details": list(self.tasks) if done else []}}

    def list_schedules(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        return 200, {"recurringRuns": _named(self.schedules.values(), query)}

    def create_schedule(self, query: dict[str, str], body: Any) -> tuple[int, Any]:
        made = body | {"recurring_run_id": f"s{len(self.asked)}"}
        self.schedules[made["recurring_run_id"]] = made
        return 200, made

    def delete_schedule(self, query: dict[str, str], body: Any, schedule: str) -> tuple[int, Any]:
        del self.schedules[schedule]
        return 200, {}


ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "/pipelines", Kfp.list_pipelines),
    ("POST", "/pipelines/upload", Kfp.upload),
    ("POST", "/pipelines/upload_version", Kfp.upload_version),
    ("GET", "/pipelines/([^/]+)/versions", Kfp.list_versions),
    ("GET", "/experiments", Kfp.list_experiments),
    ("POST", "/experiments", Kfp.create_experiment),
    ("POST", "/runs", Kfp.create_run),
    ("GET", "/runs/([^/]+)", Kfp.get_run),
    ("GET", "/recurringruns", Kfp.list_schedules),
    ("POST", "/recurringruns", Kfp.create_schedule),
    ("DELETE", "/recurringruns/([^/]+)", Kfp.delete_schedule),
]


def _named(things: Any, query: dict[str, str]) -> list[Any]:
    """Those of the name that a filter asks for."""
    wanted = [p["stringValue"] for p in json.loads(query.get("filter") or "{}").get("predicates", [])]
    return [t for t in things if not wanted or t["display_name"] in wanted]


@contextmanager
def serving(kfp: Kfp) -> Iterator[Kfp]:
    """`kfp` at `kfp.url` while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            where = urlsplit(self.path)
            body: Any = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kind = self.headers.get("Content-Type", "")
            if kind.startswith("multipart/"):
                message = BytesParser(policy=email.policy.HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
                body = next(message.iter_parts()).get_payload(decode=True)
            elif body:
                body = json.loads(body)
            if kfp.token and self.headers.get("authorization") != f"Bearer {kfp.token}":
                status, answer = 401, {"code": 16, "message": "Request header error: there is no user identity header."}
            else:
                query = {k: v[0] for k, v in parse_qs(where.query).items()}
                status, answer = kfp.answer(self.command, where.path.removeprefix(PREFIX), query, body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = do

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kfp.url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield kfp
    finally:
        server.shutdown()
        server.server_close()

"""A stand-in of the Kubernetes API server: Server-Side Apply with owners of fields, and a controller's word.

Speaks the real HTTP API (paths, query parameters, `Status` objects) on a port of this machine.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

RESOURCES = {
    ("apps", "v1", "deployments"): "Deployment",
    ("", "v1", "services"): "Service",
    ("machinelearning.seldon.io", "v1", "seldondeployments"): "SeldonDeployment",
    ("serving.kserve.io", "v1beta1", "inferenceservices"): "InferenceService",
}
Fields = dict[tuple[str, ...], Any]


def fields(content: Any, path: tuple[str, ...] = ()) -> Fields:
    """Leaves of nested objects; lists count as one."""
    if isinstance(content, dict) and content:
        return {k: v for key, value in content.items() for k, v in fields(value, (*path, key)).items()}
    return {path: content}


def put(content: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        content = content.setdefault(key, {})
    content[path[-1]] = value


def drop(content: dict[str, Any], path: tuple[str, ...]) -> None:
    for key in path[:-1]:
        content = content.get(key, {})
    content.pop(path[-1], None)


@dataclass
class KubeApi:
    """What the cluster holds, and how it behaves.

    Attributes:
        objects: by (kind, namespace, name).
        owners: who owns each field of each object.
        outcome: what becomes of a new generation: ready, stuck (never), deadline (the controller gives up).
        looks: reads of an object until its controller has dealt with it.
        forbidden: kinds that may not be patched; with `forbid_writes_only`, dry runs pass.
        busy: requests that are answered 409 (another write came between) before one is granted.
        slow: seconds that every answer takes.
        installed: kinds that the cluster knows.
    """

    outcome: str = "ready"
    looks: int = 2
    forbidden: tuple[str, ...] = ()
    forbid_writes_only: bool = False
    busy: int = 0
    slow: float = 0.0
    installed: tuple[str, ...] = ("Deployment", "Service")
    token: str = "t0ken"
    url: str = ""
    objects: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)
    owners: dict[tuple[str, ...], dict[tuple[str, ...], str]] = field(default_factory=dict)
    seen: dict[tuple[str, ...], int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, query: dict[str, str], body: Any, token: str) -> tuple[int, Any]:
        time.sleep(self.slow)
        if token != f"Bearer {self.token}":
            return status(401, "Unauthorized", "Unauthorized")
        parts = path.strip("/").split("/")
        group, version, rest = ("", parts[1], parts[2:]) if parts[0] == "api" else (parts[1], parts[2], parts[3:])
        kind = RESOURCES.get((group, version, rest[2]), "")
        if kind not in self.installed:
            return 404, "404 page not found"
        key = (kind, rest[1], rest[3])
        self.asked.append(f"{method} {kind}{' dry' if 'dryRun' in query else ''}")
        if method == "GET":
            return self.get(key)
        if kind in self.forbidden and not (self.forbid_writes_only and "dryRun" in query):
            what = f'{rest[2]}.{group} "{rest[3]}" is forbidden: User "ci" cannot patch resource "{rest[2]}"'
            return status(403, "Forbidden", f'{what} in API group "{group}" in the namespace "{rest[1]}"')
        if self.busy:
            self.busy -= 1
            return status(409, "Conflict", "Operation cannot be fulfilled: the object has been modified; try again")
        if method == "DELETE":
            return (200, self.objects.pop(key)) if key in self.objects else missing(key)
        return self.apply(key, query, body)

    def apply(self, key: tuple[str, ...], query: dict[str, str], body: Any) -> tuple[int, Any]:
        """https://kubernetes.io/docs/reference/using-api/server-side-apply"""
        manager = query["fieldManager"]
        if "managedFields" in body["metadata"]:
            return status(400, "BadRequest", "metadata.managedFields must be nil")
        if (body["kind"], body["metadata"]["namespace"], body["metadata"]["name"]) != key:
            return status(400, "BadRequest", "the name of the object does not match the name on the URL")
        found = copy.deepcopy(self.objects.get(key, {}))
        owners = dict(self.owners.get(key, {}))
        present, wanted = fields(found), fields(body)
        taken = [p for p, v in wanted.items() if owners.get(p, manager) != manager and present.get(p) != v]
        if taken and query.get("force") != "true":
            causes = [
                {"reason": "FieldManagerConflict", "message": f'conflict with "{owners[p]}"', "field": "." + ".".join(p)}
                for p in taken
            ]
            said = f'Apply failed with 1 conflict: conflict with "{owners[taken[0]]}": {causes[0]["field"]}'
            return status(409, "Conflict", said, causes=causes)
        for p in [p for p, o in owners.items() if o == manager and p not in wanted]:
            drop(found, p)
            del owners[p]
        for p, v in wanted.items():
            put(found, p, v)
            owners[p] = manager
        if "dryRun" in query:
            return 200, found
        meta, before = found["metadata"], self.objects.get(key)
        if before is None:
            meta |= {"uid": "u1", "generation": 1, "creationTimestamp": "2026-11-24T00:00:00Z"}
        elif before["spec"] != found["spec"]:
            meta["generation"] = before["metadata"]["generation"] + 1
        meta["resourceVersion"] = str(len(self.asked))
        self.objects[key], self.owners[key], self.seen[key] = found, owners, 0
        return 200, found

    def get(self, key: tuple[str, ...]) -> tuple[int, Any]:
        if key not in self.objects:
            return missing(key)
        found = self.objects[key]
        self.seen[key] = self.seen.get(key, 0) + 1
        if self.seen[key] >= self.looks:
            found["status"] = self.controlled(found)
        owned: dict[str, dict[str, Any]] = {}
        for path, manager in self.owners.get(key, {}).items():
            put(owned.setdefault(manager, {}), tuple(f"f:{p}" for p in path), {})
        managed = [{"manager": m, "operation": "Apply", "fieldsV1": f} for m, f in sorted(owned.items())]
        return 200, found | {"metadata": found["metadata"] | {"managedFields": managed}}

    def controlled(self, found: dict[str, Any]) -> dict[str, Any]:
        """The status that a controller writes."""
        generation, wanted = found["metadata"]["generation"], found["spec"].get("replicas", 1)
        good = self.outcome == "ready" or found["metadata"].get("annotations", {}).get("good") == "yes"
        if found["kind"] == "Deployment":
            made: dict[str, Any] = {"observedGeneration": generation, "replicas": wanted, "updatedReplicas": wanted}
            made["availableReplicas"] = wanted if good else 0
            if not good and self.outcome == "deadline":
                said = 'ReplicaSet "serving-1" has timed out progressing.'
                made["conditions"] = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": said}]
            return made
        if found["kind"] == "SeldonDeployment":
            return {"state": "Available"} if good else {"state": "Failed", "description": "no such image"}
        return {"observedGeneration": generation, "conditions": [{"type": "Ready", "status": "True" if good else "False", "reason": "PredictorNotReady"}]}


def status(code: int, reason: str, message: str, **details: Any) -> tuple[int, Any]:
    return code, {
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message,
        "details": details,
    }  # fmt: skip


def missing(key: tuple[str, ...]) -> tuple[int, Any]:
    return status(404, "NotFound", f'{key[0].lower()}s "{key[2]}" not found', name=key[2], kind=key[0])


@contextmanager
def serving(api: KubeApi, folder: Path) -> Iterator[Path]:
    """`api` at `api.url` while the block runs; gives a kubeconfig for it."""

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            where = urlsplit(self.path)
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.command == "PATCH":
                assert self.headers["Content-Type"] == "application/apply-patch+yaml"
            query = {k: v[0] for k, v in parse_qs(where.query).items()}
            body = json.loads(content) if content else None
            code, answer = api.answer(self.command, where.path, query, body, self.headers.get("authorization", ""))
            made = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Type", "text/plain" if isinstance(answer, str) else "application/json")
            self.send_header("Content-Length", str(len(made)))
            self.end_headers()
            self.wfile.write(made)

        do_GET = do_PATCH = do_DELETE = do

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    cluster = {"name": "c", "cluster": {"server": api.url}}
    user = {"name": "u", "user": {"token": api.token}}
    context = {"name": "test", "context": {"cluster": "c", "user": "u"}}
    made = {"apiVersion": "v1", "kind": "Config", "clusters": [cluster], "users": [user], "contexts": [context], "current-context": "test"}
    (folder / "kubeconfig").write_text(json.dumps(made))
    try:
        yield folder / "kubeconfig"
    finally:
        server.shutdown()
        server.server_close()

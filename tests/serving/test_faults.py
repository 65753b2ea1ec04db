"""What goes wrong: kills, full disks, broken models, clients that stall; and what must hold then."""

from __future__ import annotations

import http.client
import json
import os
import resource
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.serving.running import Running, free_port, model_directory, serving, until
from understudy.client import Client
from understudy.serving.keys import add_key
from understudy.serving.verification import verify

pytest.importorskip("mlserver")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_directory(tmp_path_factory.mktemp("model"))


def asking(server: Running, stop: threading.Event, ids: list[str]) -> None:
    """Ask again and again; note the id of each request whose rows came whole."""
    while not stop.is_set():
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        try:
            for _ in range(20):
                connection.request("POST", "/sample", b'{"n_rows": 100}')
                answer = connection.getresponse()
                if len(answer.read()) > 1000 and answer.status == 200:
                    ids.append(str(answer.headers["X-Request-Id"]))
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()


def test_kill_9_under_load_loses_no_record_of_rows_that_went_out(model: Path, tmp_path: Path) -> None:
    ids: list[str] = []
    for _ in range(2):
        with serving(model, tmp_path) as server:
            stop, before = threading.Event(), len(ids)
            threads = [threading.Thread(target=asking, args=(server, stop, ids)) for _ in range(4)]
            for t in threads:
                t.start()
            until(lambda before=before: len(ids) > before + 100)
            server.process.kill()
            server.process.wait()
            stop.set()
            for t in threads:
                t.join()
    with serving(model, tmp_path) as server:
        assert server.sample(n_rows=1)[0] == 200
    found = verify([server.log])
    assert found.intact and found.records >= len(ids) + 1
    logged = {r.get("request") for r in server.records()}
    assert len(ids) > 200 and set(ids) <= logged


def test_a_log_that_cant_grow_refuses_requests(model: Path, tmp_path: Path) -> None:
    limit = 6000  # bytes of any file that the server writes: as a full disk, for its log

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    with serving(model, tmp_path, preexec_fn=limited) as server:
        answers = [server.sample(n_rows=5) for _ in range(30)]
        granted = sum(status == 200 for status, _ in answers)
        assert 5 < granted < 30 and {status for status, _ in answers} == {200, 507}
        refused = json.loads(answers[-1][1])
        assert refused["field"] == "audit log" and "can't be written" in refused["error"]
        assert server.metric("understudy_audit_log_failures_total") == 30 - granted
        assert server.call("GET", "/v2/health/live")[0] == 200
        assert sum(r["status"] == 200 for r in server.records()) == granted
        assert verify([server.log]).intact


def test_a_reload_keeps_serving_and_a_broken_one_too(tmp_path: Path) -> None:
    here = model_directory(tmp_path / "m", seed=1)
    with serving(here, tmp_path, "--poll", "0.2") as running:
        version = json.loads(running.call("GET", "/model")[1])["version"]
        assert running.call("POST", "/v2/repository/models/model/load")[0] == 200
        assert json.loads(running.call("GET", "/model")[1])["version"] == version
        manifest = (here / "generator.json").read_text()
        (here / "weights.safetensors").write_bytes(b"broken")
        assert running.error("POST", "/v2/repository/models/model/load")[0] == 409
        assert running.metric("understudy_reload_failures_total") == 1
        assert running.sample(n_rows=10)[0] == 200 and json.loads(running.call("GET", "/model")[1])["version"] == version
        (here / "generator.json").write_text(manifest + " ")  # the watch looks at it, once
        until(lambda: running.metric("understudy_reload_failures_total") == 2)
        assert running.sample(n_rows=10)[0] == 200
        model_directory(tmp_path / "m", seed=2)
        until(lambda: json.loads(running.call("GET", "/model")[1])["version"] != version)
        assert running.sample(n_rows=10)[0] == 200
        assert running.call("POST", "/v2/repository/models/model/unload")[0] == 200
        assert running.error("POST", "/sample", {"n_rows": 1})[:2] == (503, "model")
        assert running.call("POST", "/v2/repository/models/model/load")[0] == 200 and running.sample(n_rows=10)[0] == 200
        assert verify([running.log]).intact


def test_reloads_under_load_drop_no_request(tmp_path: Path) -> None:
    here = model_directory(tmp_path / "m", seed=1)
    statuses: list[int] = []
    with serving(here, tmp_path, "--poll", "60") as server:
        stop = threading.Event()

        def ask(path: str, body: dict) -> None:
            while not stop.is_set():
                statuses.append(server.call("POST", path, body)[0])

        v2 = "/v2/models/model/infer"
        jobs = [("/sample", {"n_rows": 100}), ("/sample", {"n_rows": 70_000, "seed": 1}), (v2, {"inputs": [], "parameters": {"n_rows": 9}})]
        threads = [threading.Thread(target=ask, args=job) for job in jobs]
        for t in threads:
            t.start()
        versions = set()
        for seed in range(6):
            model_directory(tmp_path / "m", seed=seed % 2)
            assert server.call("POST", "/v2/repository/models/model/load")[0] == 200
            versions.add(json.loads(server.call("GET", "/model")[1])["version"])
        stop.set()
        for t in threads:
            t.join()
        assert len(versions) == 2 and set(statuses) == {200} and len(statuses) > 50
        assert server.metric("understudy_reload_failures_total") == 0


def test_a_clients_day_ends_also_after_a_restart(model: Path, tmp_path: Path) -> None:
    options = ("--rows-per-day", "1000")
    with serving(model, tmp_path, *options) as running:
        assert running.sample(n_rows=600)[0] == 200
        assert running.error("POST", "/sample", {"n_rows": 600})[:2] == (429, "n_rows")
    with serving(model, tmp_path, *options) as running:
        assert running.error("POST", "/sample", {"n_rows": 401})[0] == 429
        assert running.sample(n_rows=400)[0] == 200


def test_a_client_that_stalls_is_cut_off_and_others_are_served(model: Path, tmp_path: Path) -> None:
    with serving(model, tmp_path, "--timeout", "2", "--concurrency", "1") as server:
        with socket.create_connection(("127.0.0.1", server.port)) as stalled:
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            body = b'{"n_rows": 5000000}'
            stalled.sendall(b"POST /sample HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            assert stalled.recv(12) == b"HTTP/1.1 200"
            assert server.sample(n_rows=70_000, seed=1)[0] == 200
            until(lambda: server.records()[-1]["status"] == 504)
        assert server.records()[-1]["reason"] == "time-out"
        assert [r["status"] for r in server.records()] == [200, 200, 504]
        until(lambda: server.metric("understudy_requests_in_progress") == 0)


def test_more_requests_than_allowed_are_refused_and_the_client_tries_again(model: Path, tmp_path: Path) -> None:
    with serving(model, tmp_path, "--max-requests", "1") as server:
        rows = Client(server.url).stream(3_000_000)
        next(rows)
        assert server.error("POST", "/sample", {"n_rows": 1})[0] == 503
        rows.close()
        assert len(Client(server.url).sample(3)) == 3


def test_tls_with_keys(model: Path, tmp_path: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    key = add_key(tmp_path / "keys.json", "ann", "sampler")
    tls = ("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"), "--keys", str(tmp_path / "keys.json"))
    with serving(model, tmp_path, *tls, grpc=True) as server:
        client = Client(f"https://127.0.0.1:{server.port}", key, ca_file=str(tmp_path / "cert.pem"))
        assert len(client.sample(5)) == 5
        script = "import sys, grpc, tritonclient.grpc as t\n" \
                 "c = t.InferenceServerClient(sys.argv[1], ssl=True, root_certificates=sys.argv[2])\n" \
                 "assert c.is_server_ready() and c.get_model_metadata('model', headers={'authorization': 'Bearer ' + sys.argv[3]}).versions"  # fmt: skip
        subprocess.run([sys.executable, "-c", script, f"127.0.0.1:{server.grpc_port}", tmp_path / "cert.pem", key], check=True, timeout=60)


def test_a_stock_mlserver_runs_the_runtime(model: Path, tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "model-settings.json").write_text(
        json.dumps(
            {"name": "people", "implementation": "understudy.serving.runtime.SyntheticModel",
             "parameters": {"uri": os.path.relpath(model, tmp_path), "extra": {"audit_log": str(tmp_path / "audit.jsonl")}}}
        )
    )  # fmt: skip
    settings = {"host": "127.0.0.1", "http_port": port, "grpc_port": free_port(), "metrics_port": free_port(), "parallel_workers": 0,
                "debug": False}  # fmt: skip
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    mlserver = Path(sys.executable).with_name("mlserver")
    process = subprocess.Popen([mlserver, "start", str(tmp_path)], cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        server = Running(process, port, 0, tmp_path / "audit.jsonl", {})  # type: ignore[arg-type]

        def ready() -> bool:
            try:
                return server.call("GET", "/v2/models/people/ready")[0] == 200
            except OSError:
                return False

        until(ready, 60)
        status, text = server.call("POST", "/v2/models/people/infer", {"inputs": [], "parameters": {"n_rows": 5}})
        assert status == 200 and len(json.loads(text)["outputs"][0]["data"]) == 5
        status, text = server.call("POST", "/v2/models/people/infer", {"inputs": [], "parameters": {"n_rows": 0}})
        assert status == 400 and "n_rows" in json.loads(text)["error"]
        assert [r["status"] for r in server.records()] == [200, 400]
    finally:
        process.terminate()
        process.wait(30)

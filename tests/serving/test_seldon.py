"""The Seldon Core v1 wrapper, in the environment that it needs and under Seldon's own server."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from understudy.generators.base import load
from understudy.serving import seldon

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/generators/golden"
CONSTRAINTS = ROOT / "constraints-seldon.txt"
FORBIDDEN = ("mlflow", "kfp", "dvc", "mlserver", "evidently")


def test_requests_are_rows_of_a_table() -> None:
    table = seldon._requests({"n_rows": 3, "where": {"age": {"min": 50}}}, [])
    assert table.to_dict("records") == [{"n_rows": 3, "where": '{"age": {"min": 50}}'}]
    assert seldon._requests(np.array([[3.0, 7.0]]), ["n_rows", "seed"]).to_dict("records") == [{"n_rows": 3.0, "seed": 7.0}]


@pytest.mark.parametrize(
    ("content", "names", "message"),
    [
        ({"n_rows": 3, "rows": 3}, [], "'rows' is not a field"),
        ({"seed": 3}, [], "no n_rows"),
        ({"n_rows": "many"}, [], "n_rows is 'many'"),
        ({"n_rows": None}, [], "n_rows is missing"),
        ({"n_rows": True}, [], "n_rows is 'True'"),
        ({"n_rows": float("inf")}, [], "n_rows is inf"),
        ({"n_rows": 3, "seed": [1]}, [], "seed is '[1]'"),
        (np.ones((1, 2)), [], "table with named columns"),
        (np.ones((1, 1)), ["age"], "table with named columns"),
        ("text", ["n_rows"], "n_rows is 'text'"),
    ],
)  # fmt: skip
def test_a_bad_request_is_named(content: Any, names: list[str], message: str) -> None:
    with pytest.raises(seldon.ConfigError) as caught:
        seldon._requests(content, names)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_health_before_loading_says_so(tmp_path: Path) -> None:
    with pytest.raises(seldon.ArtifactError, match="isn't loaded yet"):
        seldon.SyntheticSampler(str(tmp_path)).health_status()
    with pytest.raises(seldon.ArtifactError, match="no generator here"):
        seldon.SyntheticSampler(str(tmp_path)).load()


def environment() -> Path:
    """The Python of an environment with what pyproject.toml and constraints-seldon.txt say; made once and kept.

    The package itself isn't installed there: PYTHONPATH shows it these sources.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["seldon"]]
    key = hashlib.sha256(json.dumps([needed, CONSTRAINTS.read_text(), sys.version]).encode()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "understudy"
    cache.mkdir(parents=True, exist_ok=True)
    place = cache / f"seldon-{key}"
    with (cache / "seldon.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "ready").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
            install = [place / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*install, "-c", CONSTRAINTS, *needed], check=True)
            (place / "ready").touch()
    return place / "bin/python"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@dataclass(frozen=True)
class Server:
    python: Path
    http: int
    grpc: int
    metrics: int

    def post(self, body: Any) -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http}/api/v1.0/predictions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as e:
            return e.code, json.loads(e.read())

    def get(self, port: int, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return str(answer.read().decode())


def env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def python() -> Path:
    return environment()


@pytest.fixture(scope="module")
def server(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A stock `seldon-core-microservice` with the golden forest."""
    made = Server(python, free_port(), free_port(), free_port())
    parameters = [
        {"name": "model_uri", "value": str(GOLDEN / "forest-format-2"), "type": "STRING"},
        {"name": "name", "value": "people", "type": "STRING"},
        {"name": "version", "value": "3", "type": "STRING"},
        {"name": "max_rows", "value": "5000", "type": "INT"},
    ]
    command = [
        python.parent / "seldon-core-microservice", "understudy.serving.seldon.SyntheticSampler", "--service-type", "MODEL",
        "--http-port", made.http, "--grpc-port", made.grpc, "--metrics-port", made.metrics, "--workers", 1,
        "--parameters", json.dumps(parameters),
    ]  # fmt: skip
    log = tmp_path_factory.mktemp("seldon") / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            list(map(str, command)), env=env(), stdout=out, stderr=subprocess.STDOUT, cwd=log.parent, start_new_session=True
        )
    try:
        for _ in range(240):
            try:
                made.get(made.http, "/health/status")
                break
            except OSError:
                assert process.poll() is None, log.read_text()[-2000:]
                time.sleep(0.5)
        else:
            pytest.fail(log.read_text()[-2000:])
        yield made
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def expected(n_rows: int, seed: int) -> list[list[Any]]:
    table = load(GOLDEN / "forest-format-2").sample(n_rows, rng=np.random.default_rng(seed))
    rows: list[list[Any]] = seldon._plain(table).tolist()
    return rows


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_its_environment_reads_and_writes_tables(python: Path, tmp_path: Path) -> None:
    """As the image's smoke command does: a pin that needs another numpy shows only here."""
    (tmp_path / "t.csv").write_text("age,income\n" + "".join(f"{20 + i % 50},{'high' if i % 3 else 'low'}\n" for i in range(200)))
    for command in (
        ["fit", tmp_path / "t.csv", "-o", tmp_path / "model", "--generator", "independent"],
        ["sample", tmp_path / "model", "-n", "50", "-o", tmp_path / "rows.parquet"],
    ):
        done = subprocess.run([python, "-m", "understudy.cli", *command], env=env(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "rows.parquet").stat().st_size > 0


@pytest.mark.slow
@pytest.mark.timeout(1200)  # the first one installs the environment
def test_every_kind_of_artifact_loads_without_the_pipelines_packages(python: Path) -> None:
    code = f"""
import importlib.util as u, sys, numpy as np
from pathlib import Path
from understudy.serving.seldon import SyntheticSampler
assert np.__version__.startswith("1."), np.__version__
assert not [m for m in {FORBIDDEN!r} if u.find_spec(m)]
for path in sorted(Path({str(GOLDEN)!r}).iterdir()):
    s = SyntheticSampler(str(path)); s.load()
    print(path.name, s.predict({{"n_rows": 5, "seed": 1}}, []).data.shape)
"""
    done = subprocess.run([python, "-c", code], env=env(), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    shown = done.stdout.splitlines()
    assert len(shown) == len(list(GOLDEN.iterdir())) and all(line.endswith("(5, 11)") for line in shown)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_rest_rows_tags_and_metrics(server: Server) -> None:
    status, answer = server.post({"jsonData": {"n_rows": 4, "seed": 7}})
    assert status == 200
    assert answer["data"]["names"] == [c.name for c in load(GOLDEN / "forest-format-2").schema.released]
    assert answer["data"]["ndarray"] == expected(4, 7)
    assert server.post({"data": {"names": ["n_rows", "seed"], "ndarray": [[4, 7]]}})[1]["data"] == answer["data"]
    tags = answer["meta"]["tags"]
    assert (tags["generator"], tags["model"], tags["version"]) == ("forest", "people", "3")
    counted = {m["key"]: m["value"] for m in answer["meta"]["metrics"]}
    assert counted["understudy_rows_total"] == 4 and counted["understudy_request_seconds"] > 0
    old = server.post({"jsonData": {"n_rows": 50, "where": {"age": {"min": 60}}}})[1]["data"]
    assert all(row[old["names"].index("age")] >= 60 for row in old["ndarray"])
    assert server.post({"jsonData": {"n_rows": 4}})[1]["data"] != server.post({"jsonData": {"n_rows": 4}})[1]["data"]
    text = server.get(server.metrics, "/metrics")
    lines = [line for line in text.splitlines() if line.startswith(("understudy_rows_total", "understudy_model_info"))]
    assert any("understudy_rows_total" in line and float(line.split()[-1]) >= 66 for line in lines)
    assert any('generator="forest"' in line and 'version="3"' in line for line in lines)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"jsonData": {"n_rows": -1}}, "n_rows is -1"),
        ({"jsonData": {"n_rows": 5001}}, "the most of one request is 5,000"),
        ({"jsonData": {"n_rows": 5, "where": {"agee": 1}}}, "did you mean 'age'"),
        ({"jsonData": {}}, "no n_rows"),
    ],
)  # fmt: skip
def test_a_bad_request_is_answered_with_400(server: Server, body: dict[str, Any], message: str) -> None:
    status, answer = server.post(body)
    assert status == 400 and message in answer["status"]["info"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_grpc_rows_tags_and_errors(server: Server) -> None:
    code = f"""
import json, sys, grpc
from google.protobuf import json_format
from seldon_core.proto import prediction_pb2, prediction_pb2_grpc
stub = prediction_pb2_grpc.ModelStub(grpc.insecure_channel("127.0.0.1:{server.grpc}"))
def ask(body):
    return stub.Predict(json_format.ParseDict(body, prediction_pb2.SeldonMessage()), timeout=120, wait_for_ready=True)
print(json.dumps(json_format.MessageToDict(ask({{"jsonData": {{"n_rows": 4, "seed": 7}}}}))))
try:
    ask({{"jsonData": {{"n_rows": -1}}}})
except grpc.RpcError as e:
    print(e.details())
"""
    done = subprocess.run([server.python, "-c", code], env=env(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = done.stdout.splitlines()
    answer = json.loads(first)
    assert answer["data"]["ndarray"] == expected(4, 7)
    assert answer["meta"]["tags"]["model"] == "people"
    assert "n_rows is -1" in second

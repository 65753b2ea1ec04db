"""Requests at random: no 500, no hang, and every refusal is JSON that names the field."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.people import conformed_people
from tests.serving.running import Running, model_directory, serving
from understudy.serving.verification import verify

pytest.importorskip("mlserver")
pytestmark = pytest.mark.slow
EXAMPLES = 1000
NAMES = [c.name for c in conformed_people(50)[1].columns]

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(["north", "gold", "2015-02-03"])
anything = st.recursive(scalars, lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=8), x, max_size=3), max_leaves=6)
names = st.sampled_from(NAMES) | st.text(max_size=8)
small = st.integers(1, 300)
ranges = st.dictionaries(st.sampled_from(["min", "max"]), scalars, max_size=2)
conditions = st.dictionaries(names, scalars | ranges | st.lists(scalars | ranges, max_size=3) | anything, max_size=3)
fields = {
    "n_rows": small | anything, "seed": st.integers(0, 9) | anything, "where": conditions | anything,
    "columns": st.lists(names, max_size=4) | anything, "format": st.sampled_from(["csv", "jsonl", "parquet", "arrow"]) | anything,
}  # fmt: skip
optional = {k: v for k, v in fields.items() if k != "n_rows"}
samples = st.fixed_dictionaries({"n_rows": small}, optional=optional) | st.fixed_dictionaries({}, optional=fields)
imputes = st.fixed_dictionaries(
    {"rows": st.lists(st.dictionaries(names, scalars, max_size=12), max_size=4) | anything},
    optional={"seed": fields["seed"], "likely": st.booleans() | anything, "format": fields["format"]},
)
tensors = st.fixed_dictionaries(
    {"name": st.sampled_from([*fields, "x"]), "shape": st.just([1]) | anything,
     "datatype": st.sampled_from(["INT64", "BYTES", "FP64", "BOOL", "NOPE"]), "data": st.lists(anything, max_size=2) | anything},
    optional={"parameters": anything},
)  # fmt: skip
infers = st.fixed_dictionaries(
    {"inputs": st.lists(tensors, max_size=3)},
    optional={"parameters": st.fixed_dictionaries({}, optional=fields) | anything, "id": anything, "outputs": anything},
)
requests = (
    st.tuples(st.just("/sample"), samples | anything)
    | st.tuples(st.just("/impute"), imputes | anything)
    | st.tuples(st.sampled_from(["/v2/models/model/infer", "/v2/models/x/infer"]), infers | anything)
)
accepts = st.sampled_from(["*/*", "text/csv", "application/json", "application/vnd.apache.parquet"]) | st.text(
    st.characters(min_codepoint=33, max_codepoint=126), max_size=20
)


@pytest.fixture(scope="module", params=["forest", "autoregressive"])
def server(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("fuzz")
    with serving(model_directory(root, generator=request.param), root, "--timeout", "20", "--max-rows", "5000") as running:
        yield running


def check(status: int, text: bytes) -> None:
    assert status in (200, 400, 401, 403, 404, 405, 406, 413, 422), text
    if status != 200:
        body = json.loads(text)
        assert body["error"] and body["field"] and body["status"] == status and "\n" not in body["error"]


def test_random_requests(server: Running) -> None:
    """1,000 a generator, of all routes."""

    @settings(max_examples=EXAMPLES, deadline=20_000, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
    @given(requests, accepts)
    def one(request: tuple[str, Any], accept: str) -> None:
        path, body = request
        try:
            data = json.dumps(body).encode()
        except (ValueError, UnicodeEncodeError):
            data = repr(body).encode("utf-8", "replace")
        check(*server.call("POST", path, data, Accept=accept or "*/*"))

    one()
    assert server.process.poll() is None and server.metric("understudy_requests_in_progress") == 0
    assert verify([server.log]).intact


def test_random_bytes(server: Running) -> None:
    @settings(max_examples=200, deadline=20_000, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
    @given(st.binary(max_size=60), st.sampled_from(["/sample", "/impute", "/v2/models/model/infer", "/v2/repository/index"]))
    def one(body: bytes, path: str) -> None:
        check(*server.call("POST", path, body))

    one()


def test_schemathesis_finds_nothing_in_what_the_document_promises(server: Running) -> None:
    """Valid requests by the OpenAPI are answered or refused as it says; invalid ones are refused."""
    command = [Path(sys.executable).with_name("schemathesis"), "run", f"{server.url}/openapi.json", "--max-examples", "100", "--seed", "1",
               "--phases", "coverage,fuzzing", "--no-color", "--request-timeout", "20", "--exclude-checks", "positive_data_acceptance"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[-4000:]

"""A server as its users meet it: rows, formats, conditions, errors, limits, keys, V2 calls, what is logged."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from tests.serving.running import Running, model_directory, serving, until
from understudy.client import Client, ServerError
from understudy.errors import Rejected
from understudy.serving.keys import add_key
from understudy.serving.served import find_source
from understudy.serving.verification import verify

pytest.importorskip("mlserver")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_directory(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(model, tmp_path_factory.mktemp("server"), "--max-rows", "200000") as running:
        yield running


@pytest.fixture(scope="module")
def keyed(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, str, str]]:
    root = tmp_path_factory.mktemp("keyed")
    ann, root_key = add_key(root / "keys.json", "ann", "sampler"), add_key(root / "keys.json", "root", "admin")
    with serving(model, root, "--keys", str(root / "keys.json"), "--rows-per-day", "1000", grpc=True) as running:
        yield running, ann, root_key


def csv(text: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(text))


def test_rows_come_as_asked_for(server: Running) -> None:
    status, text = server.sample(n_rows=100)
    assert status == 200 and len(csv(text)) == 100
    status, text = server.sample(n_rows=60, where={"age": {"min": 50}, "region": ["north", "west"]}, columns=["region", "age"])
    found = csv(text)
    assert list(found.columns) == ["region", "age"] and len(found) == 60
    assert found["age"].min() >= 50 and set(found["region"]) <= {"north", "west"}


@pytest.mark.parametrize("n_rows", [7, 3000, 70_000])
def test_a_seed_gives_the_same_rows_and_none_gives_others(server: Running, n_rows: int) -> None:
    assert server.sample(n_rows=n_rows, seed=5)[1] == server.sample(n_rows=n_rows, seed=5)[1] != server.sample(n_rows=n_rows, seed=6)[1]
    assert server.sample(n_rows=n_rows)[1] != server.sample(n_rows=n_rows)[1]


def test_a_seed_gives_the_same_rows_on_another_replica_and_on_the_command_line(server: Running, model: Path, tmp_path: Path) -> None:
    from understudy import stages

    where = {"age": {"min": 40}}
    with serving(model, tmp_path) as other:
        for wanted in ({"n_rows": 500, "seed": 9}, {"n_rows": 500, "seed": 9, "where": where}):
            assert server.sample(**wanted)[1] == other.sample(**wanted)[1]
    stages.sample(model_dir=model, out=tmp_path / "rows.csv", n_rows=500, seed=9)
    assert server.sample(n_rows=500, seed=9)[1] == (tmp_path / "rows.csv").read_bytes()


@pytest.mark.parametrize("n_rows", [5, 140_000])
@pytest.mark.parametrize("accept", ["application/x-ndjson", "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"])
def test_formats_hold_the_same_rows(server: Running, accept: str, n_rows: int) -> None:
    wanted = {"n_rows": n_rows, "seed": 3, "columns": ["age", "region", "children"]}
    status, data = server.call("POST", "/sample", wanted, Accept=accept)
    assert status == 200
    if "ndjson" in accept:
        found = pd.read_json(io.BytesIO(data), lines=True)
    else:
        found = pd.read_parquet(io.BytesIO(data)) if "parquet" in accept else pa.ipc.open_stream(data).read_all().to_pandas()
    expected = csv(server.sample(**wanted)[1])
    assert (found["age"] == expected["age"]).all() and (found["region"].astype(str) == expected["region"]).all()
    assert (found["children"].astype("Int64").fillna(-1) == expected["children"].astype("Int64").fillna(-1)).all()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("POST", "/sample", b"{", 400, "body"),
        ("POST", "/sample", {"n_rows": 200_001}, 400, "n_rows"),
        ("POST", "/sample", {"n_rows": 5, "where": {"age": {"min": 1000}}}, 400, "where"),
        ("POST", "/sample", {"n_rows": 5, "where": {"region": "moon"}}, 400, "where"),
        ("POST", "/sample", {"n_rows": 5, "where": {"joined": "yesterday"}}, 400, "where"),
        ("POST", "/sample", b" " * (8 << 20) + b"{}", 413, "body"),
        ("GET", "/sample", None, 405, "method"),
        ("GET", "/nowhere", None, 404, "path"),
        ("POST", "/impute", {"rows": [{"age": 3}]}, 400, "model"),
        ("POST", "/v2/models/model/infer", {"inputs": 3}, 422, "inputs"),
        ("POST", "/v2/models/model/infer", {"inputs": [], "parameters": {"n_rows": 10, "sead": 3}}, 400, "sead"),
        ("POST", "/v2/models/model/infer", {"inputs": [{"name": "x", "shape": [1], "datatype": "INT64", "data": [1]}]}, 400, "x"),
        ("POST", "/v2/models/model/infer", {"inputs": [], "parameters": {"n_rows": 50_001}}, 400, "n_rows"),
        ("POST", "/v2/models/other/infer", {"inputs": []}, 404, "model"),
        ("POST", "/v2/repository/models/other/load", None, 404, "model"),
    ],
)  # fmt: skip
def test_what_cant_be_answered_is_refused_with_its_field(
    server: Running, method: str, path: str, body: object, status: int, field: str
) -> None:
    before = len(server.records())
    assert server.error(method, path, body)[:2] == (status, field)
    record = server.records()[-1]
    assert len(server.records()) > before and record["status"] == status and record["reason"]


def test_the_log_says_who_asked_for_what_and_no_data(server: Running) -> None:
    wanted = {"n_rows": 9, "seed": 1, "where": {"age": {"min": 40}}, "columns": ["age"], "format": "jsonl"}
    server.sample(**wanted)
    record = server.records()[-1]
    assert {k: record[k] for k in ("client", "route", "n_rows", "conditions", "columns", "format", "seeded", "status")} == {
        "client": "anonymous", "route": "/sample", "n_rows": 9, "conditions": {"age": {"min": 40}}, "columns": ["age"],
        "format": "jsonl", "seeded": True, "status": 200,
    }  # fmt: skip
    assert record["model"] == "model" and len(record["version"]) == 12
    assert verify([server.log]).intact


def test_v2_tensors_by_the_pandas_codec(server: Running) -> None:
    from mlserver.codecs import PandasCodec
    from mlserver.types import InferenceResponse

    body = {"inputs": [{"name": "n_rows", "shape": [1], "datatype": "INT64", "data": [200]},
                       {"name": "where", "shape": [1], "datatype": "BYTES", "data": ['{"region": "north"}']}],
            "parameters": {"seed": 4}}  # fmt: skip
    status, text = server.call("POST", "/v2/models/model/infer", body)
    assert status == 200
    answer = InferenceResponse.model_validate_json(text)
    found = PandasCodec.decode_response(answer)
    expected = csv(server.sample(n_rows=200, seed=4, where={"region": "north"})[1])
    assert list(found.columns) == list(expected.columns) and answer.model_version == server.records()[-1]["version"]
    assert (found["age"] == expected["age"]).all() and set(found["region"]) == {"north"}
    assert found["children"].isna().sum() == expected["children"].isna().sum() > 0
    assert (found["joined"] == expected["joined"]).all()


def test_v2_metadata_tells_the_models_facts(server: Running) -> None:
    _, text = server.call("GET", "/v2/models/model")
    found = json.loads(text)
    assert found["parameters"]["verdict"] == "PASS" and found["parameters"]["generator"] == "forest"
    assert {"name": "age", "datatype": "INT64", "shape": [-1, 1]} in found["outputs"]
    assert "age" in found["parameters"]["schema"]
    assert json.loads(server.call("GET", "/model")[1])["schema"]["target"] == "plan"


def test_a_v2_stream_sends_all_rows(server: Running) -> None:
    body = {"inputs": [], "parameters": {"n_rows": 20_000, "columns": '["age"]'}}
    status, text = server.call("POST", "/v2/models/model/generate_stream", body)
    parts = [json.loads(x.removeprefix(b"data: ")) for x in text.split(b"\n\n") if x]
    assert status == 200 and [p["outputs"][0]["shape"][0] for p in parts] == [8192, 8192, 3616]


def test_the_reference_and_the_page(server: Running) -> None:
    columns = {c["name"]: c for c in json.loads(server.call("GET", "/reference")[1])["columns"]}
    assert sum(v["share"] for v in columns["region"]["values"]) == pytest.approx(1)
    assert sum(columns["age"]["shares"]) == pytest.approx(1) and columns["grade"]["missing"] == pytest.approx(0.1, abs=0.05)
    status, page = server.call("GET", "/")
    assert status == 200 and b"http://" not in page.replace(b"http://www.w3.org", b"") and b"<script src" not in page


def test_another_sites_page_cant_ask(server: Running) -> None:
    assert server.error("POST", "/sample", {"n_rows": 1}, Host="evil.example")[:2] == (403, "host")
    assert server.error("POST", "/sample", {"n_rows": 1}, Sec_Fetch_Site="cross-site")[:2] == (403, "sec-fetch-site")


@pytest.mark.parametrize("verdict", ["FAIL", "INCONCLUSIVE", ""])
def test_a_model_that_didnt_pass_is_refused(tmp_path: Path, verdict: str) -> None:
    source = find_source(str(model_directory(tmp_path, verdict=verdict, generator="independent", n_rows=100)), "")
    with pytest.raises(Rejected, match=f"verdict is {verdict or 'unaudited'}, not PASS"):
        source.load(allow_unaudited=False)
    assert source.load(allow_unaudited=True).facts.verdict == (verdict or "unaudited")


@pytest.mark.parametrize(
    ("options", "message"),
    [(("--host", "0.0.0.0"), "can be reached from elsewhere"), (("--keys", "/nope.json"), "can't be read"),
     (("--tls-cert", "a.pem"), "belong together"), (("--tls-cert", "a.pem", "--tls-key", "b.pem"), "TLS a.pem")],
)  # fmt: skip
def test_settings_that_cant_be_used_end_with_one_line(model: Path, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    with pytest.raises(RuntimeError, match=f"exit code 2: understudy: [^\n]*{message}[^\n]*\n$"), serving(model, tmp_path, *options):
        pass


def test_keys_open_what_their_role_may(keyed: tuple[Running, str, str]) -> None:
    server, ann, root = keyed
    for path in ("/", "/v2/health/ready", "/metrics"):
        assert server.call("GET", path)[0] == 200
    assert server.error("POST", "/sample", {"n_rows": 1})[:2] == (401, "authorization")
    assert server.error("GET", "/v2/models/model")[0] == 401
    assert server.call("POST", "/sample", {"n_rows": 5}, Authorization=f"Bearer {ann}")[0] == 200
    record = server.records()[-1]
    assert (record["client"], record["role"]) == ("ann", "sampler") and ann not in server.log.read_text()
    body = {"inputs": [], "parameters": {"n_rows": 3}}
    assert server.error("POST", "/v2/models/model/infer", body)[0] == 401
    assert server.call("POST", "/v2/models/model/infer", body, Authorization=f"Bearer {ann}")[0] == 200
    assert server.error("POST", "/v2/repository/models/model/load", None, Authorization=f"Bearer {ann}")[:2] == (403, "authorization")
    assert server.call("POST", "/v2/repository/models/model/load", None, Authorization=f"Bearer {root}")[0] == 200


def test_grpc_by_a_stock_client_with_keys(keyed: tuple[Running, str, str]) -> None:
    """In a process of its own: tritonclient and mlserver define the same messages."""
    import subprocess
    import sys

    server, ann, root = keyed
    script = Path(__file__).parent / "triton_calls.py"
    done = subprocess.run(
        [sys.executable, str(script), f"127.0.0.1:{server.grpc_port}", f"127.0.0.1:{server.port}", ann, root],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    rows = csv(server.call("POST", "/sample", {"n_rows": 40, "seed": 7}, Authorization=f"Bearer {ann}")[1])
    assert found["grpc"]["age"] == found["http"]["age"] == rows["age"].tolist()
    assert found["grpc"]["region"] == found["http"]["region"] == rows["region"].tolist()
    assert sum(x != x for x in found["grpc"]["children"]) == rows["children"].isna().sum()
    assert found["errors"] == {
        "no key": "StatusCode.UNAUTHENTICATED", "a sampler loads": "StatusCode.PERMISSION_DENIED",
        "an admin loads": "", "no rows": "StatusCode.INVALID_ARGUMENT", "too many": "StatusCode.INVALID_ARGUMENT",
        "unknown model": "StatusCode.NOT_FOUND",
    }  # fmt: skip


def test_the_python_client(server: Running, keyed: tuple[Running, str, str]) -> None:
    client = Client(server.url)
    rows = client.sample(50, where={"age": {"max": 40}}, columns=["age", "joined"], seed=2)
    assert len(rows) == 50 and rows["age"].max() <= 40 and rows["joined"].dtype.kind == "M"
    assert rows.equals(Client(server.url).sample(50, where={"age": {"max": 40}}, columns=["age", "joined"], seed=2))
    assert [len(part) for part in client.stream(150_000)] == [65_536, 65_536, 18_928]
    with pytest.raises(ServerError, match="did you mean 'age'") as e:
        client.sample(1, where={"agee": 3})
    assert (e.value.status, e.value.field) == (400, "where.agee")
    assert client.model()["verdict"] == "PASS"
    with pytest.raises(ServerError) as e:
        Client(keyed[0].url, "us_wrong").sample(1)
    assert e.value.status == 401
    with pytest.raises(ServerError, match="can't be reached"):
        Client("http://127.0.0.1:9", retries=0).sample(1)


def test_a_client_that_goes_frees_the_server_and_is_logged(server: Running) -> None:
    client = Client(server.url)
    rows = client.stream(200_000)
    next(rows)
    rows.close()
    until(lambda: server.records()[-1]["status"] == 499)
    assert server.records()[-1]["reason"] == "the client went"
    until(lambda: server.metric("understudy_requests_in_progress") == 0)

"""A table in shards: seeds, identifiers, completeness, places."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import IO, Any

import pandas as pd
import pytest

from tests.registry import evidence
from understudy import tracking
from understudy.errors import ConfigError, PipelineError, RegistryError, StorageError, Untrusted
from understudy.places import put
from understudy.sampling_stages import Part, bounds, fetch, join_shards, sample_shard, shards


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return evidence(tmp_path_factory.mktemp("model")).model_dir


def whole(model: Path, out: Path, n_rows: int, n_shards: int, seed: int) -> pd.DataFrame:
    parts = [
        sample_shard(model_dir=model, out=str(out), shard=i, n_rows=n_rows, n_shards=n_shards, seed=seed).to_json()
        for i in reversed(shards(n_rows=n_rows, n_shards=n_shards))  # in any order
    ]
    join_shards(parts=parts, out=str(out), n_rows=n_rows, n_shards=n_shards, seed=seed)
    return pd.read_parquet(sorted(out.glob("*.parquet")))


def test_shards_make_one_table_which_follows_from_the_seed(model: Path, tmp_path: Path) -> None:
    a, b, c = (whole(model, tmp_path / n, 1001, 3, s) for n, s in (("a", 5), ("b", 5), ("c", 6)))
    assert len(a) == 1001
    pd.testing.assert_frame_equal(a, b)
    assert not a.equals(c)
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert manifest["n_rows"] == sum(p["rows"] for p in manifest["parts"]) == 1001
    assert [p["name"] for p in manifest["parts"]] == [f"part-{i:05d}-of-00003.parquet" for i in range(3)]
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["manifest.json", *(p["name"] for p in manifest["parts"])]


def test_shards_differ_and_their_identifiers_are_unique(model: Path, tmp_path: Path) -> None:
    table = whole(model, tmp_path / "x", 900, 3, 0)
    first, second = table[:300].reset_index(drop=True), table[300:600].reset_index(drop=True)
    assert not first.drop(columns="id", errors="ignore").equals(second.drop(columns="id", errors="ignore"))
    from understudy.generators.base import artifact_schema

    for column in artifact_schema(model).released:
        if not column.modelled:
            assert table[column.name].is_unique


def test_bounds_cover_all_rows_even_of_a_billion() -> None:
    for n_rows, n_shards in ((1_000_000_000, 977), (5, 8), (0, 3)):
        cut = [bounds(n_rows, n_shards, i) for i in range(n_shards)]
        assert cut[0][0] == 0 and cut[-1][1] == n_rows
        assert all(a[1] == b[0] for a, b in zip(cut, cut[1:], strict=False))
        sizes = {b - a for a, b in cut}
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("n_rows", "n_shards", "said"), [(-1, 1, "n_rows is -1"), (10, 0, "n_shards is 0"), (10, 10_001, "n_shards is 10001"), (10**10, 5, "n_rows is 10000000000")])
def test_numbers_that_cant_be(n_rows: int, n_shards: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        shards(n_rows=n_rows, n_shards=n_shards)


def test_a_shard_that_isnt_there(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="shard is 3; of 3 there are 0 to 2"):
        sample_shard(model_dir=model, out=str(tmp_path), shard=3, n_rows=9, n_shards=3, seed=0)


@pytest.mark.parametrize("kept", [[0, 1], [0, 1, 1], [0, 1, 2, 2], []])
def test_an_incomplete_table_has_no_manifest(tmp_path: Path, kept: list[int]) -> None:
    parts = [Part(i, f"part-{i}", 10, "", 0.0).to_json() for i in kept]
    with pytest.raises(PipelineError, match="of 3 shards"):
        join_shards(parts=parts, out=str(tmp_path), n_rows=30, n_shards=3, seed=0)
    assert not list(tmp_path.iterdir())


def test_fetch_takes_a_directory_or_a_version_and_checks_its_signature(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = tracking.local_uri(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    tracking.register_version(evidence(tmp_path / "e"), server)
    for source in (str(model), "models:/people@champion"):
        assert fetch(model_uri=source, model_dir=tmp_path / "m", tracking_uri=server) == {"generator": "independent"}
        assert (tmp_path / "m" / "generator.json").exists()
    with pytest.raises(RegistryError):
        fetch(model_uri="models:/nobody@champion", model_dir=tmp_path / "n", tracking_uri=server)
    from tests.supplychain.test_signing import KEY, public

    monkeypatch.setenv("UNDERSTUDY_PUBLIC_KEY", public(KEY))
    with pytest.raises(Untrusted, match="is not signed"):
        fetch(model_uri="models:/people@champion", model_dir=tmp_path / "n", tracking_uri=server)
    assert not (tmp_path / "n").exists()


@pytest.mark.parametrize("place", ["", "ftp://host/x", "https://host/x"])
def test_a_place_of_an_unknown_kind(place: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    with pytest.raises(ConfigError, match="no place to write to"):
        put(tmp_path / "f", place, "f")


def _chunks(stream: IO[bytes]) -> bytes:
    made = b""
    while n := int(stream.readline().split(b";")[0], 16):
        made += stream.read(n)
        stream.readline()
    return made


class Store(BaseHTTPRequestHandler):
    """As much of S3's REST API as storing an object takes: buckets, PUT, and uploads in parts."""

    objects: dict[str, bytes]
    parts: dict[str, list[bytes]]
    protocol_version = "HTTP/1.1"

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            content = _chunks(self.rfile)
            while self.rfile.readline() not in (b"\r\n", b""):  # trailers
                pass
        else:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "aws-chunked" in self.headers.get("Content-Encoding", ""):
            return _chunks(io.BytesIO(content))
        return content

    def do_HEAD(self) -> None:
        path = self.path.partition("?")[0]
        self.answer(200 if path.strip("/") == "bucket" or path in self.objects else 404)

    def do_GET(self) -> None:
        self.answer(200, b"<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>")

    def do_PUT(self) -> None:
        path, _, query = self.path.partition("?")
        content = self.body()
        if "denied" in path:
            self.answer(403, b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
            return
        if "partNumber" in query:
            self.parts.setdefault(path, []).append(content)
        else:
            self.objects[path] = content
        self.answer(200, ETag='"x"')

    def do_POST(self) -> None:
        path, _, query = self.path.partition("?")
        self.body()
        if "uploadId" in query:
            self.objects[path] = b"".join(self.parts.pop(path))
            self.answer(200, b"<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>")
        else:
            self.answer(200, b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def store() -> Iterator[tuple[str, dict[str, bytes]]]:
    handler = type("Handler", (Store,), {"objects": {}, "parts": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}", handler.objects  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


def test_parts_go_to_an_object_store(model: Path, tmp_path: Path, store: tuple[str, dict[str, bytes]]) -> None:
    host, objects = store
    out = f"s3://id:s3cret@bucket/big?scheme=http&endpoint_override={host}&region=us-east-1"
    part = sample_shard(model_dir=model, out=out, shard=1, n_rows=90, n_shards=3, seed=5)
    assert part.path == "s3://bucket/big/part-00001-of-00003.parquet", "without the credentials"
    (tmp_path / "got.parquet").write_bytes(objects["/bucket/big/part-00001-of-00003.parquet"])
    local = sample_shard(model_dir=model, out=str(tmp_path), shard=1, n_rows=90, n_shards=3, seed=5)
    assert local.sha256 == part.sha256
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "got.parquet"), pd.read_parquet(local.path))


def test_an_object_store_that_refuses_is_one_line(tmp_path: Path, store: tuple[str, dict[str, bytes]]) -> None:
    host, _ = store
    (tmp_path / "f").write_text("x")
    out = f"s3://id:s3cret@bucket/denied?scheme=http&endpoint_override={host}&region=us-east-1"
    with pytest.raises(StorageError, match="s3://bucket/denied/f: can't be written") as caught:
        put(tmp_path / "f", out, "f")
    assert "s3cret" not in str(caught.value)

"""A model that is registered where a key is configured is signed, and only then."""

from __future__ import annotations

import json
from pathlib import Path

import mlflow
import pytest
from typer.testing import CliRunner

from tests.registry import evidence
from tests.supplychain.test_signing import KEY, OTHER, private, public
from understudy import tracking
from understudy.cli import app
from understudy.errors import Untrusted
from understudy.supplychain import ATTESTATION, keys, verify_artifact


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking.local_uri(tmp_path))
    return tracking.local_uri(tmp_path)


def test_a_configured_key_signs_what_is_registered(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = evidence(tmp_path / "first")
    plain = tracking.register_version(first, server)
    with pytest.raises(Untrusted, match="is not signed"):
        verify_artifact(tracking.load_registered("models:/people/1", server), public(KEY))

    (tmp_path / "key.pem").write_text(private(KEY))
    monkeypatch.setenv("UNDERSTUDY_SIGNING_KEY_FILE", str(tmp_path / "key.pem"))
    second = evidence(tmp_path / "second", seed=1)
    before = second.key
    signed = tracking.register_version(second, server)
    assert (plain.version, signed.version) == (1, 2)
    assert second.key == before and not (second.model_dir / ATTESTATION).exists(), "the evidence stays as it was"
    assert tracking.register_version(second, server).version == 2, "registered again, it is the same version"

    directory = tracking.load_registered("models:/people/2", server)
    found = verify_artifact(directory, public(KEY))
    assert (found.verdict, found.invocation, found.data_md5) == ("PASS", second.key, second.data_md5)
    client = mlflow.MlflowClient(server, server)
    assert client.get_model_version("people", "2").tags["signature.keyid"] == keys.key_id(KEY.public_key())
    assert "signature.keyid" not in client.get_model_version("people", "1").tags

    (tmp_path / "key.pub").write_text(public(KEY))
    (tmp_path / "other.pub").write_text(public(OTHER))
    run = CliRunner()
    shown = run.invoke(app, ["verify", "models:/people/2", "--public-key", str(tmp_path / "key.pub"), "--json"])
    assert shown.exit_code == 0 and json.loads(shown.stdout)["verdict"] == "PASS"
    refused = run.invoke(app, ["verify", "models:/people/2", "--public-key", str(tmp_path / "other.pub")])
    assert isinstance(refused.exception, Untrusted)


def test_sign_and_verify_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, run = evidence(tmp_path / "made"), CliRunner()
    for name in ("UNDERSTUDY_SIGNING_KEY", "UNDERSTUDY_SIGNING_KEY_FILE", "UNDERSTUDY_PUBLIC_KEY"):
        monkeypatch.delenv(name, raising=False)
    without = run.invoke(app, ["sign", str(made.model_dir)])
    assert "no key to sign with" in str(without.exception)
    missing = run.invoke(app, ["sign", str(made.model_dir), "--key", str(tmp_path / "none.pem")])
    assert "can't be read" in str(missing.exception)
    monkeypatch.setenv("UNDERSTUDY_SIGNING_KEY", private(KEY))
    signed = run.invoke(app, ["sign", str(made.model_dir), "--audit", str(made.audit / "audit.json"), "--json"])
    assert signed.exit_code == 0 and json.loads(signed.stdout)["verdict"] == "PASS"
    monkeypatch.setenv("UNDERSTUDY_PUBLIC_KEY", public(KEY))
    assert run.invoke(app, ["verify", str(made.model_dir)]).exit_code == 0
    registered = run.invoke(app, ["sign", "models:/people/1"])
    assert "stays as it is" in str(registered.exception)

"""A server that has a public key serves only what was signed with it, as it was signed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.registry import evidence
from understudy.errors import Untrusted
from understudy.evidence import Evidence
from understudy.serving.served import Served, find_source
from understudy.supplychain import Provenance, sign_artifact
from understudy.tracking import connected, local_uri, register_version

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    return evidence(tmp_path_factory.mktemp("made"))


@pytest.fixture
def model(made: Evidence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A signed artifact, in an environment that trusts its key."""
    trusted = tmp_path / "signing.pub"
    trusted.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    monkeypatch.setenv("UNDERSTUDY_PUBLIC_KEY_FILE", str(trusted))
    shutil.copytree(made.model_dir, tmp_path / "model")
    sign_artifact(tmp_path / "model", KEY, Provenance.of_evidence(made))
    return tmp_path / "model"


def served(model: Path) -> Served:
    return find_source(str(model), "").load(allow_unaudited=True)


def test_a_signed_model_is_served(model: Path) -> None:
    assert served(model).facts.generator == "independent"


def test_an_unsigned_model_is_refused_only_where_a_key_is_configured(
    made: Evidence, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Untrusted, match="is not signed"):
        served(made.model_dir)
    monkeypatch.delenv("UNDERSTUDY_PUBLIC_KEY_FILE")
    assert served(made.model_dir).facts.generator == "independent"


def test_changed_weights_are_refused(model: Path) -> None:
    weights = model / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(Untrusted, match=r"weights.safetensors was changed"):
        served(model)


def test_a_registered_version_must_have_the_schema_that_the_registry_names(
    made: Evidence, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    monkeypatch.setenv("UNDERSTUDY_SIGNING_KEY", pem.decode())
    uri = local_uri(tmp_path)
    version = register_version(made, uri)
    source = find_source(f"models:/{version.name}@champion", uri)
    assert source.load(allow_unaudited=False).facts.schema_sha256 == made.schema.sha256()
    with connected(uri) as client:
        client.set_model_version_tag(version.name, str(version.version), "schema.sha256", "0" * 64)
    with pytest.raises(Untrusted, match="not the expected one"):
        source.load(allow_unaudited=False)

"""A server that has a public key serves only what was signed with it, as it was signed; so does the wrapper for Seldon
Core v1, whose class needs nothing of Seldon's to load a generator."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.registry import evidence
from understudy.errors import ArtifactError, ConfigError, Rejected, Untrusted
from understudy.evidence import Evidence
from understudy.serving.seldon import SyntheticSampler
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


def change_schema(model: Path) -> None:
    """Rename a column in the artifact's own schema."""
    manifest = json.loads((model / "generator.json").read_text())
    manifest["schema"]["columns"][0]["name"] = "renamed"
    (model / "generator.json").write_text(json.dumps(manifest))


def change_weights(model: Path) -> None:
    """Flip a bit."""
    weights = model / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)


def sign_by_another(model: Path) -> None:
    sign_artifact(model, Ed25519PrivateKey.generate(), Provenance.of_directory(model))


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


REFUSED: list[tuple[Callable[[Path], object], str]] = [
    (lambda model: (model / "attestation.dsse.json").unlink(), r"is not signed \(attestation.dsse.json is missing\)"),
    (change_weights, "tampered with: weights.safetensors was changed since it was signed"),
    (change_schema, "its schema was changed since it was signed"),
    (sign_by_another, "is signed with another key"),
    (lambda model: (model / "rows.csv").touch(), "holds 'rows.csv', which its signature doesn't cover"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED, ids=["unsigned", "weights", "schema", "key", "more"])
@pytest.mark.parametrize("server", ["understudy", "seldon"])
def test_what_isnt_as_it_was_signed_is_refused_with_a_message_of_its_own(
    model: Path, server: str, change: Callable[[Path], object], message: str
) -> None:
    change(model)
    wrapper = SyntheticSampler(str(model))
    with pytest.raises(Untrusted, match=message) as caught:
        served(model) if server == "understudy" else wrapper.load()
    assert "\n" not in str(caught.value)
    assert sum(re.search(m, str(caught.value)) is not None for _, m in REFUSED) == 1
    with pytest.raises(ArtifactError, match="isn't loaded yet"):
        wrapper.health_status()


@pytest.mark.parametrize("verdict", ["PASS", "FAIL", "INCONCLUSIVE", ""])
def test_the_signed_verdict_is_that_of_a_directory_without_another(made: Evidence, model: Path, verdict: str) -> None:
    """As Seldon Core 2 gets it: a folder of the object store, with nothing beside the artifact."""
    sign_artifact(model, KEY, dataclasses.replace(Provenance.of_evidence(made), verdict=verdict))
    source = find_source(str(model), "")
    if verdict == "PASS":
        assert source.load(allow_unaudited=False).facts.verdict == "PASS"
    else:
        with pytest.raises(Rejected, match=f"verdict is {verdict or 'unaudited'}, not PASS"):
            source.load(allow_unaudited=False)


def test_a_verdict_beside_it_makes_no_pass_of_what_was_signed(made: Evidence, model: Path) -> None:
    sign_artifact(model, KEY, dataclasses.replace(Provenance.of_evidence(made), verdict="FAIL"))
    (model.parent / "audit").mkdir()
    (model.parent / "audit" / "audit.json").write_text(json.dumps({"verdict": "PASS", "reasons": []}))
    with pytest.raises(Rejected, match="verdict is FAIL, not PASS"):
        find_source(str(model), "").load(allow_unaudited=False)


def test_an_unsigned_verdict_is_nobodys(made: Evidence, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNDERSTUDY_PUBLIC_KEY_FILE")
    with pytest.raises(Rejected, match="verdict is unaudited"):
        find_source(str(model), "").load(allow_unaudited=False)


def test_seldons_wrapper_loads_what_is_signed(model: Path) -> None:
    wrapper = SyntheticSampler(str(model))
    wrapper.load()
    assert wrapper.health_status().startswith("independent: ")
    assert wrapper.tags()["generator"] == "independent"


def test_seldons_wrapper_asks_for_a_signature_only_where_a_key_is_configured(
    made: Evidence, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Untrusted, match="is not signed"):
        SyntheticSampler(str(made.model_dir)).load()
    monkeypatch.setenv("UNDERSTUDY_PUBLIC_KEY", "no key at all")
    with pytest.raises(ConfigError, match="UNDERSTUDY_PUBLIC_KEY|public key"):
        SyntheticSampler(str(model)).load()
    monkeypatch.delenv("UNDERSTUDY_PUBLIC_KEY")
    monkeypatch.delenv("UNDERSTUDY_PUBLIC_KEY_FILE")
    wrapper = SyntheticSampler(str(made.model_dir))
    wrapper.load()
    assert wrapper.health_status()


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

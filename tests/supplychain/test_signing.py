"""Signed artifacts: what is signed, and every way in which one can fail to be what was signed."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.registry import evidence
from understudy.errors import ArtifactError, ConfigError, Untrusted
from understudy.evidence import Evidence
from understudy.generators import load
from understudy.provenance import file_sha256, tree_sha256
from understudy.supplychain import (
    ATTESTATION,
    SBOM,
    Provenance,
    configured_verification,
    envelope,
    keys,
    sign_artifact,
    verify_artifact,
)
from understudy.supplychain.sbom import closure

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


def public(key: Any) -> str:
    return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def private(key: Any) -> str:
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    return evidence(tmp_path_factory.mktemp("made"))


@pytest.fixture
def model(made: Evidence, tmp_path: Path) -> Path:
    """A signed artifact."""
    shutil.copytree(made.model_dir, tmp_path / "model")
    sign_artifact(tmp_path / "model", KEY, Provenance.of_evidence(made))
    return tmp_path / "model"


def statement(model: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(base64.b64decode(json.loads((model / ATTESTATION).read_text())["payload"]))
    return content


def test_a_signed_artifact_verifies_and_loads_as_before(made: Evidence, model: Path) -> None:
    found = verify_artifact(model, public(KEY))
    assert (found.generator, found.verdict, found.data_md5, found.code_commit) == ("independent", "PASS", made.data_md5, "abc")
    assert found.schema_sha256 == made.schema.sha256()
    assert found.key_id == keys.key_id(KEY.public_key())
    assert verify_artifact(model, public(OTHER) + public(KEY)).key_id == found.key_id, "one of several keys will do"
    a, b = (load(d).sample(50, rng=np.random.default_rng(0)) for d in (made.model_dir, model))
    assert a.equals(b)


def test_the_statement_is_in_toto_with_slsa_provenance(made: Evidence, model: Path) -> None:
    s = statement(model)
    assert (s["_type"], s["predicateType"]) == ("https://in-toto.io/Statement/v1", "https://slsa.dev/provenance/v1")
    named = {x["name"]: x["digest"]["sha256"] for x in s["subject"]}
    assert named == {n: file_sha256(model / n) for n in ("generator.json", "weights.safetensors", SBOM)}
    build, run = s["predicate"]["buildDefinition"], s["predicate"]["runDetails"]
    assert {"name": "data", "digest": {"md5": made.data_md5}} in build["resolvedDependencies"]
    assert {"name": "code", "digest": {"gitCommit": "abc"}} in build["resolvedDependencies"]
    assert build["internalParameters"]["audit.verdict"] == "PASS"
    assert run["byproducts"] == [{"name": "audit.json", "digest": {"sha256": file_sha256(made.audit / "audit.json")}}]
    assert run["metadata"]["invocationId"] == made.key
    assert "split_seed" not in json.dumps(s), "with the table, it would tell who the members are"


def test_signing_again_gives_the_same_bytes(made: Evidence, model: Path) -> None:
    before = tree_sha256(model)
    sign_artifact(model, KEY, Provenance.of_evidence(made))
    assert tree_sha256(model) == before


def change(model: Path, name: str, old: str, new: str) -> None:
    text = (model / name).read_text()
    assert old in text
    (model / name).write_text(text.replace(old, new, 1))


def flip(model: Path, name: str) -> None:
    content = bytearray((model / name).read_bytes())
    content[-1] ^= 1
    (model / name).write_bytes(bytes(content))


def rewrite(model: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """Change the statement as one without the key can: its signature stays."""
    sealed, content = json.loads((model / ATTESTATION).read_text()), statement(model)
    edit(content)
    sealed["payload"] = base64.b64encode(json.dumps(content).encode()).decode()
    (model / ATTESTATION).write_text(json.dumps(sealed))


def resign(model: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    content = statement(model)
    edit(content)
    (model / ATTESTATION).write_text(envelope.seal(content, KEY))


TAMPERED = {
    "unsigned": (lambda m: (m / ATTESTATION).unlink(), "is not signed"),
    "weights": (lambda m: flip(m, "weights.safetensors"), "tampered with: weights.safetensors was changed"),
    "manifest": (lambda m: change(m, "generator.json", '"min_units": 11', '"min_units": 1'), "tampered with: generator.json"),
    "no manifest": (lambda m: (m / "generator.json").unlink(), "tampered with: .*generator.json is missing"),
    "bill": (lambda m: change(m, SBOM, "numpy", "nunpy"), f"tampered with: {SBOM} was changed"),
    "no bill": (lambda m: (m / SBOM).unlink(), f"tampered with: {SBOM} is missing"),
    "schema": (lambda m: change(m, "generator.json", '"age"', '"agf"'), "its schema was changed since it was signed"),
    "more": (lambda m: (m / "run.py").write_text("x"), "holds 'run.py', which its signature doesn't cover"),
    "verdict": (lambda m: rewrite(m, lambda s: s["predicate"]["buildDefinition"]["internalParameters"].update({"audit.verdict": "FAIL"})), "its attestation was changed"),
    "no envelope": (lambda m: (m / ATTESTATION).write_text("{"), "its attestation is damaged"),
    "no base64": (lambda m: (m / ATTESTATION).write_text('{"payload": "§", "payloadType": "x", "signatures": []}'), "its attestation is damaged"),
    "no signature": (lambda m: change(m, ATTESTATION, '"signatures"', '"signature"'), "its attestation is damaged"),
    "kind": (lambda m: resign(m, lambda s: s.update(predicateType="x")), "of a kind that this version doesn't know"),
    "no provenance": (lambda m: resign(m, lambda s: s.update(predicate=None)), "of a kind that this version doesn't know"),
    "less": (lambda m: resign(m, lambda s: s["subject"].pop()), "doesn't cover weights.safetensors"),
    "elsewhere": (lambda m: resign(m, lambda s: s["subject"].append({"name": "../x", "digest": {"sha256": ""}})), "doesn't cover ../x"),
}  # fmt: skip


@pytest.mark.parametrize("case", TAMPERED)
def test_each_way_of_tampering_has_its_own_message(model: Path, case: str) -> None:
    tamper, said = TAMPERED[case]
    tamper(model)
    with pytest.raises(Untrusted, match=said) as caught:
        verify_artifact(model, public(KEY))
    assert isinstance(caught.value, ArtifactError) and caught.value.exit_code == 1
    assert "\n" not in str(caught.value)


def test_another_key_is_told_from_tampering(model: Path) -> None:
    with pytest.raises(Untrusted, match="signed with another key"):
        verify_artifact(model, public(OTHER))


def test_a_key_that_only_claims_the_trusted_name_is_found_out(model: Path) -> None:
    sealed = json.loads(envelope.seal(statement(model), OTHER))
    sealed["signatures"][0]["keyid"] = keys.key_id(KEY.public_key())
    (model / ATTESTATION).write_text(json.dumps(sealed))
    with pytest.raises(Untrusted, match="its attestation was changed"):
        verify_artifact(model, public(KEY))


def test_a_schema_that_callers_dont_expect_is_refused(made: Evidence, model: Path) -> None:
    verify_artifact(model, public(KEY), schema_sha256=made.schema.sha256())
    with pytest.raises(Untrusted, match="is not the expected one"):
        verify_artifact(model, public(KEY), schema_sha256="0" * 64)


def test_serving_verifies_only_where_it_is_told_whom_to_trust(
    model: Path, made: Evidence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("UNDERSTUDY_PUBLIC_KEY", "UNDERSTUDY_PUBLIC_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    assert configured_verification(made.model_dir) is None
    monkeypatch.setenv("UNDERSTUDY_PUBLIC_KEY", public(KEY))
    with pytest.raises(Untrusted, match="is not signed"):
        configured_verification(made.model_dir)
    (tmp_path / "key.pub").write_text(public(KEY))
    monkeypatch.delenv("UNDERSTUDY_PUBLIC_KEY")
    monkeypatch.setenv("UNDERSTUDY_PUBLIC_KEY_FILE", str(tmp_path / "key.pub"))
    found = configured_verification(model)
    assert found is not None and found.verdict == "PASS"


@pytest.mark.parametrize(
    ("pem", "said"),
    [
        ("nonsense", "no PEM"),
        (private(KEY), "no ed25519 key but private key"),
        (public(generate_private_key(65537, 2048)), "no ed25519 key but public key"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "no ed25519 key"),
    ],
)
def test_a_public_key_that_is_none_is_bad_input(model: Path, pem: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        verify_artifact(model, pem)


@pytest.mark.parametrize("pem", ["nonsense", public(KEY), private(generate_private_key(65537, 2048))])
def test_a_signing_key_that_is_none_is_bad_input_and_is_not_shown(pem: str) -> None:
    with pytest.raises(ConfigError, match="no unencrypted ed25519 key") as caught:
        keys.private_key(pem)
    assert not pem[30:60] or pem[30:60] not in str(caught.value)


def test_a_directory_without_a_generator_is_not_signed(tmp_path: Path, made: Evidence) -> None:
    with pytest.raises(ArtifactError, match="no whole generator here"):
        sign_artifact(tmp_path, KEY, Provenance.of_evidence(made))
    assert not list(tmp_path.iterdir())


def test_the_bill_is_cyclonedx_and_names_what_made_the_generator(model: Path) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = (model / SBOM).read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    subject = bill["metadata"]["component"]
    assert subject["type"] == "machine-learning-model"
    assert {p["value"] for p in subject["properties"]} == {file_sha256(model / n) for n in ("generator.json", "weights.safetensors")}
    parts = {c["name"]: c["version"] for c in bill["components"]}
    assert parts["numpy"] == np.__version__
    assert {"understudy", "torch", "pandas", "python-dateutil"} <= set(parts), "what is needed by what is needed, too"
    needed = {d["ref"]: d.get("dependsOn", []) for d in bill["dependencies"]}
    assert any(r.startswith("pkg:pypi/numpy@") for r in needed[f"pkg:pypi/pandas@{parts['pandas']}"])


def test_a_closure_holds_all_that_is_needed() -> None:
    found = closure("pandas")
    assert {"pandas", "numpy", "python-dateutil", "six"} <= set(found)
    assert "pytest" not in found, "extras are not needed"


def test_openssl_finds_the_same_signature_good(model: Path, tmp_path: Path) -> None:
    """Another implementation, and the encoding by the DSSE specification's words alone."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    sealed = json.loads((model / ATTESTATION).read_text())
    body = base64.b64decode(sealed["payload"])
    kind = sealed["payloadType"].encode()
    (tmp_path / "message").write_bytes(b" ".join([b"DSSEv1", str(len(kind)).encode(), kind, str(len(body)).encode(), body]))
    (tmp_path / "signature").write_bytes(base64.b64decode(sealed["signatures"][0]["sig"]))
    (tmp_path / "key").write_text(public(KEY))
    command = "openssl pkeyutl -verify -pubin -inkey key -rawin -in message -sigfile signature"
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

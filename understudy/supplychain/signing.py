"""Sign an artifact directory, and verify one before it is loaded."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from understudy.errors import ArtifactError, Untrusted
from understudy.evidence import Evidence
from understudy.files import write_text
from understudy.generators.base import MANIFEST, WEIGHTS, artifact_schema
from understudy.provenance import file_sha256
from understudy.supplychain import envelope, keys
from understudy.supplychain.sbom import sbom
from understudy.supplychain.statement import Provenance

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ATTESTATION, SBOM = "attestation.dsse.json", "sbom.cdx.json"
COVERED = (MANIFEST, WEIGHTS, SBOM)
"""Files that a statement must name."""


def sign_artifact(model_dir: str | Path, key: Ed25519PrivateKey, provenance: Provenance) -> Path:
    """Write the SBOM and the signed statement into an artifact directory; the attestation's path.

    Signing again replaces both. Raises ArtifactError for a directory without a generator or with other files.
    """
    root = Path(model_dir)
    digests = {name: file_sha256(root / name) for name in (MANIFEST, WEIGHTS) if (root / name).is_file()}
    if len(digests) < 2:
        raise ArtifactError(f"{root}: no whole generator here; give the directory that `understudy fit` wrote")
    if strange := _strange(root):
        raise ArtifactError(f"{root}: holds {strange[0]!r}, which is no part of a generator; move it away, then sign")
    write_text(root / SBOM, sbom(provenance.generator, digests))
    digests[SBOM] = file_sha256(root / SBOM)
    write_text(root / ATTESTATION, envelope.seal(provenance.statement(digests), key))
    return root / ATTESTATION


def verify_artifact(model_dir: str | Path, public_key: str, *, schema_sha256: str = "") -> Provenance:
    """What the signed statement says of an artifact whose every file is as it was signed.

    `public_key`: PEM, of one key or several, any of which may have signed. `schema_sha256`: the schema that callers
    rely on, if any. Raises Untrusted, an ArtifactError, with a message of its own for each: not signed, signed with
    another key, tampered with, changed schema, a file that isn't covered; ConfigError for a key that is none.
    """
    root, trusted = Path(model_dir), keys.public_keys(public_key)
    try:
        text = (root / ATTESTATION).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise Untrusted(f"{root}: is not signed ({ATTESTATION} is missing); sign it with `understudy sign`") from None
    statement, key_id = envelope.unseal(text, trusted, str(root))
    try:
        provenance, digests = Provenance.read(statement, key_id)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Untrusted(f"{root}: its attestation is of a kind that this version doesn't know; sign it again") from None
    _check_schema(root, provenance, schema_sha256)
    for name in sorted({*COVERED, *digests}):
        if name not in digests or Path(name).name != name:
            raise Untrusted(f"{root}: its attestation doesn't cover {name}; sign it again")
        if not (root / name).is_file():
            raise Untrusted(f"{root}: tampered with: {name} is missing; fetch it anew")
        if file_sha256(root / name) != digests[name]:
            raise Untrusted(f"{root}: tampered with: {name} was changed since it was signed; fetch it anew")
    if strange := _strange(root):
        raise Untrusted(f"{root}: holds {strange[0]!r}, which its signature doesn't cover; fetch it anew")
    return provenance


def configured_verification(model_dir: str | Path, *, schema_sha256: str = "") -> Provenance | None:
    """Verify an artifact where UNDERSTUDY_PUBLIC_KEY or UNDERSTUDY_PUBLIC_KEY_FILE says whom to trust; None where
    neither is set. Raises as `verify_artifact`."""
    trusted = keys.configured(keys.PUBLIC)
    return verify_artifact(model_dir, trusted, schema_sha256=schema_sha256) if trusted else None


@contextmanager
def signed_copy(evidence: Evidence) -> Iterator[tuple[Path, dict[str, str]]]:
    """The artifact to register and tags of its version: a signed copy where UNDERSTUDY_SIGNING_KEY or
    UNDERSTUDY_SIGNING_KEY_FILE gives a key, else the artifact itself and none."""
    pem = keys.configured(keys.PRIVATE)
    if not pem:
        yield evidence.model_dir, {}
        return
    key = keys.private_key(pem)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / evidence.model_dir.name
        shutil.copytree(evidence.model_dir, copy)
        sign_artifact(copy, key, Provenance.of_evidence(evidence))
        yield copy, {"signature.keyid": keys.key_id(key.public_key())}


def _check_schema(root: Path, provenance: Provenance, expected: str) -> None:
    try:
        present = artifact_schema(root).sha256()
    except ArtifactError as e:
        raise Untrusted(f"tampered with: {e}") from None
    if present != provenance.schema_sha256:
        raise Untrusted(f"{root}: its schema was changed since it was signed; fetch it anew")
    if expected and present != expected:
        raise Untrusted(f"{root}: its schema ({present[:12]}) is not the expected one ({expected[:12]})")


def _strange(root: Path) -> Sequence[str]:
    """Names of what is no part of an artifact."""
    return sorted(p.name for p in root.iterdir() if p.name not in (*COVERED, ATTESTATION))

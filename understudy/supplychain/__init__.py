"""What a generator was made of and by whom, signed: SBOM, provenance, verification before it is loaded.

A signed artifact has two files more, which loading doesn't read: `sbom.cdx.json` (CycloneDX, what software made it)
and `attestation.dsse.json` (an in-toto statement with SLSA provenance: digests of every file, data, code, audit
verdict; in a DSSE envelope, signed with ed25519). Whoever has the public key can tell whether the weights, the schema
or the verdict were changed since.
"""

from understudy.supplychain.signing import (
    ATTESTATION,
    SBOM,
    configured_verification,
    sign_artifact,
    signed_copy,
    verify_artifact,
)
from understudy.supplychain.statement import Provenance

__all__ = [
    "ATTESTATION", "SBOM", "Provenance", "configured_verification", "sign_artifact", "signed_copy", "verify_artifact",
]  # fmt: skip

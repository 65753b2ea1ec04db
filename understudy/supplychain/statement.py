"""The statement that is signed: an in-toto statement (v1) with SLSA provenance (v1).

https://in-toto.io/Statement/v1 and https://slsa.dev/spec/v1.0/provenance. It has no time in it, so that a model that
is registered again after a kill is signed with the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understudy import __version__
from understudy.evidence import Evidence, read_verdict
from understudy.generators.base import artifact_schema, read_manifest
from understudy.provenance import file_sha256

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:understudy:build:training:v1"
BUILDER = "urn:understudy:builder"


@dataclass(frozen=True)
class Provenance:
    """Where a generator comes from.

    Attributes:
        generator: its name.
        schema_sha256: of the table's schema that the artifact holds.
        verdict: the audit's; "" where it was not audited.
        data_md5, code_commit: "" where unknown.
        parameters: what the run was asked for.
        audit_sha256: of audit.json; "" where there is none.
        invocation: the run's key in the registry; "" outside one.
        key_id: the key that signed, on what was verified.
    """

    generator: str
    schema_sha256: str
    verdict: str = ""
    data_md5: str = ""
    code_commit: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    audit_sha256: str = ""
    invocation: str = ""
    key_id: str = ""

    @classmethod
    def of_evidence(cls, evidence: Evidence) -> Provenance:
        return cls(
            generator=evidence.generator,
            schema_sha256=artifact_schema(evidence.model_dir).sha256(),
            verdict=evidence.verdict,
            data_md5=evidence.data_md5,
            code_commit=evidence.code_commit,
            parameters=evidence.parameters,
            audit_sha256=file_sha256(evidence.audit / "audit.json"),
            invocation=evidence.key,
        )

    @classmethod
    def of_directory(
        cls, model_dir: Path, *, audit: Path | None = None, data_md5: str = "", code_commit: str = ""
    ) -> Provenance:
        """Of an artifact outside the pipeline; `audit` is an audit.json. Raises ArtifactError."""
        manifest = read_manifest(model_dir)
        return cls(
            generator=str(manifest["name"]),
            schema_sha256=artifact_schema(model_dir).sha256(),
            verdict=read_verdict(audit) if audit else "",
            data_md5=data_md5,
            code_commit=code_commit,
            parameters={"generator": {"name": manifest["name"], "config": manifest["config"]}},
            audit_sha256=file_sha256(audit) if audit else "",
        )

    def statement(self, digests: Mapping[str, str]) -> dict[str, Any]:
        """The statement about files by name and sha256."""
        sources = (("data", "md5", self.data_md5), ("code", "gitCommit", self.code_commit))
        internal = {"generator.name": self.generator, "schema.sha256": self.schema_sha256}
        if self.verdict:
            internal["audit.verdict"] = self.verdict
        audit = [{"name": "audit.json", "digest": {"sha256": self.audit_sha256}}] if self.audit_sha256 else []
        return {
            "_type": STATEMENT,
            "subject": [{"name": n, "digest": {"sha256": d}} for n, d in sorted(digests.items())],
            "predicateType": PREDICATE,
            "predicate": {
                "buildDefinition": {
                    "buildType": BUILD_TYPE,
                    "externalParameters": dict(self.parameters),
                    "internalParameters": internal,
                    "resolvedDependencies": [{"name": n, "digest": {k: d}} for n, k, d in sources if d],
                },
                "runDetails": {
                    "builder": {"id": BUILDER, "version": {"understudy": __version__}},
                    **({"metadata": {"invocationId": self.invocation}} if self.invocation else {}),
                    **({"byproducts": audit} if audit else {}),
                },
            },
        }

    @classmethod
    def read(cls, statement: Mapping[str, Any], key_id: str) -> tuple[Provenance, dict[str, str]]:
        """The provenance and the digests in a statement. Raises KeyError, TypeError or ValueError for another kind."""
        if statement["_type"] != STATEMENT or statement["predicateType"] != PREDICATE:
            raise ValueError(statement["_type"])
        build, run = statement["predicate"]["buildDefinition"], statement["predicate"]["runDetails"]
        internal = build["internalParameters"]
        sources = {s["name"]: next(iter(s["digest"].values())) for s in build["resolvedDependencies"]}
        audit = {b["name"]: b["digest"]["sha256"] for b in run.get("byproducts", [])}
        made = cls(
            generator=internal["generator.name"],
            schema_sha256=internal["schema.sha256"],
            verdict=internal.get("audit.verdict", ""),
            data_md5=sources.get("data", ""),
            code_commit=sources.get("code", ""),
            parameters=build["externalParameters"],
            audit_sha256=audit.get("audit.json", ""),
            invocation=run.get("metadata", {}).get("invocationId", ""),
            key_id=key_id,
        )
        return made, {s["name"]: s["digest"]["sha256"] for s in statement["subject"]}

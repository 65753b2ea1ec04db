"""A model that is served: the generator, where it came from, what its audit said."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from understudy.errors import ArtifactError, Rejected
from understudy.evidence import PASS, SIGNED_OFF_BY, Registration, is_signed_off, read_verdict
from understudy.generators.base import MANIFEST, Generator, load
from understudy.registered import REGISTERED, RegisteredVersion, Registry
from understudy.schema import TableSchema
from understudy.supplychain import configured_verification

UNAUDITED = "unaudited"
REFERENCE_ROWS, REFERENCE_SEED = 5000, 0


@dataclass(frozen=True)
class Source:
    """Where a model comes from: a directory, or a version in the registry."""

    uri: str
    registry: Registry | None = None

    def fingerprint(self) -> str:
        """What changes when there is another model here. Raises RegistryError or ArtifactError."""
        if self.registry is not None:
            return self.registry.version(self.uri).version
        try:
            found = (Path(self.uri) / MANIFEST).stat()
        except OSError as e:
            raise ArtifactError(f"{self.uri}: no generator here ({e.strerror}); give its directory") from None
        return f"{found.st_mtime_ns}.{found.st_ino}"

    def load(self, *, allow_unaudited: bool) -> Served:
        """Read the model from disk. Raises ArtifactError or RegistryError for one that is missing or damaged, Rejected
        for one whose audit is not PASS unless `allow_unaudited`; Untrusted, where a public key is configured, for one
        that isn't as it was signed."""
        if self.registry is not None:
            found = self.registry.version(self.uri)
            return _admitted(self.registry.directory(found), _tagged(found), allow_unaudited)
        return _admitted(Path(self.uri), _beside(Path(self.uri)), allow_unaudited)


@dataclass(frozen=True)
class Facts:
    """What the server tells about its model; "" and None where unknown. `signed_off`: a person took the INCONCLUSIVE
    `verdict` upon them."""

    name: str
    version: str
    verdict: str
    signed_off: bool = False
    generator: str = ""
    schema_sha256: str = ""
    data_md5: str = ""
    epsilon: float | None = None
    delta: float | None = None
    understudy: str = ""


@dataclass(frozen=True)
class Served:
    """A loaded generator and its facts."""

    generator: Generator
    facts: Facts

    @property
    def schema(self) -> TableSchema:
        return self.generator.schema

    def reference(self) -> pd.DataFrame:
        """A sample that is the same whenever this version is loaded, to compare others with."""
        return self.generator.sample(REFERENCE_ROWS, rng=np.random.default_rng(REFERENCE_SEED))


def find_source(model: str, tracking_uri: str) -> Source:
    """The source that a command line names. Raises RegistryError where "" isn't one model with a champion."""
    if model and not model.startswith(REGISTERED):
        return Source(model)
    registry = Registry(tracking_uri)
    return Source(model or f"{REGISTERED}{registry.only_champion()}@champion", registry)


def _admitted(directory: Path, facts: Mapping[str, Any], allow_unaudited: bool) -> Served:
    facts = dict(facts)
    signed = configured_verification(directory, schema_sha256=str(facts.get("schema_sha256", "")))
    if signed and signed.verdict and facts["verdict"] in (PASS, UNAUDITED):
        facts["verdict"] = signed.verdict  # where nobody here says; and a tag can't turn what was signed into a PASS
    signed_off = is_signed_off(facts["verdict"], facts.pop("signed_off_by", ""))
    if facts["verdict"] != PASS and not signed_off and not allow_unaudited:
        raise Rejected(
            f"model {facts['name']} version {facts['version']}: its audit's verdict is {facts['verdict']}, not PASS;"
            " serve one that passed or was signed off, or give --allow-unaudited"
        )
    from understudy.generators.base import read_manifest

    generator = load(directory)
    generator.sample(1, rng=np.random.default_rng(0))  # a model that loads and can't draw is refused here
    known = {
        "signed_off": signed_off,
        "generator": generator.name,
        "schema_sha256": generator.schema.sha256(),
        "understudy": str(read_manifest(directory).get("versions", {}).get("understudy", "")),
    }
    return Served(generator, Facts(**{**facts, **known}))


def _tagged(found: RegisteredVersion) -> dict[str, Any]:
    tags = found.tags
    return {
        "name": found.name, "version": found.version, "verdict": tags.get("audit.verdict", UNAUDITED),
        "schema_sha256": tags.get("schema.sha256", ""), "data_md5": tags.get("data.md5", ""),
        "epsilon": _number(tags.get("dp.epsilon")), "delta": _number(tags.get("dp.delta")),
        "signed_off_by": tags.get(SIGNED_OFF_BY, ""),
    }  # fmt: skip


def _beside(directory: Path) -> dict[str, Any]:
    """What the pipeline's results beside a directory say about it."""
    import json

    root = directory.resolve().parent
    name, verdict, version = directory.resolve().name, UNAUDITED, _version(directory)
    try:
        record = json.loads((root / "run.json").read_text(encoding="utf-8"))
        mine = record["paths"]["model"] == name
        if mine:
            verdict = str(record["verdict"])
            name = str(Registration(**record["registration"]).name)
    except (OSError, ValueError, KeyError, TypeError):
        if (root / "audit" / "audit.json").exists():
            verdict = read_verdict(root / "audit" / "audit.json")
    return {"name": name, "version": version, "verdict": verdict}


def _version(directory: Path) -> str:
    """Of a directory: the start of its manifest's hash, which covers the weights too."""
    try:
        return hashlib.sha256((directory / MANIFEST).read_bytes()).hexdigest()[:12]
    except OSError:
        return ""  # `load` says what is wrong


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None

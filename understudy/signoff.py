"""Sign-off: a named person takes an INCONCLUSIVE audit upon them, and the model is registered all the same.

Only INCONCLUSIVE: a FAIL can't be signed off, a PASS needn't. The verdict stays what it is (tag `audit.verdict`); who
signed, why and when are tags of the run and of the version. They are only ever added: a second sign-off gets
numbered tags beside the first. Doing the same again, also after a kill, changes nothing.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.config import Params
from understudy.errors import ArtifactError, ConfigError, RegistryError, Rejected
from understudy.evidence import (
    INCONCLUSIVE,
    KEY,
    MODEL,
    SIGNED_OFF_BY,
    Evidence,
    Registration,
    read_json,
    read_verdict,
)
from understudy.files import write_text
from understudy.monitoring.reference import built
from understudy.provenance import tree_sha256
from understudy.tracking import COMPLETE, _alias, _challenge, _create_version, _version_of, connected, local_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

REASON, AT = "audit.signed_off_reason", "audit.signed_off_at"
MOST_NAME, MOST_REASON = 100, 500


@dataclass(frozen=True)
class SignOff:
    """Who takes it upon them, and why; both one line of visible characters."""

    by: str
    reason: str

    @classmethod
    def of(cls, by: str, reason: str) -> SignOff:
        """Raises ConfigError for what is empty, longer than a line, or too long."""
        return cls(_line("--by", by, MOST_NAME), _line("--reason", reason, MOST_REASON))


@dataclass(frozen=True)
class _Recorded(Evidence):
    """Evidence of a run that was recorded earlier: key, tags and parameters are the run's, with the sign-off's tags."""

    run_tags: Mapping[str, str] = field(default_factory=dict)
    run_parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return self.run_tags[KEY]

    @property
    def parameters(self) -> Mapping[str, Any]:
        return self.run_parameters

    def tags(self) -> dict[str, str]:
        return {k: v for k, v in self.run_tags.items() if k != COMPLETE and not k.startswith("mlflow.")}


def sign_off(*, out_dir: str | Path, by: str, reason: str, champion: bool = False) -> Registration:
    """Sign off the run whose results are in `out_dir`, and register its model as a version with alias `candidate` and
    a reference for monitoring.

    `champion`: move that alias too, unless the present champion is better. Reads run.json or record.json, model/,
    preprocess/, synthetic.parquet, audit/ and evaluation/; writes registration.json.

    Raises:
        ConfigError: a name or a reason that can't be used.
        Rejected: the verdict is not INCONCLUSIVE.
        ArtifactError: no recorded run in `out_dir`, or its model is another one.
        RegistryError: the server doesn't know the run, or can't be reached.
    """
    signed, out = SignOff.of(by, reason), Path(out_dir)
    recorded = _recorded(out)
    server = _server(out, recorded)
    with connected(server, create=False) as client:
        run = client.get_run(recorded.run_id)
        _check(run, out)
        tags = _tag_run(client, run, signed)
        evidence = _Recorded(
            model_dir=out / "model", tables=out / "preprocess", evaluation=out / "evaluation", audit=out / "audit",
            synthetic=out / "synthetic.parquet", params=Params.of({"register": {"name": recorded.name}}),
            data_md5=run.data.tags.get("data.md5", ""), code_commit=run.data.tags.get("code.commit", ""),
            run_tags=run.data.tags | tags, run_parameters=run.data.params,
        )  # fmt: skip
        with built(evidence) as reference:
            client.log_artifacts(recorded.run_id, str(reference), "reference")
        made = _register(client, run, evidence, recorded, tags, champion)
    write_text(out / "registration.json", made.to_json())
    return made


def _register(
    client: MlflowClient, run: Run, evidence: _Recorded, recorded: Registration, tags: Mapping[str, str],
    wanted: bool,
) -> Registration:  # fmt: skip
    name = recorded.name
    version = _version_of(client, name, run.info.run_id) or _create_version(client, name, run, evidence)
    for key, value in tags.items():
        if key not in version.tags:
            client.set_model_version_tag(name, version.version, key, value)
    if not version.tags.get(COMPLETE):
        client.set_registered_model_alias(name, "candidate", version.version)
        client.set_model_version_tag(name, version.version, COMPLETE, "true")
    reason = "signed off, a candidate"
    if wanted:
        _, reason = _challenge(client, name, version, evidence)
    present = _alias(client, name, "champion")
    return Registration(
        verdict=INCONCLUSIVE, name=name, run_id=run.info.run_id, tracking_uri=recorded.tracking_uri,
        version=int(version.version), champion=present is not None and int(present.version) == int(version.version),
        reason=reason,
    )  # fmt: skip


def _tag_run(client: MlflowClient, run: Run, signed: SignOff) -> dict[str, str]:
    """All sign-off tags of the run, after adding this one if it is new."""
    present = {k: v for k, v in run.data.tags.items() if k.startswith((SIGNED_OFF_BY, REASON, AT))}
    number = 1
    while f"{SIGNED_OFF_BY}{_suffix(number)}" in present:
        end = _suffix(number)
        if (present[SIGNED_OFF_BY + end], present.get(REASON + end)) == (signed.by, signed.reason):
            return present
        number += 1
    end, now = _suffix(number), datetime.now(UTC).isoformat(timespec="seconds")
    # The name comes last: a kill in between leaves a sign-off that nobody made, and the next one overwrites it.
    for key, value in ((REASON, signed.reason), (AT, now), (SIGNED_OFF_BY, signed.by)):
        client.set_tag(run.info.run_id, key + end, value)
        present[key + end] = value
    return present


def _suffix(number: int) -> str:
    return "" if number == 1 else f".{number}"


def _check(run: Run, out: Path) -> None:
    """That this is the run in `out`, and that its verdict may be signed off."""
    for found in (run.data.tags.get("audit.verdict", "unknown"), read_verdict(out / "audit" / "audit.json")):
        if found != INCONCLUSIVE:
            remedy = "a PASS is registered by itself" if found == "PASS" else "change the model or its settings"
            raise Rejected(f"the verdict is {found}, and only {INCONCLUSIVE} can be signed off; {remedy}")
    logged = run.data.tags.get(MODEL)
    if logged != tree_sha256(out / "model"):
        raise ArtifactError(f"{out / 'model'}: is not the model of run {run.info.run_id}; run the pipeline again")


def _recorded(out: Path) -> Registration:
    for name, key in (("run.json", "registration"), ("record.json", None)):
        if (out / name).is_file():
            content: Any = read_json(out / name)
            content = content.get(key) if key else content
            try:
                return Registration(**content)
            except TypeError:
                raise ArtifactError(f"{out / name}: says nothing of a recorded run; run the pipeline again") from None
    raise ArtifactError(f"{out}: no recorded run here (run.json or record.json); give its directory with --out")


def _server(out: Path, recorded: Registration) -> str:
    """The environment's server, else the store in `out`, else where the run was recorded."""
    if os.environ.get("MLFLOW_TRACKING_URI"):
        return os.environ["MLFLOW_TRACKING_URI"]
    if (out / "mlflow.db").is_file():
        return local_uri(out)
    if not recorded.tracking_uri:
        raise RegistryError(f"{out}: doesn't say where its run was recorded; set MLFLOW_TRACKING_URI")
    return recorded.tracking_uri


def _line(option: str, text: str, most: int) -> str:
    found = text.strip()
    if not found or any(unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs") for c in found):
        raise ConfigError(f"{option} must be one line of text, and not empty")
    if len(found) > most:
        raise ConfigError(f"{option} has {len(found)} characters; {most} are the most")
    return found

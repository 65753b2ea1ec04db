"""What is known about one model when it comes to the registry, and what the registry answers."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from understudy.balance import Balance
from understudy.config import Params
from understudy.errors import ArtifactError
from understudy.labels import read_label
from understudy.provenance import tree_sha256
from understudy.schema import TableSchema

KEY = "understudy.key"
MODEL = "model.sha256"
PASS, INCONCLUSIVE = "PASS", "INCONCLUSIVE"
SIGNED_OFF_BY = "audit.signed_off_by"
"""The tag of a version whose INCONCLUSIVE a person took upon them (`signoff`)."""
DEFENDED = (("c2st_auc", "c2st_auc_se"), ("tstr_gap", "tstr_gap_se"))
"""The metrics a champion defends, lower is better, and their standard errors."""


@dataclass(frozen=True)
class Evidence:
    """The directories that the stages wrote, and what the model was made from.

    Attributes:
        model_dir: the generator's artifact, from `train`.
        tables: the split tables and schema.json, from `preprocess`.
        evaluation, audit: the reports and their metrics.json.
        synthetic: the synthetic table that was evaluated and audited.
        data_md5, code_commit: "" where unknown.
    """

    model_dir: Path
    tables: Path
    evaluation: Path
    audit: Path
    synthetic: Path
    params: Params
    data_md5: str = ""
    code_commit: str = ""

    @classmethod
    def of(
        cls, *, tables: str | Path, model: str | Path, synthetic: str | Path, evaluation: str | Path,
        audited: str | Path, data_md5: str, code_commit: str, **sections: str,
    ) -> Evidence:  # fmt: skip
        """From the outputs of a pipeline's steps and the sections of its parameters, JSON objects."""
        return cls(
            model_dir=Path(model),
            tables=Path(tables),
            evaluation=Path(evaluation),
            audit=Path(audited),
            synthetic=Path(synthetic) / "synthetic.parquet",
            params=Params.from_json(**sections),
            data_md5=data_md5,
            code_commit=code_commit,
        )

    @property
    def verdict(self) -> str:
        return read_verdict(self.audit / "audit.json")

    @property
    def schema(self) -> TableSchema:
        return TableSchema.read(self.tables / "schema.json")

    @property
    def generator(self) -> str:
        """The name of the generator that was fitted, also where the parameters say `auto`. Raises ArtifactError."""
        from understudy.generators.base import read_manifest

        return str(read_manifest(self.model_dir)["name"])

    @property
    def model_label(self) -> str:
        """What the generator's samples are altered to; "" if they aren't. Raises ArtifactError."""
        from understudy.generators.base import read_manifest

        stated = read_manifest(self.model_dir).get("balance")
        return Balance.of(stated).label if stated else ""

    @property
    def metrics(self) -> dict[str, float]:
        """The evaluation's figures under their names, the audit's with the prefix `audit.`."""
        audited = read_json(self.audit / "metrics.json")
        found = {**read_json(self.evaluation / "metrics.json"), **{f"audit.{k}": v for k, v in audited.items()}}
        return {k: float(v) for k, v in found.items() if v is not None}

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What the run was asked for, for the registry: no credentials, and no seed of the split, which with the table
        would tell who the members are."""
        found = self.params.to_dict()
        data = {**found["data"], "path": self.params.data.public_path}
        del data["split_seed"]
        return {**found, "data": data}

    @property
    def key(self) -> str:
        """The same for the same data, schema, parameters, artifact and verdict."""
        parts = [
            self.data_md5,
            self.schema.sha256(),
            json.dumps(self.params.to_dict(), sort_keys=True),
            tree_sha256(self.model_dir),
            self.verdict,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def tags(self) -> dict[str, str]:
        """The tags of the run and of the model version."""
        known = {
            "data.md5": self.data_md5,
            "schema.sha256": self.schema.sha256(),
            "code.commit": self.code_commit,
            "audit.verdict": self.verdict,
            "generator.name": self.generator,
            "balance": read_label(self.synthetic),
            "balance.model": self.model_label,
            MODEL: tree_sha256(self.model_dir),
            KEY: self.key,
        }
        return {k: v for k, v in known.items() if v}


@dataclass(frozen=True)
class Registration:
    """Where a run was recorded, and the model version it became (None: it isn't registered)."""

    verdict: str
    name: str
    run_id: str
    tracking_uri: str
    version: int | None = None
    champion: bool = False
    reason: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, path: str | Path) -> Registration:
        return cls(**read_json(Path(path)))


def is_signed_off(verdict: str, by: str) -> bool:
    """Whether a person, `by`, took the verdict upon them; only an INCONCLUSIVE can be."""
    return verdict == INCONCLUSIVE and bool(by)


def worse(new: Mapping[str, float], present: Mapping[str, float]) -> str:
    """Which defended metric is worse by more than two standard errors of the difference; "" if none is.

    >>> worse({"c2st_auc": .60, "c2st_auc_se": .01}, {"c2st_auc": .55, "c2st_auc_se": .01})
    'its c2st_auc is 0.550, the new one has 0.600'
    """
    for metric, error in DEFENDED:
        if metric in new and metric in present:
            margin = 2 * math.hypot(new.get(error, 0.0), present.get(error, 0.0))
            if new[metric] > present[metric] + margin:
                return f"its {metric} is {present[metric]:.3f}, the new one has {new[metric]:.3f}"
    return ""


def read_verdict(path: str | Path) -> str:
    """The verdict in an audit.json: PASS, FAIL or INCONCLUSIVE. Raises ArtifactError."""
    verdict = read_json(Path(path)).get("verdict")
    if verdict not in (PASS, "FAIL", "INCONCLUSIVE"):
        raise ArtifactError(f"{path}: verdict {str(verdict)[:40]!r} is not known; run the audit again")
    return str(verdict)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file that a stage wrote. Raises ArtifactError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
        raise ArtifactError(f"{path}: is missing or not a JSON object; run the stage that writes it again")
    return content

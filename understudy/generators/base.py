"""The generator protocol, the registry, and the artifact: `generator.json` + `weights.safetensors`.

An artifact holds no pickle and no training rows. It carries a format number, the generator's name
and config, the schema, the versions that wrote it, and the sha256 of its weights; whatever
doesn't fit is refused with one line.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np
import pandas as pd
from pydantic import BaseModel, ValidationError

from understudy import __version__
from understudy.errors import ArtifactError, ConfigError, SchemaError
from understudy.files import atomic
from understudy.schema import TableSchema, first_problem

FORMAT = 2
READS = (1, 2)
"""Formats that this version reads. 2 added columns relative to others to `forest`, and
lookups by value."""
MANIFEST, WEIGHTS = "generator.json", "weights.safetensors"
MAX_ROWS = 1_000_000_000

Progress = Callable[[float, str], None]
Config = TypeVar("Config", bound=BaseModel)

REGISTRY = {
    "forest": "understudy.generators.forest:Forest",
    "autoregressive": "understudy.generators.autoregressive:Autoregressive",
    "independent": "understudy.generators.independent:Independent",
    "bootstrap": "understudy.generators.bootstrap:Bootstrap",
}
DEFAULT = "auto"
"""Not in the registry: `understudy.generators.auto` chooses one of these for a table."""


@runtime_checkable
class Generator(Protocol):
    """What every generator does. The constructor takes its config as keywords; unknown ones are errors."""

    name: ClassVar[str]
    summary: ClassVar[str]
    schema: TableSchema

    def fit(
        self,
        table: pd.DataFrame,
        *,
        schema: TableSchema,
        rng: np.random.Generator,
        progress: Progress | None = None,
    ) -> Generator:
        """Learn from a conformed table."""
        ...

    def sample(self, n_rows: int, *, rng: np.random.Generator, where: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """A conformed table of `n_rows` rows with the schema's released columns.

        `where` conditions on columns: a value, a list of values, or {"min": a, "max": b}.
        """
        ...

    def values(self, column: str) -> tuple[str, ...]:
        """What a categorical or boolean column of a sample can hold, missing values aside."""
        ...

    def log_density(self, table: pd.DataFrame) -> np.ndarray | None:
        """log P(row), (n_rows,) nats, or None where the family has none."""
        ...

    def save(self, path: Path) -> None: ...

    @classmethod
    def load(cls, path: Path, *, device: str = "cpu") -> Generator: ...


def generator_class(name: str) -> type[Any]:
    """Raises ConfigError for a name that isn't registered."""
    if name == DEFAULT:
        raise ConfigError(f"generator {name!r} is a choice made for a table; name one of: {', '.join(REGISTRY)}")
    if name not in REGISTRY:
        raise ConfigError(f"generator {name!r} is not known; choose one of: {DEFAULT}, {', '.join(REGISTRY)}")
    module, _, attribute = REGISTRY[name].partition(":")
    return getattr(importlib.import_module(module), attribute)  # type: ignore[no-any-return]


def create(name: str, **config: Any) -> Generator:
    """A generator that isn't fitted yet. Raises ConfigError for an unknown name, key or value."""
    return generator_class(name)(**config)  # type: ignore[no-any-return]


def load(path: str | Path, *, device: str = "cpu") -> Generator:
    """The generator in an artifact directory, balanced if it was saved so.

    Raises ArtifactError, in one line, for anything but a whole one.
    """
    from understudy.generators.balanced import as_saved

    manifest = read_manifest(Path(path))
    if manifest.get("name") not in REGISTRY:
        raise ArtifactError(
            f"{path}: holds a {str(manifest.get('name'))[:40]!r} generator, which this version doesn't know;"
            " upgrade understudy"
        )
    try:
        learnt = generator_class(manifest["name"]).load(Path(path), device=device)
    except ConfigError as e:
        raise ArtifactError(f"{path}: the artifact is damaged ({e}); fit it again or fetch it anew") from None
    return as_saved(learnt, manifest, path)


def artifact_schema(path: str | Path) -> TableSchema:
    """The schema of the table an artifact was fitted on. Raises ArtifactError."""
    try:
        return TableSchema.model_validate(read_manifest(Path(path)).get("schema"))
    except ValidationError as e:
        raise ArtifactError(f"{path}: the artifact's schema is damaged ({first_problem(e)}); fit it again") from None


def check_n_rows(n_rows: int) -> int:
    """Raises ConfigError unless 0 <= n_rows <= MAX_ROWS."""
    if isinstance(n_rows, bool) or int(n_rows) != n_rows or not 0 <= n_rows <= MAX_ROWS:
        raise ConfigError(f"n_rows is {n_rows}; give a whole number from 0 to {MAX_ROWS:,}")
    return int(n_rows)


def parse_config(model: type[Config], name: str, config: Mapping[str, Any]) -> Config:
    """Raises ConfigError naming the key."""
    try:
        return model(**config)
    except ValidationError as e:
        known = ", ".join(model.model_fields) or "none"
        raise ConfigError(f"generator {name}: {first_problem(e)}; its settings are: {known}") from None


def write_artifact(
    path: Path, *, name: str, config: Mapping[str, Any], schema: TableSchema, state: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
) -> None:  # fmt: skip
    """Write an artifact directory, whole or not at all. `state` is JSON, `arrays` go to safetensors."""
    from safetensors.numpy import save

    with atomic(path) as temporary:
        temporary.mkdir(parents=True)
        (temporary / WEIGHTS).write_bytes(save({k: np.ascontiguousarray(v) for k, v in arrays.items()}))
        manifest = {
            "format": FORMAT,
            "name": name,
            "config": dict(config),
            "schema": schema.model_dump(mode="json", exclude_defaults=True),
            "state": state,
            "weights_sha256": _sha256(temporary / WEIGHTS),
            "versions": {"understudy": __version__, "numpy": np.__version__},
        }
        (temporary / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8")


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of an artifact of a format this version reads. Raises ArtifactError."""
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(
            f"{path}: no generator here ({MANIFEST} is missing); give the directory that `understudy fit` wrote"
        ) from None
    except NotADirectoryError:
        raise ArtifactError(f"{path}: is a file; give the directory that `understudy fit` wrote") from None
    except OSError as e:
        raise ArtifactError(f"{path}: can't be read ({e.strerror}); check the path and its permissions") from None
    except ValueError:
        raise ArtifactError(
            f"{path}: {MANIFEST} is damaged; fit the generator again or fetch it from the registry"
        ) from None
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found not in READS:
        known = " and ".join(str(f) for f in READS)
        raise ArtifactError(
            f"{path}: artifact format {found!r} is not one this version reads ({known}); use the version that wrote it"
        )
    return manifest


def read_artifact(path: Path, name: str) -> tuple[dict[str, Any], TableSchema, dict[str, np.ndarray]]:
    """The manifest, schema and arrays of an artifact of generator `name`.

    Raises ArtifactError when anything is missing, changed, or doesn't belong together.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    manifest = read_manifest(path)
    if manifest.get("name") != name:
        raise ArtifactError(
            f"{path}: holds a {manifest.get('name')!r} generator, not {name!r}; load it by its own name"
        )
    try:
        if _sha256(path / WEIGHTS) != manifest["weights_sha256"]:
            raise ArtifactError(
                f"{path}: {WEIGHTS} doesn't match its checksum (damaged or tampered with); fetch or fit it anew"
            )
        arrays = load_file(path / WEIGHTS)
        schema = TableSchema.model_validate(manifest["schema"])
    except OSError as e:
        raise ArtifactError(f"{path}: {WEIGHTS} can't be read ({e.strerror}); fit it again or fetch it anew") from None
    except (KeyError, ValueError, SafetensorError) as e:
        raise ArtifactError(
            f"{path}: the artifact is damaged ({type(e).__name__}); fit it again or fetch it anew"
        ) from None
    return manifest, schema, arrays


def check_where(where: Mapping[str, Any] | None, schema: TableSchema) -> dict[str, Any]:
    """Conditions on modelled columns only. Raises SchemaError or ConfigError."""
    for name in where or {}:
        if not schema.column(name).modelled:
            raise SchemaError(f"where: column {name!r} is of kind {schema.column(name).kind}, which is not modelled")
    return dict(where or {})


def _sha256(path: Path) -> str:
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()

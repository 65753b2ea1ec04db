"""What a registered version is compared with: rows of the synthetic table that was audited with it.

The artifact `reference` of the run that made the version: reference.parquet (at most `ROWS` synthetic rows),
schema.json, and baseline.json: how far real rows that never trained are from it (distances, no rows). It exists for
versions only, so only for tables that passed the audit.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from understudy.errors import ArtifactError, RegistryError
from understudy.schema import TableSchema

if TYPE_CHECKING:
    from understudy.evidence import Evidence

ROWS = 10_000
TABLE, SCHEMA, BASELINE = "reference.parquet", "schema.json", "baseline.json"


@dataclass(frozen=True)
class Reference:
    """The reference of one model version.

    Attributes:
        table: conformed synthetic rows.
        baseline: how far fresh real rows are from them, by `Effect.key`.
        model, version: "" for one that isn't from a registry.
    """

    table: pd.DataFrame
    schema: TableSchema
    baseline: Mapping[str, float]
    model: str = ""
    version: str = ""


@contextmanager
def built(evidence: Evidence) -> Iterator[Path]:
    """A temporary directory with the reference of a model that is about to be registered."""
    with tempfile.TemporaryDirectory(prefix="understudy-reference-") as directory:
        write(Path(directory), evidence.synthetic, evidence.tables / "holdout.parquet", evidence.schema)
        yield Path(directory)


def write(directory: Path, synthetic: Path, holdout: Path, schema: TableSchema) -> None:
    """Write the reference to `directory`. The same tables give the same files. Raises TableError, SchemaError."""
    from understudy.canonical import conform
    from understudy.monitoring.shift import compare
    from understudy.tables import read_table, write_table

    rng = np.random.default_rng(0)
    tables = [conform(read_table(path), schema, require_all=False) for path in (synthetic, holdout)]
    rows, fresh = (t.iloc[np.sort(rng.permutation(len(t))[:ROWS])].reset_index(drop=True) for t in tables)
    units = None if schema.unit not in fresh else pd.factorize(fresh[schema.unit], use_na_sentinel=False)[0]
    effects = compare(fresh, rows, schema, rng=rng, units=units)
    write_table(rows, directory / TABLE)
    (directory / SCHEMA).write_text(schema.to_json(), encoding="utf-8")
    baseline = {"rows": len(fresh), "effects": {e.key: round(e.beyond_chance, 4) for e in effects}}
    (directory / BASELINE).write_text(json.dumps(baseline, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read(directory: Path, model: str = "", version: str = "") -> Reference:
    """Raises ArtifactError, TableError, SchemaError."""
    from understudy.canonical import conform
    from understudy.tables import read_table

    schema = TableSchema.read(directory / SCHEMA)
    table = conform(read_table(directory / TABLE), schema, require_all=False)
    try:
        effects = json.loads((directory / BASELINE).read_text(encoding="utf-8"))["effects"]
        baseline = {str(k): float(v) for k, v in effects.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ArtifactError(f"{directory / BASELINE}: is missing or damaged; register the model again") from None
    return Reference(table, schema, baseline, model, version)


def of_version(model_uri: str, tracking_uri: str = "") -> Reference:
    """The reference of `models:/NAME@ALIAS`, `models:/NAME/VERSION` or `models:/NAME`. Raises RegistryError."""
    from understudy.registered import Registry
    from understudy.tracking import connected

    found = Registry(tracking_uri).version(model_uri)
    with connected(tracking_uri, create=False) as client, tempfile.TemporaryDirectory() as kept:
        run = str(client.get_model_version(found.name, found.version).run_id)
        if not client.list_artifacts(run, "reference"):
            raise RegistryError(
                f"{found.name} version {found.version} has no reference, it was registered by an older version of"
                " understudy; run the pipeline again, or give --reference"
            )
        directory = Path(client.download_artifacts(run, "reference", kept))
        return read(directory, found.name, found.version)

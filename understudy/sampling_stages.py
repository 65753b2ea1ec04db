"""Stages that sample a table too large for one machine's patience: fetch, shards, sample_shard, join_shards.

A table of any number of rows is cut into shards of nearly equal size; each becomes one Parquet file, by its own
random numbers, which follow from the run's seed and the shard's number. A shard that is sampled again, after a
kill, gives the same file.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from understudy.errors import ConfigError, PipelineError
from understudy.files import atomic
from understudy.places import check_place, put

if TYPE_CHECKING:
    import pandas as pd

    from understudy.progress import Progress

MOST_SHARDS = 10_000
"""About what Kubernetes can hold of one run's loop."""
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Part:
    """One shard's file: where it is, how many rows it has, its sha256, and the seconds it took."""

    shard: int
    path: str
    rows: int
    sha256: str
    seconds: float

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def fetch(*, model_uri: str, model_dir: str | Path, tracking_uri: str = "") -> dict[str, str]:
    """Copy a generator from the registry (`models:/NAME@ALIAS`) or a directory to `model_dir`; its name.

    An alias is looked up once, here, so that all shards are of one version. Where a public key is configured, the
    signature is verified. Raises RegistryError or ArtifactError.
    """
    from understudy.generators.base import read_manifest
    from understudy.supplychain import configured_verification
    from understudy.tracking import load_registered

    source = load_registered(model_uri, tracking_uri) if model_uri.startswith("models:/") else Path(model_uri)
    manifest = read_manifest(source)
    configured_verification(source)
    with atomic(model_dir) as temporary:
        shutil.copytree(source, temporary)
    return {"generator": str(manifest["name"])}


def shards(*, n_rows: int, n_shards: int) -> list[int]:
    """The numbers of the shards. Raises ConfigError for numbers that can't be."""
    from understudy.generators.base import check_n_rows

    check_n_rows(n_rows)
    if not 1 <= n_shards <= MOST_SHARDS:
        raise ConfigError(f"n_shards is {n_shards}; give a whole number from 1 to {MOST_SHARDS:,}")
    return list(range(n_shards))


def bounds(n_rows: int, n_shards: int, shard: int) -> tuple[int, int]:
    """The first row of a shard, and the first of the next.

    >>> [bounds(10, 3, i) for i in range(3)]
    [(0, 3), (3, 6), (6, 10)]
    """
    return n_rows * shard // n_shards, n_rows * (shard + 1) // n_shards


def sample_shard(
    *, model_dir: str | Path, out: str, shard: int, n_rows: int, n_shards: int, seed: int,
    progress: Progress | None = None,
) -> Part:  # fmt: skip
    """Sample shard number `shard` of a table of `n_rows` rows, and put it into the directory `out` (see `places`)."""
    import numpy as np

    from understudy.generators.balanced import label_of
    from understudy.generators.base import load
    from understudy.generators.output import sample_batches
    from understudy.provenance import file_sha256
    from understudy.tables import write_batches

    if shard not in shards(n_rows=n_rows, n_shards=n_shards):
        raise ConfigError(f"shard is {shard}; of {n_shards} there are 0 to {n_shards - 1}")
    check_place(out)
    generator = load(model_dir)
    a, b = bounds(n_rows, n_shards, shard)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(shard,)))
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        name = f"part-{shard:05d}-of-{n_shards:05d}.parquet"
        file = Path(folder) / name
        batches = _told(sample_batches(generator, b - a, rng=rng, first=a), b - a, progress)
        write_batches(batches, file, label_of(generator))  # a balanced generator's rows say so, wherever they go
        digest = file_sha256(file)
        path = put(file, out, name)
    return Part(shard, path, b - a, digest, round(time.perf_counter() - started, 3))


def join_shards(*, parts: Sequence[str], out: str, n_rows: int, n_shards: int, seed: int) -> str:
    """Check that all shards are there and write `manifest.json` beside them; where it is.

    `parts`: what `sample_shard` gave, as JSON. A table without a manifest isn't complete. Raises PipelineError.
    """
    found = sorted((Part(**json.loads(p)) for p in parts), key=lambda p: p.shard)
    if [p.shard for p in found] != list(range(n_shards)) or sum(p.rows for p in found) != n_rows:
        rows = sum(p.rows for p in found)
        raise PipelineError(f"{out}: {len(found)} of {n_shards} shards and {rows:,} of {n_rows:,} rows; run it again")
    listed = [{"name": p.path.rpartition("/")[2], "rows": p.rows, "sha256": p.sha256} for p in found]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / MANIFEST
        content = {"n_rows": n_rows, "seed": seed, "parts": listed}
        file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        return put(file, out, MANIFEST)


def _told(batches: Iterator[pd.DataFrame], n_rows: int, progress: Progress | None) -> Iterator[pd.DataFrame]:
    """The same batches, with a word after each."""
    done = 0
    for batch in batches:
        yield batch
        done += len(batch)
        if progress:
            progress(done / max(n_rows, 1), f"{done:,} rows")

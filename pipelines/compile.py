"""Compile a pipeline to IR YAML, the file that a KFP server runs.

python -m pipelines.compile NAME OUT.yaml
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from understudy.errors import ConfigError
from understudy.files import atomic

if TYPE_CHECKING:
    from pipelines.cluster import Cluster

NAMES = ("training", "sampling", "leaderboard", "monitoring")


def compile_pipeline(name: str, out: str | Path, cluster: Cluster | None = None) -> Path:
    """Write the IR of the pipeline `name` as `cluster` runs it; the same source and cluster give the same bytes.

    Raises ConfigError for an unknown name, StorageError.
    """
    from kfp import compiler

    from pipelines.cluster import Cluster

    if name not in NAMES:
        raise ConfigError(f"pipeline {name!r} is not known; choose one of: {', '.join(NAMES)}")
    chosen = cluster or Cluster()
    pipeline = importlib.import_module(f"pipelines.{name}").build(chosen.place)
    if chosen.root:
        pipeline.pipeline_spec.default_pipeline_root = chosen.root
    with atomic(out) as tmp:
        named = tmp.with_suffix(".yaml")  # kfp insists on the suffix
        try:
            compiler.Compiler().compile(pipeline, str(named))
            named.replace(tmp)
        finally:
            named.unlink(missing_ok=True)
    return Path(out)


if __name__ == "__main__":
    print(compile_pipeline(sys.argv[1], sys.argv[2]))

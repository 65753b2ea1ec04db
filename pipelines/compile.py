"""Compile the training pipeline to IR YAML, the file that a KFP server runs.

python -m pipelines.compile [OUT.yaml]
"""

from __future__ import annotations

import sys
from pathlib import Path

from understudy.files import atomic


def compile_training(out: str | Path) -> Path:
    """Write the IR; the same source gives the same bytes. Raises StorageError."""
    from kfp import compiler

    from pipelines.training import training

    with atomic(out) as tmp:
        named = tmp.with_suffix(".yaml")  # kfp insists on the suffix
        try:
            compiler.Compiler().compile(training, str(named))
            named.replace(tmp)
        finally:
            named.unlink(missing_ok=True)
    return Path(out)


if __name__ == "__main__":
    print(compile_training(sys.argv[1] if len(sys.argv) > 1 else "dist/training.yaml"))

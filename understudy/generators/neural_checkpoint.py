"""Checkpoints of a fit: everything that an interrupted fit needs to go on as if it had not been.

One safetensors file, replaced in one step, so that a kill at any moment leaves a whole one. It holds weights and
optimiser state, no rows. What is random in a fit follows from the seed and the step, so no generator state is needed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from understudy.errors import ConfigError
from understudy.files import atomic, remove

NAME = "checkpoint.safetensors"


@dataclass
class Progressed:
    """Where a fit is: steps done, the best held-out loss (nats a row), at which step, whether it is at the end."""

    step: int = 0
    best: float = float("inf")
    best_step: int = 0
    done: bool = False


def fingerprint(config: Mapping[str, Any], seed: int, arrays: Mapping[str, np.ndarray]) -> str:
    """What a checkpoint belongs to: settings, seed and data, as a sha256."""
    h = hashlib.sha256(json.dumps([dict(config), seed], sort_keys=True).encode())
    for name in sorted(arrays):
        h.update(f"{name}{arrays[name].dtype}{arrays[name].shape}".encode())
        h.update(np.ascontiguousarray(arrays[name]).tobytes())
    return h.hexdigest()


def write(folder: Path, belongs_to: str, progressed: Progressed, tensors: Mapping[str, Tensor]) -> None:
    """Replace the checkpoint in `folder`. Raises StorageError."""
    from safetensors.torch import save

    header = {"fingerprint": belongs_to, "progressed": json.dumps(asdict(progressed))}
    content = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    with atomic(Path(folder) / NAME) as temporary:
        temporary.write_bytes(save(content, metadata=header))


def read(folder: Path, belongs_to: str) -> tuple[Progressed, dict[str, Tensor]] | None:
    """The checkpoint in `folder`, None where there is none.

    Raises ConfigError for one of another fit (its work would be lost) or one that can't be read.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(folder) / NAME
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as f:
            header = f.metadata() or {}
            tensors = {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118
        progressed = Progressed(**json.loads(header["progressed"]))
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as e:
        raise ConfigError(
            f"{path}: the checkpoint can't be read ({type(e).__name__}); delete it to begin anew"
        ) from None
    if header.get("fingerprint") != belongs_to:
        raise ConfigError(
            f"{path}: is the checkpoint of another fit (other data, settings or seed); name another directory, or"
            " delete it to begin anew"
        )
    return progressed, tensors


def discard(folder: Path) -> None:
    """Remove the checkpoint, and the directory if nothing else is in it."""
    remove(Path(folder) / NAME)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()

"""Which of several processes this is, when one command is started as many at once (torchrun sets the variables)."""

from __future__ import annotations

import os


def count() -> int:
    """How many processes work together; 1 where this is the only one."""
    return max(int(os.environ.get("WORLD_SIZE") or 1), 1)


def first() -> bool:
    """Whether this process is the one that writes and speaks for all."""
    return count() == 1 or int(os.environ.get("RANK") or 0) == 0

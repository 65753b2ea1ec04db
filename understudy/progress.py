"""How far long work is: a callback `(share done, message)`, and its form as a line of a log."""

from __future__ import annotations

import re
from collections.abc import Callable

Progress = Callable[[float, str], None]
"""Called with the share done, 0 to 1, and what is being done."""

_LINE = re.compile(r"understudy progress (\d\.\d{3}) (.*)")


def to_log(share: float, message: str) -> None:
    """Print one line that `parse` reads back: how a pipeline step tells its runner."""
    line = f"understudy progress {min(max(share, 0.0), 1.0):.3f} {' '.join(message.split())}"
    print(line + "\n", end="", flush=True)  # in one piece: threads may speak at the same time


def parse(line: str) -> tuple[float, str] | None:
    """The share and the message of a progress line, None for any other line.

    >>> parse("    understudy progress 0.250 fitting age")
    (0.25, 'fitting age')
    """
    found = _LINE.search(line)
    return (float(found[1]), found[2].rstrip()) if found else None

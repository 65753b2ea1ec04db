"""What people see: a progress bar, result tables, one-line errors. Machines get JSON instead."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from understudy.progress import Progress


@contextmanager
def progress(title: str, *, quiet: bool = False) -> Iterator[Progress]:
    """A progress bar on stderr while the block runs; nothing when `quiet` or stderr is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda share, message: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.fields[title]:<10}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0, title=title)

        def advance(share: float, message: str) -> None:
            bar.update(task, completed=share, description=message)

        yield advance


def show(result: Mapping[str, Any], *, as_json: bool, title: str = "") -> None:
    """A result as one JSON object, or as lines of names and values."""
    if as_json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False, default=str) + "\n")
        return
    # Plain text: a table would wrap, and commands and paths are there to be copied.
    width = max((len(name) for name in result), default=0) + 2
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    if title:
        sys.stdout.write(f"{bold}{title}{plain}\n")
    for name, value in result.items():
        lines = _text(value).splitlines() or [""]
        sys.stdout.write(f"{name:<{width}}{lines[0]}\n" + "".join(f"{'':<{width}}{x}\n" for x in lines[1:]))


def show_rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*header, box=None, padding=(0, 2), header_style="bold")
    for row in rows:
        table.add_row(*row)
    Console().print(table, highlight=False)


def fail(message: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"understudy: {' '.join(message.split())}\n")


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return "\n".join(_text(v) for v in value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)

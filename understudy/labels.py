"""What a table says of itself beyond its values: a line that travels with the file.

In Parquet and Arrow files it is part of the file. Beside a CSV or JSON lines file, which has no place for it, lies a
file NAME.label.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from understudy.files import remove, write_text

if TYPE_CHECKING:
    import pyarrow as pa

KEY = b"understudy.label"


def labelled(schema: pa.Schema, label: str) -> pa.Schema:
    """The schema that a Parquet or Arrow file with this label has."""
    return schema.with_metadata({**(schema.metadata or {}), KEY: label.encode()}) if label else schema


def write_beside(path: str | Path, label: str) -> None:
    """Write the label of the file at `path` beside it, or remove one that an earlier file had."""
    beside = _beside(path)
    if label:
        write_text(beside, label + "\n")
    else:
        remove(beside)


def read_label(path: str | Path) -> str:
    """The label of the table at `path`; "" without one."""
    from understudy.tables import format_of_file, readable

    fmt, _ = format_of_file(Path(path))
    if fmt in ("csv", "jsonl"):
        beside = _beside(path)
        return beside.read_text(encoding="utf-8").strip() if beside.exists() else ""
    with readable(Path(path), fmt):
        if fmt == "parquet":
            from pyarrow import parquet

            schema = parquet.read_schema(path)
        else:
            import pyarrow as pa

            with pa.memory_map(str(path)) as source:
                schema = pa.ipc.open_file(source).schema
    return (schema.metadata or {}).get(KEY, b"").decode()


def _beside(path: str | Path) -> Path:
    return Path(f"{path}.label")

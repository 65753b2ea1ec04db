"""Tables as bytes, batch after batch: CSV, JSON lines, Parquet, Arrow.

Arrow's own writers do the work, outside the GIL where they can, in the notation of `understudy sample`.
"""

from __future__ import annotations

import io
import re
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import csv, parquet

from understudy.schema import TableSchema
from understudy.serving.refusal import Refusal
from understudy.serving.request import Format

MEDIA: dict[Format, str] = {
    "csv": "text/csv", "jsonl": "application/x-ndjson", "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}  # fmt: skip
_ALIASES: dict[str, Format] = {
    "*/*": "csv", "text/*": "csv", "text/csv": "csv", "application/csv": "csv", "text/plain": "csv",
    "application/x-ndjson": "jsonl", "application/jsonl": "jsonl", "application/jsonlines": "jsonl",
    "application/json-lines": "jsonl", "application/json": "jsonl", "application/*": "jsonl",
    "application/vnd.apache.parquet": "parquet", "application/x-parquet": "parquet", "application/parquet": "parquet",
    "application/vnd.apache.arrow.stream": "arrow", "application/vnd.apache.arrow.file": "arrow",
    "application/octet-stream": "arrow",
}  # fmt: skip
_SECOND = 10**9
_DAY = 86400 * _SECOND


def negotiated(accept: str | None) -> Format:
    """The format that a header `Accept` likes best; CSV without one. Raises Refusal 406."""
    best: tuple[float, Format] | None = None
    for part in (accept or "*/*").split(","):
        media, *parameters = (p.strip().lower() for p in part.split(";"))
        quality = next((_quality(p[2:]) for p in parameters if p.startswith("q=")), 1.0)
        if media in _ALIASES and quality > 0 and (best is None or quality > best[0]):
            best = quality, _ALIASES[media]
    if best is None:
        raise Refusal(
            f"Accept: {(accept or '')[:100]!r} names no format that can be sent; those are {', '.join(MEDIA.values())}",
            status=406, field="accept",
        )  # fmt: skip
    return best[1]


class Encoder:
    """A table's bytes, in parts: `encode` each batch, then `finish`. All batches have the first one's schema."""

    def __init__(self, fmt: Format, schema: TableSchema) -> None:
        self.fmt, self.table_schema = fmt, schema
        self._sink = _Parts()
        self._writer: Any = None
        self._schema: pa.Schema | None = None

    def encode(self, batch: pa.Table) -> bytes:
        if self.fmt == "jsonl":
            return _json_lines(plain(batch, self.table_schema))
        quotes = self.fmt == "csv" and self._schema is None and needs_quotes(batch)
        if self.fmt == "csv":
            batch = plain(batch, self.table_schema)
        if self._schema is None:
            self._schema = batch.schema
            self._writer = self._open(batch.schema, quotes)
        self._writer.write_table(batch if batch.schema == self._schema else batch.cast(self._schema))
        return self._sink.taken()

    def finish(self) -> bytes:
        if self._writer is not None:
            self._writer.close()
        return self._sink.taken()

    def _open(self, schema: pa.Schema, quotes: bool) -> Any:
        if self.fmt == "parquet":
            return parquet.ParquetWriter(self._sink, schema)
        if self.fmt == "arrow":
            return pa.ipc.new_stream(self._sink, schema)
        # "needed" quotes every text, needed or not; the header is quoted in either style.
        options = csv.WriteOptions(include_header=quotes, quoting_style="needed" if quotes else "none")
        if not quotes:
            self._sink.write((",".join(schema.names) + "\n").encode())
        return csv.CSVWriter(self._sink, schema, write_options=options)


class _Parts(io.RawIOBase):
    """A file that is read while it is written. Its position goes on, which a Parquet footer needs."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._at += len(part)
        return len(part)

    def tell(self) -> int:
        return self._at

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def plain(batch: pa.Table, schema: TableSchema) -> pa.Table:
    """Categories as text, and dates without a time where the column has none."""
    for i, field in enumerate(batch.schema):
        if pa.types.is_dictionary(field.type):
            batch = batch.set_column(i, field.name, batch.column(i).cast(pa.string()))
        elif pa.types.is_timestamp(field.type):
            step = schema.column(field.name).step
            to = pa.date32() if step % _DAY == 0 else pa.timestamp("s") if step % _SECOND == 0 else pa.timestamp("us")
            batch = batch.set_column(i, field.name, batch.column(i).cast(to, safe=False))
    return batch


def needs_quotes(batch: pa.Table) -> bool:
    """Whether a CSV of this batch, and of others of its categories, must quote its texts."""
    texts = list(batch.column_names)
    for column in batch.columns:
        if pa.types.is_dictionary(column.type):
            texts += column.chunk(0).dictionary.to_pylist() if column.num_chunks else []
        elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            return True
    return any(re.search(r'[,"\t\r\n;|]|^\s|\s$|^$', t) for t in texts)


def _json_lines(batch: pa.Table) -> bytes:
    times = [i for i, f in enumerate(batch.schema) if pa.types.is_temporal(f.type)]
    for i in times:
        batch = batch.set_column(i, batch.schema.names[i], batch.column(i).cast(pa.string()))
    whole = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}  # which stay whole beside missing ones
    frame = batch.replace_schema_metadata().to_pandas(types_mapper=whole.get)
    return str(frame.to_json(orient="records", lines=True, force_ascii=False, double_precision=15)).encode()


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0

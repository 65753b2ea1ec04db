"""Read and write tables: CSV, Parquet, JSON lines, Arrow, SQL."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from understudy.csvfiles import read_csv
from understudy.errors import TableError
from understudy.files import atomic
from understudy.labels import labelled, write_beside

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = ("csv", "parquet", "jsonl", "arrow")
_SUFFIXES = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".data": "csv", ".parquet": "parquet", ".pq": "parquet",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow",
}  # fmt: skip
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}


def format_of(path: str | Path) -> tuple[str, str | None]:
    """The format and the compression that a file's suffixes name, e.g. ("csv", "gzip").

    Raises TableError for a suffix that isn't known.
    """
    suffixes = [s.lower() for s in Path(path).suffixes]
    compression = _COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    suffix = (suffixes[:-1] if compression else suffixes)[-1:] or [""]
    if suffix[0] not in _SUFFIXES:
        raise TableError(
            f"{path}: suffix {suffix[0]!r} is not a table format; use .csv, .parquet, .jsonl or .arrow"
            " (csv and jsonl may be compressed: .gz, .zst)"
        )
    return _SUFFIXES[suffix[0]], compression


def read_table(source: str | Path, *, encoding: str = "utf-8") -> pd.DataFrame:
    """The raw table at `source`: a CSV, Parquet, JSON lines or Arrow file, or `SQL-URL#table`.

    Raises TableError, in one line, for a file that is missing, empty, malformed or without rows.
    """
    if is_url(source):
        table = pd.concat(sql_chunks(str(source), None))
    else:
        table = _read_file(Path(source), encoding)
    return checked(table, source)


def checked(table: pd.DataFrame, source: str | Path) -> pd.DataFrame:
    """`table`, if it has named columns and rows. Raises TableError."""
    check_header(table.columns, source)
    if not len(table):
        raise TableError(f"{source}: has a header but no rows; give a table with data")
    return table


def is_url(source: str | Path) -> bool:
    return re.match(r"^[a-z][a-z0-9+]*://", str(source)) is not None


def _read_file(path: Path, encoding: str) -> pd.DataFrame:
    import pyarrow as pa

    fmt, compression = format_of_file(path)
    with readable(path, fmt):
        if fmt == "csv":
            return read_csv(path, compression, encoding)
        if fmt == "jsonl":
            from pyarrow import json as pa_json

            with pa.input_stream(str(path), compression=compression) as stream:
                return flat(pa_json.read_json(stream), path)
        if fmt == "parquet":
            from pyarrow import parquet

            return flat(parquet.read_table(path), path)
        from pyarrow import feather

        return flat(feather.read_table(path), path)


@contextmanager
def readable(path: Path, fmt: str) -> Iterator[None]:
    """What goes wrong in reading the file at `path` becomes a TableError of one line."""
    import pyarrow as pa

    try:
        if path.stat().st_size == 0:
            raise TableError(f"{path}: the file is empty; give a table with a header and rows")
        yield
    except pa.ArrowException as e:
        problem = str(e).splitlines()[0][:200]
        raise TableError(f"{path}: not a readable {fmt} file ({problem}); write it again or convert it") from None
    except OSError as e:
        raise TableError(
            f"{path}: can't be read ({e.strerror or str(e).splitlines()[0][:200]}); check the file"
        ) from None


def count_rows(path: str | Path) -> int:
    """How many rows the file at `path` has, without reading them where the format says. Raises TableError."""
    fmt, _ = format_of_file(Path(path))
    if fmt != "parquet":
        return len(read_table(path))
    from pyarrow import parquet

    with readable(Path(path), fmt):
        return int(parquet.read_metadata(path).num_rows)


def format_of_file(path: Path) -> tuple[str, str | None]:
    """`format_of` a file that must be there. Raises TableError."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise TableError(f"{path}: no such file; check the path") from None
    except OSError as e:
        raise TableError(f"{str(path)[:200]}: can't be read ({e.strerror}); check the path") from None
    if stat.S_ISDIR(mode):
        raise TableError(f"{path}: is a directory, not a table; name the file in it")
    return format_of(path)


def flat(table: pa.Table, path: Path) -> pd.DataFrame:
    """To pandas, refusing nested columns and duplicate names."""
    import pyarrow as pa

    check_header(table.column_names, path)
    for field in table.schema:
        if pa.types.is_nested(field.type):
            raise TableError(f"{path}: column {field.name!r} is nested ({field.type}); flatten it into plain columns")
        if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
            raise TableError(f"{path}: column {field.name!r} holds bytes; drop it or decode it to text")
    # Integers with missing values must not become floats: 64-bit keys would lose digits.
    nullable = {pa.int8(): pd.Int64Dtype(), pa.int16(): pd.Int64Dtype(), pa.int32(): pd.Int64Dtype(),
                pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}  # fmt: skip
    has_nulls = {f.type for f, c in zip(table.schema, table.columns, strict=True) if c.null_count}
    frame = table.to_pandas(types_mapper=lambda t: nullable.get(t) if t in has_nulls else None, date_as_object=False)
    return frame.reset_index(drop=True)


def sql_chunks(url: str, chunk_rows: int | None) -> Iterator[pd.DataFrame]:
    """The rows of `SQL-URL#table` in order, `chunk_rows` at a time (None: all at once). Raises TableError."""
    import sqlalchemy as sa

    address, _, name = url.partition("#")
    shown = re.sub(r"//[^@/]*@", "//***@", address)  # a password never reaches a message
    if not name:
        raise TableError(f"{shown}: names no table; write URL#TABLE, e.g. sqlite:///people.db#patients")
    try:
        engine = sa.create_engine(address)
        with engine.connect() as connection:
            if chunk_rows is not None:
                connection = connection.execution_options(stream_results=True, yield_per=chunk_rows)
            schema, _, short = name.rpartition(".")
            query = sa.select(sa.text("*")).select_from(sa.table(short, schema=schema or None))
            found = pd.read_sql_query(query, connection, chunksize=chunk_rows)
            yield from [found] if isinstance(found, pd.DataFrame) else found
    except (sa.exc.SQLAlchemyError, ImportError) as e:
        problem = str(getattr(e, "orig", None) or e).splitlines()[0][:200]
        raise TableError(
            f"{shown}: table {name!r} can't be read ({problem}); check the URL, driver and table"
        ) from None


def check_header(names: Any, source: str | Path) -> None:
    seen: set[str] = set()
    for i, raw in enumerate(names):
        name = str(raw)
        if not name.strip():
            raise TableError(f"{source}: column {i + 1} has no name; give every column a header")
        if "\ufffd" in name or any(ord(c) < 32 for c in name):
            raise TableError(f"{source}: the name of column {i + 1} has unreadable characters; rename it in UTF-8")
        if name in seen:
            raise TableError(f"{source}: duplicate column name {name!r}; rename one of them")
        seen.add(name)


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write `table` to `path` in the format its suffix names, whole or not at all."""
    write_batches(iter([table]), path)


def write_batches(batches: Iterator[pd.DataFrame], path: str | Path, label: str = "") -> int:
    """Write conformed batches one after another in constant memory; the number of rows written.

    `label` is what the table says of itself (`labels`).

    Raises TableError for an unknown suffix and StorageError when it can't be written.
    """
    import pyarrow as pa

    fmt, compression = format_of(path)
    n_rows = 0
    if label:  # before the table: one that needs a label is never without it
        write_beside(path, "" if fmt in ("parquet", "arrow") else label)
    with atomic(path) as temporary:
        writer: Any = None
        written: Any = None
        sink = pa.output_stream(str(temporary), compression=compression)
        with sink:
            for batch in batches:
                n_rows += len(batch)
                if fmt == "jsonl":
                    sink.write(
                        batch.to_json(orient="records", lines=True, date_format="iso", force_ascii=False).encode()
                    )
                    continue
                data = pa.Table.from_pandas(_plain(batch) if fmt == "csv" else batch, preserve_index=False)
                if writer is None:
                    written = labelled(data.schema, label)
                    writer = _writer(fmt, sink, written, Path(path), needs_quotes(batch))
                writer.write_table(data.cast(written))
            if writer is not None:
                writer.close()
    if not label:
        write_beside(path, "")
    return n_rows


def _writer(fmt: str, sink: Any, schema: pa.Schema, path: Path, quotes: bool) -> Any:
    if fmt == "csv":
        from pyarrow import csv

        tab = "\t" if ".tsv" in path.suffixes else ","
        # "needed" quotes every text, needed or not; the header is quoted in either style.
        options = csv.WriteOptions(include_header=quotes, delimiter=tab, quoting_style="needed" if quotes else "none")
        if not quotes:
            sink.write((tab.join(schema.names) + "\n").encode())
        return csv.CSVWriter(sink, schema, write_options=options)
    if fmt == "parquet":
        from pyarrow import parquet

        return parquet.ParquetWriter(sink, schema)
    import pyarrow as pa

    return pa.ipc.new_file(sink, schema)


def needs_quotes(batch: pd.DataFrame) -> bool:
    """Whether a CSV of this batch, and of others of its categories, must quote its texts."""
    texts = [str(c) for c in batch.columns]
    for name in batch.columns:
        values = batch[name]
        if isinstance(values.dtype, pd.CategoricalDtype):
            texts += [str(c) for c in values.cat.categories]
        elif values.dtype == object:
            return True
    return any(re.search(r'[,"\t\r\n;|]|^\s|\s$|^$', t) for t in texts)


def _plain(batch: pd.DataFrame) -> pd.DataFrame:
    """CSV needs dates without a midnight time, and text instead of dictionaries."""
    plain = batch.copy(deep=False)
    for name in plain.columns:
        values = plain[name]
        if isinstance(values.dtype, pd.DatetimeTZDtype) or values.dtype.kind == "M":
            midnight = bool((values.dropna() == values.dropna().dt.normalize()).all())
            plain[name] = values.dt.strftime(
                "%Y-%m-%d" if midnight else "%Y-%m-%d %H:%M:%S.%f" if _subsecond(values) else "%Y-%m-%d %H:%M:%S"
            )
        elif isinstance(values.dtype, pd.CategoricalDtype):
            plain[name] = values.astype(object)
    return plain


def _subsecond(values: pd.Series) -> bool:
    return bool((values.dropna() != values.dropna().dt.floor("s")).any())

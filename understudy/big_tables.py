"""Tables of any size: a uniform random sample of the rows, or of the privacy units, in one pass and bounded memory.

Every row gets a random key, or every unit a keyed hash of its name; the sample is what has the smallest keys
(bottom-k sampling: Cohen and Kaplan, PODC 2007), so it needs no count beforehand and rows of a unit stay together.
Whatever is not drawn is looked at once and forgotten. At most 1.25 times the sample is held at any time.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from understudy.csvfiles import MAX_DICTIONARY, Dialect, MixedTypes, csv_batches, frame_of, sniff
from understudy.errors import SchemaError, TableError
from understudy.schema import unknown_column
from understudy.tables import checked, flat, format_of_file, is_url, read_table, readable, sql_chunks

MEGABYTE = 1 << 20
CHUNK_ROWS = 1 << 16
TELL_ROWS = 1_000_000
_SMALL_BYTES = {False: 64 * MEGABYTE, True: 4 * MEGABYTE}  # a file (compressed or not) that fits in memory for certain
_JSON_BLOCK = 16 * MEGABYTE
_MAX_CHUNKS = 256
Tell = Callable[[int], None]


@dataclass(frozen=True)
class Drawn:
    """A raw table, in the source's order, and how many rows the source has."""

    table: pd.DataFrame
    n_source: int

    @property
    def is_sample(self) -> bool:
        return len(self.table) < self.n_source


def read_sample(
    source: str | Path, *, max_rows: int | None, unit: str | None = None, encoding: str = "utf-8",
    rng: np.random.Generator, tell: Tell | None = None,
) -> Drawn:  # fmt: skip
    """The raw table at `source`, or, when it has more than `max_rows` rows, a uniform random sample of it.

    Without `unit` the sample has exactly `max_rows` rows. With it, units are drawn with equal probability and come
    with all of their rows, as many units as fit into `max_rows`; a row without a unit is a unit of its own.

    Args:
        source: as for `read_table`.
        max_rows: the bound; None: read everything.
        unit: the column that names the privacy unit.
        rng: draws the keys; the same state gives the same sample.
        tell: called with the number of rows seen, every million.

    Raises:
        TableError: the source can't be read, or a single unit has more than `max_rows` rows.
        SchemaError: there is no column `unit`.
    """
    if max_rows is None or (not is_url(source) and _is_small(Path(source), max_rows)):
        table = read_table(source, encoding=encoding)
        if max_rows is None or len(table) <= max_rows:
            return Drawn(table, len(table))
        sample = _Sample(max_rows, unit, rng)
        sample.add(table)
        return Drawn(sample.rows().reset_index(drop=True), len(table))
    say = tell or (lambda n: None)
    if is_url(source):
        sample = _fill(sql_chunks(str(source), CHUNK_ROWS), max_rows, unit, rng, say)
        table = sample.rows().reset_index(drop=True)
    else:
        table, sample = _from_file(Path(source), max_rows, unit, encoding, rng, say)
    return Drawn(checked(table, source), sample.n_seen)


def _is_small(path: Path, max_rows: int) -> bool:
    fmt, compression = format_of_file(path)
    if fmt == "parquet":
        from pyarrow import parquet

        with readable(path, fmt):
            return int(parquet.read_metadata(path).num_rows) <= max_rows
    return path.stat().st_size <= _SMALL_BYTES[compression is not None]


def _from_file(
    path: Path, max_rows: int, unit: str | None, encoding: str, rng: np.random.Generator, tell: Tell
) -> tuple[pd.DataFrame, _Sample]:
    fmt, compression = format_of_file(path)
    if fmt != "csv":
        batches = {"parquet": _parquet, "arrow": _arrow}.get(fmt, lambda p: _json_lines(p, compression))
        with readable(path, fmt):
            sample = _fill(batches(path), max_rows, unit, rng, tell)
            return flat(sample.rows(), path), sample
    with readable(path, fmt):
        dialect = sniff(path, compression, encoding)
        for as_text in (False, True):
            try:
                sample = _fill(csv_batches(path, dialect, as_text), max_rows, unit, rng, tell)
                return _csv_frame(sample.rows(), dialect, as_text), sample
            except MixedTypes:
                continue
    raise AssertionError("text can hold any value")


def _fill(chunks: Iterator[Any], max_rows: int, unit: str | None, rng: np.random.Generator, tell: Tell) -> _Sample:
    sample, told = _Sample(max_rows, unit, rng), 0
    for chunk in chunks:
        sample.add(chunk)
        if sample.n_seen - told >= TELL_ROWS:
            told = sample.n_seen
            tell(told)
    return sample


class _Sample:
    """The rows with the smallest keys so far. Chunks are pandas tables, Arrow tables or Arrow record batches."""

    def __init__(self, size: int, unit: str | None, rng: np.random.Generator) -> None:
        self.size, self.unit, self.rng = size, unit, rng
        self.salt = np.uint64(rng.integers(0, 2**64, dtype=np.uint64))
        self.n_seen = self._n_kept = 0
        self._limit = np.uint64(2**64 - 1)
        self._keys: list[np.ndarray] = []
        self._chunks: list[Any] = []

    def add(self, chunk: Any) -> None:
        """Take what is to be kept of the next rows."""
        n = len(chunk) if isinstance(chunk, pd.DataFrame) else chunk.num_rows
        keys = self._draw(chunk, n)
        keep = np.flatnonzero(keys < self._limit)
        if len(keep) or not self._chunks:
            self._keys.append(keys[keep])
            self._chunks.append(chunk.take(keep))
        self.n_seen += n
        self._n_kept += len(keep)
        if self._n_kept > 1.25 * self.size:
            self._shrink()
        elif len(self._chunks) > _MAX_CHUNKS:
            self._keep(np.ones(self._n_kept, dtype=bool))

    def rows(self) -> Any:
        """The sample, in the order of the source, as one table of the chunks' kind."""
        if self._n_kept > self.size:
            self._shrink()
        return _concat(self._chunks)

    def _draw(self, chunk: Any, n: int) -> np.ndarray:
        """(n,) uint64 keys, equal for rows of one unit."""
        keys = self.rng.integers(0, 2**64 - 1, n, dtype=np.uint64)
        if self.unit is None:
            return keys
        names = list(chunk.columns) if isinstance(chunk, pd.DataFrame) else chunk.schema.names
        if self.unit not in names:
            raise SchemaError(unknown_column(self.unit, [str(c) for c in names], "unit"))
        units = chunk[self.unit] if isinstance(chunk, pd.DataFrame) else _to_series(chunk.column(self.unit))
        known = units.notna().to_numpy()
        keys[known] = _mix(_hashes(units[known]) ^ self.salt)
        return keys

    def _shrink(self) -> None:
        """Lower the limit so that no more than `size` rows are left, and whole units."""
        keys = np.sort(np.concatenate(self._keys))
        self._limit = keys[self.size]
        if self._limit == keys[0]:
            raise TableError(
                f"a single value of {self.unit!r} has more than {self.size:,} rows, all that data.max_rows admits;"
                " raise it, or name another unit"
            )
        self._keep(np.concatenate(self._keys) < self._limit)

    def _keep(self, which: np.ndarray) -> None:
        rows = np.flatnonzero(which)
        self._chunks = [_concat(self._chunks).take(rows)]
        self._keys = [np.concatenate(self._keys)[rows]]
        self._n_kept = len(rows)


def _concat(chunks: list[Any]) -> Any:
    if isinstance(chunks[0], pd.DataFrame):
        return pd.concat(chunks, ignore_index=True)
    import pyarrow as pa

    tables = [c if isinstance(c, pa.Table) else pa.Table.from_batches([c]) for c in chunks]
    return pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()


def _to_series(column: Any) -> pd.Series:
    """An Arrow column as pandas, integers with missing values as integers."""
    import pyarrow as pa

    return column.to_pandas(types_mapper=lambda t: pd.Int64Dtype() if pa.types.is_integer(t) else None)


def _hashes(values: pd.Series) -> np.ndarray:
    """(n,) uint64; whole numbers have the same whether they come as integers or as floats."""
    if pd.api.types.is_numeric_dtype(values.dtype) and values.dtype.kind != "b":
        if values.dtype.kind in "iu":
            return values.to_numpy().astype(np.int64).view(np.uint64)
        floats = values.to_numpy(dtype=np.float64)
        whole = (floats == np.round(floats)) & (np.abs(floats) < 2.0**63)
        return np.where(whole, np.where(whole, floats, 0.0).astype(np.int64).view(np.uint64), floats.view(np.uint64))
    codes, names = pd.factorize(values.astype(object))
    return pd.util.hash_array(np.array([str(x) for x in names], dtype=object), categorize=False)[codes]


def _mix(x: np.ndarray) -> np.ndarray:
    """splitmix64's finaliser (Steele, Lea and Flood, OOPSLA 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _parquet(path: Path) -> Iterator[Any]:
    from pyarrow import parquet

    # Read a row group piece by piece: a file may be a single one.
    with parquet.ParquetFile(path, pre_buffer=False, buffer_size=MEGABYTE) as file:
        yield from file.iter_batches(batch_size=CHUNK_ROWS)


def _arrow(path: Path) -> Iterator[Any]:
    import pyarrow as pa

    with pa.memory_map(str(path)) as source:
        try:
            file = pa.ipc.open_file(source)
        except pa.ArrowInvalid:
            source.seek(0)
            yield from pa.ipc.open_stream(source)
            return
        for i in range(file.num_record_batches):
            batch = file.get_batch(i)
            yield from (batch.slice(a, CHUNK_ROWS) for a in range(0, batch.num_rows, CHUNK_ROWS))


def _json_lines(path: Path, compression: str | None) -> Iterator[Any]:
    """Blocks of whole lines, each with the types and columns that it shows."""
    import pyarrow as pa
    from pyarrow import json as pa_json

    with pa.input_stream(str(path), compression=compression) as stream:
        rest = b""
        while block := stream.read(_JSON_BLOCK):
            lines, newline, tail = (rest + block).rpartition(b"\n")
            if newline and lines.strip():
                yield pa_json.read_json(io.BytesIO(lines))
            rest = tail
        if rest.strip():
            yield pa_json.read_json(io.BytesIO(rest))


def _csv_frame(table: Any, dialect: Dialect, as_text: bool) -> pd.DataFrame:
    """As `read_csv` gives it: columns of few texts as categories, without the blanks of the dialect."""
    import pyarrow as pa

    for i, field in enumerate(table.schema):
        if pa.types.is_string(field.type) and not as_text:
            coded = table.column(i).combine_chunks().dictionary_encode()
            if len(coded.dictionary) <= MAX_DICTIONARY:
                table = table.set_column(i, field.name, coded)
    return frame_of(table, dialect, as_text)

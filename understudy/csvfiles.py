"""CSV in the dialects people have: delimiter, decimal comma, compression, missing-value words.

Parsed by pyarrow, which is strict about ragged rows; what this file adds is finding out the
dialect and saying in one line what is wrong.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from understudy.errors import TableError

if TYPE_CHECKING:
    import pyarrow as pa

MISSING = ("", "?", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "<NA>", "#N/A", "#NA", "-nan")
MAX_COLUMNS = 4096
MAX_DICTIONARY = 4096
_SNIFF_BYTES = 1 << 18
_BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\x00\x00\xfe\xff": "utf-32"}


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written, and the names in its header."""

    compression: str | None
    encoding: str
    delimiter: str
    decimal: str
    names: tuple[str, ...]


class MixedTypes(Exception):
    """A block holds values of another type than the first one: read the whole file again, as text."""


def sniff(path: Path, compression: str | None, encoding: str) -> Dialect:
    """The dialect of a CSV file, from its first lines. Raises TableError naming the line, and the remedy."""
    head = _head(path, compression)
    _check_bytes(head, path, encoding)
    lines = _lines(head, encoding)
    if not lines:
        raise TableError(f"{path}: the file is empty; give a table with a header and rows")
    delimiter = _delimiter(lines, path)
    names = _header(lines, delimiter)
    if len(names) > MAX_COLUMNS:
        raise TableError(
            f"{path}: {len(names):,} columns, the most is {MAX_COLUMNS:,}; drop columns or split the table"
        )
    decimal = "," if delimiter in ";\t" and _decimal_comma(lines, delimiter) else "."
    return Dialect(compression, encoding, delimiter, decimal, tuple(names))


def read_csv(path: Path, compression: str | None, encoding: str = "utf-8") -> pd.DataFrame:
    """The table in a CSV file. Raises TableError naming the line or column, and the remedy."""
    import pyarrow as pa
    from pyarrow import csv as pa_csv

    dialect = sniff(path, compression, encoding)
    for as_text in (False, True):
        try:
            with pa.input_stream(str(path), compression=compression) as stream:
                table = pa_csv.read_csv(stream, **_options(dialect, as_text, dictionaries=True))
            return frame_of(table, dialect, as_text)
        except pa.ArrowInvalid as e:
            if as_text or not _is_mixed(e):
                raise TableError(_explain(str(e), path, dialect)) from None
    raise AssertionError("text can hold any value")


def csv_batches(path: Path, dialect: Dialect, as_text: bool) -> Iterator[pa.RecordBatch]:
    """The rows of a CSV file in blocks of some megabytes, in constant memory; the types are those of the first block.

    Raises TableError, and MixedTypes when a later block doesn't fit the types (never with `as_text`).
    """
    import pyarrow as pa
    from pyarrow import csv as pa_csv

    try:
        with pa.input_stream(str(path), compression=dialect.compression) as stream:
            yield from pa_csv.open_csv(stream, **_options(dialect, as_text, dictionaries=False))
    except pa.ArrowInvalid as e:
        if _is_mixed(e) and not as_text:
            raise MixedTypes from None
        raise TableError(_explain(str(e), path, dialect)) from None


def frame_of(table: pa.Table, dialect: Dialect, as_text: bool) -> pd.DataFrame:
    """To pandas: missing values, blanks, and, if it was read as text, the types of its columns."""
    return _retype(table, dialect.decimal) if as_text else _to_pandas(table)


def _is_mixed(e: Exception) -> bool:
    """Whether the first block looked like numbers and a later one holds words."""
    return "conversion error" in str(e) and "UTF8" not in str(e)


def _options(dialect: Dialect, as_text: bool, *, dictionaries: bool) -> dict[str, Any]:
    import pyarrow as pa
    from pyarrow import csv as pa_csv

    return {
        "read_options": pa_csv.ReadOptions(encoding=dialect.encoding, block_size=1 << 22),
        "parse_options": pa_csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True),
        "convert_options": pa_csv.ConvertOptions(
            null_values=list(MISSING), strings_can_be_null=True, quoted_strings_can_be_null=True,
            decimal_point=dialect.decimal, column_types=dict.fromkeys(dialect.names, pa.string()) if as_text else {},
            auto_dict_encode=dictionaries and not as_text, auto_dict_max_cardinality=MAX_DICTIONARY,
        ),
    }  # fmt: skip


def _to_pandas(table) -> pd.DataFrame:  # type: ignore[no-untyped-def]
    import pyarrow as pa

    nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    columns: dict[str, pd.Series] = {}  # by position: a duplicate name must reach the check that reports it
    for i, field in enumerate(table.schema):
        values = table.column(i)
        kind = nullable.get(field.type) if values.null_count else None
        series = values.to_pandas(types_mapper=lambda t, k=kind: k, date_as_object=False)
        if isinstance(series.dtype, pd.CategoricalDtype):
            series = _strip(series)
        columns[f"{i}"] = series
    frame = pd.DataFrame(columns)
    frame.columns = pd.Index([field.name.strip() for field in table.schema])
    return frame


def _strip(values: pd.Series) -> pd.Series:
    """Blanks after the delimiter belong to the dialect; a stripped '?' is a missing value."""
    labels = [str(c).strip() for c in values.cat.categories]
    if labels == list(values.cat.categories):
        return values
    mapped = {
        old: (None if new in MISSING else new) for old, new in zip(values.cat.categories, labels, strict=True)
    }
    stripped = values.astype(object).map(mapped)
    numbers = pd.to_numeric(stripped, errors="coerce")
    return numbers if (numbers.isna() == stripped.isna()).all() else stripped.astype("category")


def _retype(table: pa.Table, decimal: str) -> pd.DataFrame:
    """Type a table read as text, column by column: numbers where every value is one."""
    columns: dict[str, pd.Series] = {}
    for i in range(table.num_columns):
        text = table.column(i).to_pandas().str.strip()
        numbers = pd.to_numeric(text.str.replace(",", ".") if decimal == "," else text, errors="coerce")
        columns[f"{i}"] = numbers if (numbers.isna() == text.isna()).all() else text
    frame = pd.DataFrame(columns)
    frame.columns = pd.Index([name.strip() for name in table.column_names])
    return frame


def _head(path: Path, compression: str | None) -> bytes:
    import pyarrow as pa

    try:
        with pa.input_stream(str(path), compression=compression) as stream:
            return stream.read(_SNIFF_BYTES)
    except (OSError, pa.ArrowException) as e:
        problem = str(e).splitlines()[0][:160]
        raise TableError(
            f"{path}: can't be read ({problem}); check the file and its compression suffix"
        ) from None


def _check_bytes(head: bytes, path: Path, encoding: str) -> None:
    for bom, name in _BOMS.items():
        if head.startswith(bom) and not encoding.startswith("utf-16"):
            raise TableError(f"{path}: is encoded in {name}; pass --encoding {name}, or save it as UTF-8")
    if b"\x00" in head and not encoding.startswith("utf-16"):
        line = head[: head.index(b"\x00")].count(b"\n") + 1
        raise TableError(f"{path}: line {line} has NUL bytes; it is not a text file, export the table again")
    try:
        head.decode(encoding)
    except LookupError:
        raise TableError(
            f"{path}: encoding {encoding!r} is not known; use utf-8, latin-1 or cp1252"
        ) from None
    except UnicodeDecodeError as e:
        if e.start < len(head) - 4:  # not just a character cut at the end of the sample
            line = head[: e.start].count(b"\n") + 1
            raise TableError(
                f"{path}: line {line} is not valid {encoding.upper()}; pass --encoding latin-1, or save it as UTF-8"
            ) from None


def _lines(head: bytes, encoding: str) -> list[str]:
    text = head.decode(encoding, errors="replace").removeprefix("\ufeff")
    whole = text if len(head) < _SNIFF_BYTES else text.rpartition("\n")[0]
    return [line for line in re.split(r"\r\n|\n|\r", whole) if line.strip()][:200]


def _delimiter(lines: list[str], path: Path) -> str:
    """The delimiter that splits the header and most lines alike; ',' for a single column."""

    def fields(line: str, d: str) -> int:
        return len(next(csv.reader([line], delimiter=d), []))

    best, score = ",", 0.0
    for d in ",;\t|":
        n = fields(lines[0], d)
        same = sum(fields(line, d) == n for line in lines) / len(lines)
        if n > 1 and same * min(n, 20) > score:
            best, score = d, same * min(n, 20)
    if not score:
        other = next(
            (
                d
                for d in ":~^ "
                if fields(lines[0], d) > 2 and all(fields(x, d) == fields(lines[0], d) for x in lines)
            ),
            None,
        )
        if other:
            raise TableError(
                f"{path}: looks delimited by {other!r}; convert it to commas, semicolons, tabs or bars"
            )
    return best


def _header(lines: list[str], delimiter: str) -> list[str]:
    return next(csv.reader([lines[0]], delimiter=delimiter))


def _decimal_comma(lines: list[str], delimiter: str) -> bool:
    cells = [c.strip() for row in csv.reader(lines[1:], delimiter=delimiter) for c in row]
    return sum(bool(re.fullmatch(r"-?\d+,\d+", c)) for c in cells) > sum(
        bool(re.fullmatch(r"-?\d+\.\d+", c)) for c in cells
    )


def _explain(problem: str, path: Path, dialect: Dialect) -> str:
    if m := re.search(r"Expected (\d+) columns, got (\d+)", problem):
        line = _first_ragged_line(path, dialect, int(m[1]))
        return f"{path}: {line} has {m[2]} fields where the header has {m[1]}; mend it or quote the delimiter"
    if "UTF8" in problem or "utf-8" in problem.lower():
        return f"{path}: is not valid {dialect.encoding.upper()}; pass --encoding latin-1, or save it as UTF-8"
    return f"{path}: not a readable CSV file ({problem.splitlines()[0][:160]}); export it again"


def _first_ragged_line(path: Path, dialect: Dialect, expected: int) -> str:
    """"line 82": pyarrow parses in parallel blocks and can't tell, so look again."""
    import io

    import pyarrow as pa

    with pa.input_stream(str(path), compression=dialect.compression) as stream:
        text = io.TextIOWrapper(stream, encoding=dialect.encoding, errors="replace", newline="")
        reader = csv.reader(text, delimiter=dialect.delimiter)
        for fields in reader:
            if fields and len(fields) != expected:
                return f"line {reader.line_num}"
    return "a line"

"""What the commands `pii` and `tokenise` do: paths in, findings or a table out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from understudy.config import Pii
from understudy.errors import ConfigError, SchemaError
from understudy.inference import infer_column
from understudy.pii.report import ColumnReport, report
from understudy.pii.tokens import TOKEN_BITS, TokenKey
from understudy.pii.tokens import tokenise as tokens_of
from understudy.schema import Column, unknown_column
from understudy.tables import format_of, read_table, write_table


def scan(*, table: str, pii: Pii, encoding: str = "utf-8") -> list[ColumnReport]:
    """What a raw table's columns hold, and what a run with these settings would do about it. Raises TableError."""
    raw = read_table(table, encoding=encoding)
    columns: dict[str, Column] = {}
    for name in raw.columns:
        try:
            columns[str(name)] = infer_column(raw[name], pii=pii)
        except SchemaError:  # a run would refuse the column; the report says so
            continue
    return report(raw, columns, pii=pii)


def tokenise(
    *, table: str, columns: Sequence[str], out: str | Path, domain: str | None = None,
    key_file: str | Path | None = None, encoding: str = "utf-8",
) -> dict[str, Any]:  # fmt: skip
    """Write `table` to `out` with tokens in `columns`; the other columns are as they were read.

    Returns the key's id, the bits of a token and the number of distinct values.
    Raises ConfigError for an unknown column or a key that is missing or weak, TableError.
    """
    key = TokenKey.read(key_file)
    format_of(out)
    raw = read_table(table, encoding=encoding)
    distinct = 0
    for name in columns:
        if name not in raw.columns:
            raise ConfigError(unknown_column(name, map(str, raw.columns), "tokenised column"))
        distinct += int(raw[name].nunique())
        raw[name] = tokens_of(raw[name], key, domain or name)
    write_table(raw, out)
    return {"key_id": key.key_id, "token_bits": TOKEN_BITS, "values": distinct}

"""From a raw table to one that generators can learn: schema, direct identifiers out, quality checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from understudy.big_tables import read_sample
from understudy.canonical import conform
from understudy.errors import ConfigError
from understudy.inference import infer_schema
from understudy.pii.report import report
from understudy.pii.tokens import TokenKey, tokenise
from understudy.quality import check
from understudy.schema import Column, TableSchema, unknown_column
from understudy.tables import read_table

if TYPE_CHECKING:
    import pandas as pd

    from understudy.config import Data
    from understudy.progress import Progress


def prepare(
    source: str | Path, data: Data, progress: Progress, *, seed: int | None = None
) -> tuple[pd.DataFrame, TableSchema, dict[str, Any]]:
    """The conformed table at `source`, its schema, and its profile; `data` says what is known about it.

    Of a table of more than `data.max_rows` rows it is a random sample, drawn with `seed` (None: from OS entropy);
    the profile's `rows_source` says how many rows there were.

    Raises:
        TableError, SchemaError: the table can't be read or worked with.
        ConfigError: `data` drops or tokenises a column that isn't there; there is no key to tokenise with.
    """
    progress(0.0, "reading the table")
    overrides = TableSchema.read(data.schema_file) if data.schema_file else None
    drawn = read_sample(
        source,
        max_rows=data.max_rows,
        unit=data.unit or (overrides.unit if overrides else None),
        encoding=data.encoding,
        # A stream of its own: the same seed tosses the split's coins.
        rng=np.random.default_rng(None if seed is None else [seed, 1]),
        tell=lambda n: progress(0.0, f"reading the table: {n:,} rows"),
    )
    if drawn.is_sample:
        progress(0.3, f"it has {drawn.n_source:,} rows: {len(drawn.table):,} were drawn at random (data.max_rows)")
    found = _without(drawn.table, data.drop)
    raw, key_id = _tokenised(found, data)
    inferred = infer_schema(
        raw, target=data.target, unit=data.unit, overrides=_with_tokens(overrides, data), n_source=drawn.n_source,
        pii=data.pii,
    )  # fmt: skip
    columns = {c.name: c for c in inferred.columns}
    lines = report(
        found, columns, pii=data.pii, unit=inferred.unit, target=inferred.target, tokenised=data.tokenise
    )
    schema, dropped = _without_identifiers(inferred)
    progress(0.4, "checking its quality")
    table = conform(raw, schema)
    profile = check(table, schema) | {"rows_source": drawn.n_source, "dropped": dropped}
    profile["pii"] = [line.model_dump() for line in lines]
    if key_id:
        profile["token_key_id"] = key_id
    if drawn.is_sample:
        profile["warnings"].append(f"{drawn.n_source:,} rows were read, {len(table):,} drawn at random and used")
    return table, schema, profile


def _tokenised(table: pd.DataFrame, data: Data) -> tuple[pd.DataFrame, str]:
    """The table with tokens in the columns of `data.tokenise`, and the key's id; "" where nothing is tokenised."""
    if not data.tokenise:
        return table, ""
    for name in data.tokenise:
        if name not in table.columns:
            raise ConfigError(unknown_column(name, map(str, table.columns), "tokenised column"))
        if name == data.target:
            raise ConfigError(f"target {name!r} is to be tokenised, but tokens can't be predicted; choose one of them")
    key = TokenKey.read()
    tokens = {name: tokenise(table[name], key, domain) for name, domain in data.tokenise.items()}
    return table.assign(**tokens), key.key_id


def _with_tokens(overrides: TableSchema | None, data: Data) -> TableSchema | None:
    """Schema overrides in which tokenised columns are ids: kept in the real tables, replaced in the synthetic one."""
    own = tuple(
        Column(name=n, kind="id", identifier="token", action="replace") for n in data.tokenise if n != data.unit
    )
    if not own:
        return overrides
    if overrides is None:
        return TableSchema(columns=own)
    others = tuple(c for c in overrides.columns if c.name not in data.tokenise)
    return overrides.model_copy(update={"columns": (*others, *own)})


def describe(
    path: str | Path,
    *,
    schema_file: str | Path | None = None,
    target: str | None = None,
    unit: str | None = None,
) -> TableSchema:
    """The schema of a table that has been preprocessed or comes with a schema file."""
    overrides = TableSchema.read(schema_file) if schema_file else None
    return _without_identifiers(
        infer_schema(read_table(path), target=target, unit=unit, overrides=overrides)
    )[0]


def _without_identifiers(schema: TableSchema) -> tuple[TableSchema, dict[str, str]]:
    """The schema without the id and text columns that are dropped, and why each of them was.

    The unit's column stays: the audit needs it, generators never learn it.
    """
    stays = {c.name for c in schema.released} | {schema.unit}
    kept = tuple(c for c in schema.columns if c.name in stays)
    dropped = {c.name: c.identifier or c.kind for c in schema.columns if c.name not in stays}
    return schema.model_copy(update={"columns": kept}), dropped


def _without(table: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    for name in names:
        if name not in table.columns:
            raise ConfigError(unknown_column(name, map(str, table.columns), "dropped column"))
    return table.drop(columns=list(names))

"""Each format gives the table back, however it is cut into batches."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.people import conformed_people
from understudy.serving.formats import Encoder, needs_quotes
from understudy.serving.request import Format
from understudy.serving.sampling import to_arrow
from understudy.tables import write_table

TABLE, SCHEMA = conformed_people(300, seed=3)


def encoded(fmt: Format, *cuts: int) -> bytes:
    encoder, whole = Encoder(fmt, SCHEMA), to_arrow(TABLE)
    ends = [0, *cuts, len(TABLE)]
    return b"".join(encoder.encode(whole.slice(a, b - a)) for a, b in zip(ends, ends[1:], strict=False)) + encoder.finish()


def decoded(fmt: Format, data: bytes) -> pd.DataFrame:
    if fmt == "csv":
        return pd.read_csv(io.BytesIO(data), parse_dates=["joined"])
    if fmt == "jsonl":
        return pd.read_json(io.BytesIO(data), lines=True, convert_dates=["joined"])
    if fmt == "parquet":
        return pd.read_parquet(io.BytesIO(data))
    return pa.ipc.open_stream(data).read_all().to_pandas()


@pytest.mark.parametrize("fmt", ["csv", "jsonl", "parquet", "arrow"])
def test_what_is_sent_reads_back_as_the_table(fmt: Format) -> None:
    for data in (encoded(fmt), encoded(fmt, 1, 100, 299)):
        found = decoded(fmt, data)
        assert list(found.columns) == list(TABLE.columns) and len(found) == len(TABLE)
        for name in TABLE:
            if pd.api.types.is_numeric_dtype(TABLE[name]) and TABLE[name].dtype.kind != "b":
                np.testing.assert_allclose(found[name].astype(float), TABLE[name].astype(float), rtol=1e-9)
            else:
                assert [str(x) for x in found[name]] == [str(x) for x in TABLE[name]] or name == "grade"
        assert found["grade"].isna().sum() == TABLE["grade"].isna().sum() > 0


def test_csv_is_what_the_command_line_writes(tmp_path) -> None:
    write_table(TABLE, tmp_path / "t.csv")
    assert encoded("csv", 120) == (tmp_path / "t.csv").read_bytes()


def test_texts_with_commas_are_quoted() -> None:
    batch = pa.table({"a": pa.array(["x, y", "z"]).dictionary_encode()})
    assert needs_quotes(batch) and not needs_quotes(pa.table({"a": pa.array(["x", "z"]).dictionary_encode()}))


def test_no_rows_make_a_whole_file() -> None:
    whole = to_arrow(TABLE).slice(0, 0)
    for fmt in ("parquet", "arrow"):
        encoder = Encoder(fmt, SCHEMA)  # type: ignore[arg-type]
        assert len(decoded(fmt, encoder.encode(whole) + encoder.finish())) == 0  # type: ignore[arg-type]

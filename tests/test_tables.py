import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.people import conformed_people, people
from understudy.canonical import conform
from understudy.errors import SchemaError, StorageError, TableError
from understudy.inference import infer_schema
from understudy.schema import Column, TableSchema
from understudy.tables import read_table, write_batches, write_table


@pytest.mark.parametrize(
    "name", ["t.csv", "t.csv.gz", "t.csv.zst", "t.tsv", "t.parquet", "t.jsonl", "t.jsonl.gz", "t.arrow"]
)
def test_every_format_gives_the_table_back(tmp_path: Path, name: str) -> None:
    table, schema = conformed_people(500)
    write_table(table, tmp_path / name)
    again = conform(read_table(tmp_path / name), schema)
    for column in schema.columns:
        a, b = table[column.name], again[column.name]
        if column.kind == "categorical":
            a, b = a.astype(object), b.astype(object)
        pd.testing.assert_series_equal(a, b, check_dtype=column.kind != "categorical", rtol=1e-12)
    assert [p.name for p in tmp_path.iterdir()] == [name]  # no temporary file is left


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"age{delimiter}sex\n" + f"30{delimiter}f\n31{delimiter}m\n" * 50)
    assert list(read_table(path).columns) == ["age", "sex"]


def test_decimal_commas_quotes_line_breaks_and_crlf(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b'pay;note\r\n1,5;"a;b\nc"\r\n2,25;"say ""x"""\r\n')
    table = read_table(path)
    assert table["pay"].tolist() == [1.5, 2.25]
    assert table["note"].tolist() == ["a;b\nc", 'say "x"']


@pytest.mark.parametrize("word", ["", "?", "NA", "N/A", "NULL", "nan", " ?"])
def test_missing_value_words(tmp_path: Path, word: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"age,job\n30,clerk\n{word},{word}\n32, cook\n")
    table = read_table(path)
    assert table["age"].isna().tolist() == [False, True, False]
    assert table["job"].isna().tolist() == [False, True, False]
    assert table["job"].tolist()[2] == "cook"  # a blank after the delimiter is dialect, not data


def test_whole_numbers_with_missing_values_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("key,x\n9007199254740993,1\n,2\n5,3\n")
    schema = TableSchema(columns=(Column(name="key", kind="numerical", decimals=0, nullable=True),))
    assert conform(read_table(path), schema)["key"].tolist()[0] == 9007199254740993


def test_utf8_with_bom_and_other_encodings(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("\ufeffname,x\nJosé,1\n".encode())
    assert list(read_table(path).columns) == ["name", "x"]
    path.write_bytes("name,x\nJosé,1\n".encode("latin-1"))
    assert read_table(path, encoding="latin-1")["name"].tolist() == ["José"]


def test_words_that_appear_late_make_a_column_text(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "".join(f"{i},{i}\n" for i in range(700_000)) + "unknown,1\n")
    table = read_table(path)
    assert table["x"].iloc[-1] == "unknown"
    assert table["y"].dtype.kind in "if"


def test_sql(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "p.db") as db:
        people(20).drop(columns=["children"]).to_sql("patients", db, index=False)
    url = f"sqlite:///{tmp_path}/p.db"
    assert len(read_table(f"{url}#patients")) == 20
    with pytest.raises(TableError, match="names no table"):
        read_table(url)
    with pytest.raises(TableError, match="'nobody' can't be read"):
        read_table(f"{url}#nobody")


def test_a_password_never_reaches_a_message() -> None:
    with pytest.raises(TableError) as e:
        read_table("postgresql://me:hunter2@localhost:1/db#t")
    assert "hunter2" not in str(e.value)


def test_dates_are_read_and_written_as_dates(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "day": pd.to_datetime(["2020-02-29", "2021-12-31"]),
            "at": pd.to_datetime(["2020-01-01 10:30:00", "2021-01-01 00:00:00"]),
        }
    )
    write_table(table, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().splitlines()[:2] == ["day,at", "2020-02-29,2020-01-01 10:30:00"]
    assert infer_schema(read_table(tmp_path / "t.csv")).column("day").kind == "datetime"


def test_batches_stream_to_one_file(tmp_path: Path) -> None:
    table, schema = conformed_people(300)
    for suffix in ("csv", "parquet", "jsonl", "arrow"):
        n = write_batches(iter([table, table.iloc[:50]]), tmp_path / f"t.{suffix}")
        assert n == 350
        assert len(conform(read_table(tmp_path / f"t.{suffix}"), schema)) == 350


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("old")

    def broken():
        yield people(5)
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match="disk is full"):
        write_batches(broken(), path)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_conform_names_the_column_that_does_not_fit() -> None:
    schema = TableSchema(columns=(Column(name="age", kind="numerical"),))
    with pytest.raises(SchemaError, match="'age' doesn't hold numerical values"):
        conform(pd.DataFrame({"age": ["old", "young"]}), schema)
    with pytest.raises(SchemaError, match="'age' is not a column"):
        conform(pd.DataFrame({"ages": [1]}), schema)
    with pytest.raises(SchemaError, match="infinite"):
        conform(pd.DataFrame({"age": [1.0, np.inf]}), schema)


def test_a_word_that_is_no_boolean_is_named() -> None:
    schema = TableSchema(columns=(Column(name="a", kind="boolean", nullable=True),))
    with pytest.raises(SchemaError, match="column 'a' doesn't hold boolean values .'maybe' is neither true nor false"):
        conform(pd.DataFrame({"a": ["true", None, "Maybe"]}), schema)

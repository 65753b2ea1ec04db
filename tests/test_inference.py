import numpy as np
import pandas as pd
import pytest

from tests.people import people
from understudy.canonical import conform
from understudy.errors import SchemaError
from understudy.inference import infer_schema
from understudy.schema import Column, TableSchema


def kinds(table: pd.DataFrame) -> dict[str, str]:
    return {c.name: c.kind for c in infer_schema(table).columns}


def test_kinds_precision_and_missing_values() -> None:
    schema = infer_schema(people(1000))
    assert {c.name: c.kind for c in schema.columns} == {
        "age": "numerical", "region": "categorical", "region_code": "numerical", "pay": "numerical", "bonus": "numerical",
        "active": "boolean", "score": "numerical", "joined": "datetime", "grade": "categorical", "children": "numerical",
        "plan": "categorical",
    }  # fmt: skip
    assert schema.column("age").integer
    assert schema.column("pay").decimals == 2
    assert schema.column("score").decimals is None
    assert schema.column("bonus").step == 1000
    assert schema.column("joined").step == 86_400_000_000_000
    assert [c.name for c in schema.columns if c.nullable] == ["grade", "children"]


@pytest.mark.parametrize(
    ("name", "values", "identifier"),
    [
        ("contact", [f"p{i}@example.org" for i in range(100)], "email"),
        ("x", [f"+44 20 7946 {i:04d}" for i in range(100)], "phone"),
        ("x", [f"{i:08x}-0000-4000-8000-000000000000" for i in range(100)], "uuid"),
        ("ssn", [f"{i:03d}-12-3456" for i in range(100)], "national id"),
        ("full_name", [f"Person {chr(65 + i % 26)}{i}" for i in range(100)], "name"),
        ("customer_id", list(range(1000, 1100)), "key"),
        ("row", list(range(100)), "key"),
        ("code", [f"A{i * 7919 % 1000:03d}" for i in range(100)], "key"),
    ],
)
def test_direct_identifiers_and_keys_are_not_modelled(name: str, values: list, identifier: str) -> None:
    column = infer_schema(pd.DataFrame({name: values, "y": np.arange(100) % 7})).column(name)
    assert (column.kind, column.identifier) == ("id", identifier)


def test_free_text_is_not_modelled() -> None:
    rng = np.random.default_rng(0)
    notes = [
        " ".join(rng.choice(["pain", "in", "the", "knee", "left", "since", "May"], 8)) + str(i)
        for i in range(100)
    ]
    assert kinds(pd.DataFrame({"notes": notes, "y": np.arange(100) % 7}))["notes"] == "text"


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%Y/%m/%d"])
def test_dates_in_the_forms_people_write(form: str) -> None:
    days = pd.date_range("2020-01-01", periods=100).strftime(form)
    raw = pd.DataFrame({"day": [*days, *days[:-1], None], "y": np.arange(200) % 7})
    schema = infer_schema(raw)
    assert (schema.column("day").kind, schema.column("day").step) == ("datetime", 86_400_000_000_000)
    for table in (raw, raw.astype({"day": "category"})):
        read = conform(table, schema)["day"]
        assert read.iloc[31] == pd.Timestamp("2020-02-01") and read.isna().tolist() == [False] * 199 + [True]


def test_nothing_of_the_table_is_in_the_schema() -> None:
    text = infer_schema(people(500)).to_json()
    assert "north" not in text
    assert "maximum" not in text


def test_a_schema_file_overrides_inference() -> None:
    zip_code = Column(name="region_code", kind="categorical")
    schema = infer_schema(people(300), overrides=TableSchema(columns=(zip_code,)))
    assert schema.column("region_code") == zip_code
    assert schema.names == list(people(1).columns)


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (["1"] * 95 + ["old", "young", "2", "3", "4"], "mixes numbers with other values such as 'old'"),
        ([None] * 100, "has no values at all; leave it out with --drop 'x'"),
        ([5] * 100, "single value throughout"),
        ([1.0, np.inf] * 50, "infinite"),
    ],
)
def test_what_can_not_be_used_is_named(column: list, says: str) -> None:
    with pytest.raises(SchemaError, match=says) as e:
        infer_schema(pd.DataFrame({"x": column, "y": np.arange(100) % 7}))
    assert "'x'" in str(e.value)


def test_unknown_target_and_unit_have_a_suggestion() -> None:
    with pytest.raises(
        SchemaError, match="target 'regoin' is not a column of the table; did you mean 'region'"
    ):
        infer_schema(people(100), target="regoin")
    with pytest.raises(SchemaError, match="unit 'who'"):
        infer_schema(people(100), unit="who")

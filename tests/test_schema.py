import pytest

from understudy.errors import SchemaError
from understudy.schema import Column, TableSchema

AGE = Column(name="age", kind="numerical", decimals=0)
NAME = Column(name="name", kind="id", identifier="name")


def test_json_round_trip_keeps_everything_and_the_hash() -> None:
    schema = TableSchema(
        columns=(AGE, NAME, Column(name="é", kind="categorical", categories=("a", "b"), nullable=True)),
        target="é",
        unit="name",
    )
    again = TableSchema.from_json(schema.to_json())
    assert again == schema
    assert again.sha256() == schema.sha256()


def test_the_hash_tells_schemas_apart() -> None:
    a = TableSchema(columns=(AGE,))
    assert a.sha256() != TableSchema(columns=(AGE.model_copy(update={"nullable": True}),)).sha256()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"columns": []}', "at least one column"),
        ('{"columns": [{"name": "a", "kind": "numeric"}]}', "columns.0.kind"),
        (
            '{"columns": [{"name": "a", "kind": "id"}, {"name": "a", "kind": "id"}]}',
            "duplicate column names: a",
        ),
        ('{"columns": [{"name": "age", "kind": "numerical"}], "target": "agee"}', "did you mean 'age'"),
        ('{"columns": [{"name": "a", "kind": "id"}], "target": "a"}', "not modelled"),
        ('{"columns": [{"name": "a", "kind": "boolean"}], "unit": "a"}', "must be of kind id"),
        ('{"columns": [{"name": "a", "kind": "numerical", "minimum": 2, "maximum": 1}]}', "exceeds maximum"),
        ('{"columns": [{"name": "a", "kind": "boolean", "colour": 1}]}', "colour"),
        ("{", "Invalid JSON"),
    ],
)
def test_a_malformed_schema_is_one_line_that_names_the_thing(text: str, says: str) -> None:
    with pytest.raises(SchemaError) as e:
        TableSchema.from_json(text, "schema.json")
    assert says in str(e.value)
    assert "\n" not in str(e.value)


def test_only_modelled_columns_and_surrogates_are_released() -> None:
    key = Column(name="key", kind="id", action="replace")
    schema = TableSchema(columns=(AGE, NAME, key))
    assert [c.name for c in schema.modelled] == ["age"]
    assert [c.name for c in schema.released] == ["age", "key"]

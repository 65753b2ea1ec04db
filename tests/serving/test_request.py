"""What a request may be: each mistake is refused with its field's name."""

from __future__ import annotations

import json

import pytest

from tests.people import conformed_people
from understudy.serving.formats import negotiated
from understudy.serving.refusal import Refusal
from understudy.serving.request import ImputeRequest, SampleRequest, parse

SCHEMA = conformed_people(50)[1]

WRONG = [
    (b"", "body"),
    (b"[1]", "body"),
    (b'{"n_rows": NaN}', "body"),
    (b"[" * 100_000, "body"),
    (b"{}", "n_rows"),
    (b'{"n_rows": 0}', "n_rows"),
    (b'{"n_rows": true}', "n_rows"),
    (b'{"n_rows": 1.5}', "n_rows"),
    (b'{"n_rows": "7"}', "n_rows"),
    (b'{"n_rows": 10000000000}', "n_rows"),
    (b'{"n_rows": 1, "seed": -1}', "seed"),
    (b'{"n_rows": 1, "rows": 2}', "rows"),
    (b'{"n_rows": 1, "where": 3}', "where"),
    (b'{"n_rows": 1, "where": {"age": {"least": 3}}}', "where.age"),
    (b'{"n_rows": 1, "where": {"age": 1e999}}', "where.age"),
    (b'{"n_rows": 1, "where": {"age": []}}', "where.age"),
    (b'{"n_rows": 1, "where": {"age": 1' + b"0" * 400 + b"}}", "where.age"),
    (b'{"n_rows": 1, "columns": []}', "columns"),
    (b'{"n_rows": 1, "format": "xls"}', "format"),
]
IMPOSSIBLE = [
    ({"n_rows": 101}, "n_rows", 400),
    ({"n_rows": 1, "where": {"agee": 3}}, "where.agee", 400),
    ({"n_rows": 1, "where": {"region": {"min": 3}}}, "where.region", 400),
    ({"n_rows": 1, "columns": ["age", "nope"]}, "columns.1", 400),
    ({"n_rows": 1, "columns": ["age", "age"]}, "columns.1", 400),
]


@pytest.mark.parametrize(("body", "field"), WRONG, ids=[b.decode()[:40] for b, _ in WRONG])
def test_a_malformed_request_is_refused_with_its_field(body: bytes, field: str) -> None:
    with pytest.raises(Refusal) as e:
        parse(SampleRequest, body)
    assert e.value.field == field and e.value.http_status == 400
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(("content", "field", "status"), IMPOSSIBLE)
def test_a_request_that_doesnt_fit_the_table_is_refused_with_its_field(content: dict, field: str, status: int) -> None:
    with pytest.raises(Refusal) as e:
        parse(SampleRequest, json.dumps(content).encode()).check(SCHEMA, most_rows=100)
    assert (e.value.field, e.value.http_status) == (field, status)


def test_conditions_become_what_generators_take() -> None:
    body = {"n_rows": 5, "where": {"age": {"min": 30}, "grade": ["a", None], "bonus": [{"max": 0}, {"min": 5}], "active": True}}
    found = parse(SampleRequest, json.dumps(body).encode())
    found.check(SCHEMA, most_rows=5)
    assert found.conditions() == {"age": {"min": 30}, "grade": ["a", None], "bonus": [{"max": 0}, {"min": 5}], "active": True}


def test_rows_to_impute_are_objects_of_plain_values() -> None:
    with pytest.raises(Refusal) as e:
        parse(ImputeRequest, b'{"rows": [{"age": {"deep": 1}}]}')
    assert e.value.field.startswith("rows.0.age")


@pytest.mark.parametrize(
    ("accept", "fmt"),
    [(None, "csv"), ("*/*", "csv"), ("application/json", "jsonl"), ("text/html, text/csv;q=0.9", "csv"),
     ("text/csv;q=0.1, application/vnd.apache.parquet", "parquet"), ("application/vnd.apache.arrow.stream", "arrow")],
)  # fmt: skip
def test_accept_names_the_format(accept: str | None, fmt: str) -> None:
    assert negotiated(accept) == fmt


@pytest.mark.parametrize("accept", ["image/png", "text/csv;q=0", "text/csv;q=nonsense"])
def test_a_format_that_cant_be_sent_is_refused(accept: str) -> None:
    with pytest.raises(Refusal) as e:
        negotiated(accept)
    assert e.value.http_status == 406

"""The OpenAPI document of the plain routes, made from what checks requests and from the schema that is served."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from understudy import __version__
from understudy.schema import TableSchema
from understudy.serving.formats import MEDIA
from understudy.serving.request import ImputeRequest, SampleRequest

_ERROR = {
    "type": "object",
    "required": ["error", "field", "status"],
    "properties": {
        "error": {"type": "string"}, "field": {"type": ["string", "null"]}, "status": {"type": "integer"}
    },
}  # fmt: skip
_REFUSED = {"400": "a field is wrong", "401": "no key, or an unknown one", "406": "no such format", "413": "too large",
            "429": "the day's rows are used up", "503": "too many requests", "504": "it took too long",
            "507": "the audit log can't be written"}  # fmt: skip


def document(served: TableSchema | None, most_rows: int) -> dict[str, Any]:
    """With a model, its columns are named, so that documentation, clients and fuzzers know them."""
    _, schemas = models_json_schema(
        [(SampleRequest, "validation"), (ImputeRequest, "validation")], ref_template="#/components/schemas/{model}"
    )
    if served is not None:
        _name_columns(schemas["$defs"], served, most_rows)
    return {
        "openapi": "3.1.0",
        "info": {"title": "understudy", "version": __version__},
        "paths": {
            "/sample": {"post": _operation("Draw synthetic rows", SampleRequest)},
            "/impute": {"post": _operation("Fill the missing cells of rows", ImputeRequest)},
            "/model": {"get": _read("The model that is served: facts, schema, limits")},
            "/reference": {"get": _read("The margins of the model's reference sample")},
        },
        "components": {
            "schemas": {**schemas["$defs"], "Error": _ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}, {}],
    }


def _name_columns(models: dict[str, Any], served: TableSchema, most_rows: int) -> None:
    sample, impute = models["SampleRequest"]["properties"], models["ImputeRequest"]["properties"]
    sample["n_rows"]["maximum"] = most_rows
    released, modelled = [c.name for c in served.released], [c.name for c in served.modelled]
    names, where = sample["columns"]["anyOf"][0], sample["where"]["anyOf"][0]
    names["items"], names["uniqueItems"] = {"type": "string", "enum": released}, True
    where |= {"properties": dict.fromkeys(modelled, where.pop("additionalProperties")), "additionalProperties": False}
    cells = impute["rows"]["items"]  # other columns may come too, and stay as they are
    cells["properties"] = dict.fromkeys(modelled, cells["additionalProperties"])


def _operation(summary: str, body: type[BaseModel]) -> dict[str, Any]:
    rows: dict[str, Any] = {media: {"schema": {}} for media in MEDIA.values()}
    return {
        "summary": summary,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{body.__name__}"}}},
        },
        "responses": {"200": {"description": "rows", "content": rows}, **_refusals()},
    }


def _read(summary: str) -> dict[str, Any]:
    answer = {"description": "found", "content": {"application/json": {"schema": {"type": "object"}}}}
    return {"summary": summary, "responses": {"200": answer, **_refusals()}}


def _refusals() -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {status: {"description": text, "content": content} for status, text in _REFUSED.items()}

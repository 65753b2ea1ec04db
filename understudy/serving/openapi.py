"""The OpenAPI document of the plain routes, made from the models that check the requests."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from understudy import __version__
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


@cache
def document() -> dict[str, Any]:
    _, schemas = models_json_schema(
        [(SampleRequest, "validation"), (ImputeRequest, "validation")], ref_template="#/components/schemas/{model}"
    )
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

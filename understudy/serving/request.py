"""What a client may ask for, checked: a message for what is wrong names the field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr, ValidationError

from understudy.schema import TableSchema, unknown_column
from understudy.serving.refusal import Refusal

Format = Literal["csv", "jsonl", "parquet", "arrow"]
MOST_VALUES = 1000
Text = Annotated[StrictStr, Field(max_length=1000)]
Number = Annotated[StrictFloat, Field(allow_inf_nan=False)]
Whole = Annotated[StrictInt, Field(ge=-(1 << 63), le=(1 << 63) - 1)]
Scalar = StrictBool | Whole | Number | Text | None
Parsed = TypeVar("Parsed", bound=BaseModel)


class Range(BaseModel):
    """A closed range of numbers or dates; one end may be missing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min: Whole | Number | Text | None = None
    max: Whole | Number | Text | None = None


Condition = Scalar | Range | Annotated[list[Scalar | Range], Field(min_length=1, max_length=MOST_VALUES)]


class SampleRequest(BaseModel):
    """A request for rows.

    Attributes:
        n_rows: how many.
        seed: rows of the same seed, conditions and model version are the same on every replica; None: new ones.
        where: conditions by column: a value, several, or a range {"min": a, "max": b}; null: missing.
        columns: the columns to send, in that order; None: all.
        format: csv, jsonl, parquet or arrow; None: what the header Accept asks for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_rows: StrictInt = Field(ge=1, le=1_000_000_000)
    seed: StrictInt | None = Field(None, ge=0, le=(1 << 63) - 1)
    where: dict[str, Condition] | None = None
    columns: list[StrictStr] | None = Field(None, min_length=1)
    format: Format | None = None

    def conditions(self) -> dict[str, Any] | None:
        """`where` as generators take it."""
        if not self.where:
            return None
        return {name: _plain(wanted) for name, wanted in self.where.items()}

    def check(self, schema: TableSchema, most_rows: int) -> None:
        """Raises Refusal for too many rows, or for columns that can't be asked for."""
        if self.n_rows > most_rows:
            raise Refusal(
                f"n_rows is {self.n_rows:,}; the most of one request is {most_rows:,}", field="n_rows"
            )
        modelled, released = [c.name for c in schema.modelled], [c.name for c in schema.released]
        for name, wanted in (self.where or {}).items():
            if name not in modelled:
                raise Refusal(unknown_column(name, modelled, "where:"), field=f"where.{name}"[:200])
            ranged = any(isinstance(w, Range) for w in (wanted if isinstance(wanted, list) else [wanted]))
            if ranged and schema.column(name).kind not in ("numerical", "datetime"):
                kind = schema.column(name).kind
                raise Refusal(f"where: column {name!r} is {kind}, it takes values, not a range", field=f"where.{name}")
        for i, name in enumerate(self.columns or []):
            if name not in released:
                raise Refusal(unknown_column(name, released, "columns:"), field=f"columns.{i}")
            if name in (self.columns or [])[:i]:
                raise Refusal(f"columns: {name!r} is named twice", field=f"columns.{i}")


class ImputeRequest(BaseModel):
    """Rows whose missing cells are to be filled.

    Attributes:
        rows: objects with the columns that the generator learnt; null or left out: missing.
        seed: as in a sample request.
        likely: best guesses instead of draws.
        format: as in a sample request.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: list[dict[str, Scalar]] = Field(min_length=1)
    seed: StrictInt | None = Field(None, ge=0, le=(1 << 63) - 1)
    likely: StrictBool = False
    format: Format | None = None


def parse(model: type[Parsed], body: bytes) -> Parsed:
    """The request in a JSON body. Raises Refusal that names the field."""
    content = parse_json(body, "body")
    if not isinstance(content, dict):
        raise Refusal("the body is not a JSON object; send one such as {\"n_rows\": 100}", field="body")
    return checked(model, content)


def parse_json(text: str | bytes, field: str) -> Any:
    """Raises Refusal that names `field`."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as e:
        raise Refusal(f"{field}: is not JSON ({str(e)[:80]})", field=field) from None


def checked(model: type[Parsed], content: Mapping[str, Any]) -> Parsed:
    """Raises Refusal that names the field."""
    try:
        return model.model_validate(content)
    except ValidationError as e:
        error = e.errors(include_url=False, include_context=False, include_input=False)[0]
        place = [str(p) for p in error["loc"]]
        if place[0] == "where":
            place = place[:2]  # what follows are the alternatives that a condition may be
        field = ".".join(place)[:200]
        known = ", ".join(model.model_fields)
        message = error["msg"]
        if error["type"] == "extra_forbidden" and len(place) == 1:
            message = f"is not a field of the request; its fields are: {known}"
        elif place[0] == "where":
            message = "give a value, a list of values, or a range {\"min\": a, \"max\": b}; no infinite numbers"
        raise Refusal(f"{field}: {message}", field=field) from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _plain(wanted: Any) -> Any:
    if isinstance(wanted, Range):
        return wanted.model_dump(exclude_none=True)
    return [_plain(w) for w in wanted] if isinstance(wanted, list) else wanted

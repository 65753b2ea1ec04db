"""What a table is: its columns' kinds and precision, its target and its privacy unit.

A schema says nothing that only a few rows know: no inferred bounds and no inferred
categories. Bounds and categories appear only where a person wrote them into a schema file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from understudy.errors import SchemaError

Kind = Literal["numerical", "categorical", "datetime", "boolean", "id", "text"]
MODELLED_KINDS: tuple[Kind, ...] = ("numerical", "categorical", "datetime", "boolean")


class Column(BaseModel):
    """One column.

    Attributes:
        name: the header, unique in the table.
        kind: what the values are; `id` and `text` are never modelled.
        nullable: whether values may be missing.
        decimals: numerical: digits after the point (0 = integers), None = full float precision.
        step: numerical: every value is a multiple of `step * 10**-decimals`; datetime: of `step` ns.
        categories: categorical: the public domain, only from a schema file.
        minimum, maximum: numerical: public bounds, only from a schema file.
        identifier: what kind of direct identifier or key an `id` column was found to be.
        action: `id` and `text`: `drop` the column, or `replace` it with surrogate values.
        locale: of an `id` column's invented surrogates, e.g. en_US; None: en_US.

    >>> Column(name="age", kind="numerical", decimals=0).integer
    True
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Kind
    nullable: bool = False
    decimals: int | None = None
    step: int = 1
    categories: tuple[str, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    identifier: str | None = None
    action: Literal["drop", "replace"] = "drop"
    locale: str | None = None

    @property
    def integer(self) -> bool:
        return self.kind == "numerical" and self.decimals == 0

    @property
    def modelled(self) -> bool:
        return self.kind in MODELLED_KINDS

    @model_validator(mode="after")
    def _consistent(self) -> Column:
        if not self.name:
            raise ValueError("a column has an empty name")
        if self.step < 1:
            raise ValueError(f"column {self.name!r}: step is {self.step}, must be at least 1")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"column {self.name!r}: minimum {self.minimum} exceeds maximum {self.maximum}")
        return self


class TableSchema(BaseModel):
    """The columns in order, the target column, and the column that names the privacy unit.

    `unit` is an `id` column whose equal values belong to one person; None means that each row
    is a unit. JSON round trip by `to_json`/`from_json`; `sha256` identifies the schema.

    >>> s = TableSchema(columns=(Column(name="a", kind="boolean"),))
    >>> TableSchema.from_json(s.to_json()) == s
    True
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[Column, ...]
    target: str | None = None
    unit: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> TableSchema:
        names = self.names
        if not names:
            raise ValueError("a schema needs at least one column")
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"duplicate column names: {', '.join(twice)}")
        if self.target is not None:
            if self.target not in names:
                raise ValueError(unknown_column(self.target, names, "target"))
            if not self.column(self.target).modelled:
                raise ValueError(
                    f"target {self.target!r} is of kind {self.column(self.target).kind}, which is not modelled"
                )
        if self.unit is not None:
            if self.unit not in names:
                raise ValueError(unknown_column(self.unit, names, "unit"))
            if self.column(self.unit).kind != "id":
                raise ValueError(f"unit {self.unit!r} must be of kind id, not {self.column(self.unit).kind}")
        return self

    @property
    def names(self) -> list[str]:
        return [c.name for c in self.columns]

    @property
    def modelled(self) -> tuple[Column, ...]:
        """The columns a generator learns, in table order."""
        return tuple(c for c in self.columns if c.modelled)

    @property
    def released(self) -> tuple[Column, ...]:
        """The columns a synthetic table has: the modelled ones and the replaced identifiers."""
        return tuple(c for c in self.columns if c.modelled or c.action == "replace")

    def column(self, name: str) -> Column:
        """Raises SchemaError when there is no such column."""
        for c in self.columns:
            if c.name == name:
                return c
        raise SchemaError(unknown_column(name, self.names, "column"))

    def to_json(self) -> str:
        return (
            json.dumps(self.model_dump(mode="json", exclude_defaults=True), indent=2, ensure_ascii=False)
            + "\n"
        )

    def sha256(self) -> str:
        content = self.model_dump(mode="json")
        for column in content["columns"]:
            if column["locale"] is None:  # a schema keeps the hash it had before there were locales
                del column["locale"]
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @classmethod
    def from_json(cls, text: str, source: str = "schema") -> TableSchema:
        """Raises SchemaError naming `source` and the first thing that is wrong."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as e:
            raise SchemaError(f"{source}: {first_problem(e)}") from None

    @classmethod
    def read(cls, path: str | Path) -> TableSchema:
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as e:
            raise SchemaError(
                f"schema file {path}: can't be read ({getattr(e, 'strerror', None) or 'not UTF-8'})"
            ) from None
        return cls.from_json(text, f"schema file {path}")


def unknown_column(name: str, names: Iterable[str], what: str) -> str:
    """One line for a column that isn't there, with the nearest name as the remedy."""
    import difflib

    known = list(names)
    near = difflib.get_close_matches(name, known, 1)
    hint = (
        f"did you mean {near[0]!r}?"
        if near
        else f"columns are: {', '.join(known[:12])}{', ...' if len(known) > 12 else ''}"
    )
    return f"{what} {name!r} is not a column of the table; {hint}"


def first_problem(e: ValidationError) -> str:
    """The first pydantic complaint as one line: where, what."""
    err = e.errors()[0]
    where = ".".join(str(p) for p in err["loc"])
    message = err["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message

"""A stated target distribution of one column, to which a generator's samples are altered."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from understudy.errors import ConfigError
from understudy.schema import TableSchema, first_problem

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

NONE = "none"
_PAIR = r"(?:.*?):(?:[0-9.eE+-]+)"
_SHOWN = 12


class Balance(BaseModel):
    """What share of the rows shall have which value of a column.

    Attributes:
        column: a categorical or boolean column; `none` without shares: no balance, also where the generator has one.
        shares: of each value, summing to 1; empty: equal shares of all values that the generator draws.

    Reads text as well: `COLUMN`, or `COLUMN=VALUE:SHARE,VALUE:SHARE`.

    >>> Balance.parse("sex=F:0.5,M:0.5")
    Balance(column='sex', shares={'F': 0.5, 'M': 0.5})
    >>> Balance.parse("sex=F:0.5,M:0.4")
    Traceback (most recent call last):
    understudy.errors.ConfigError: balance: the shares of 'sex' sum to 0.9, not to 1
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    shares: dict[str, float] = {}

    @classmethod
    def parse(cls, text: str) -> Balance:
        """Raises ConfigError."""
        return cls.of(text)

    @classmethod
    def of(cls, content: Any) -> Balance:
        """From text or a mapping. Raises ConfigError."""
        try:
            return cls.model_validate(content)
        except ValidationError as e:
            raise ConfigError(f"balance: {first_problem(e)}") from None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, content: Any) -> Any:
        return _split(content) if isinstance(content, str) else content

    @field_validator("shares", mode="before")
    @classmethod
    def _text_keys(cls, shares: Any) -> Any:
        """YAML reads `true` and `1` as such."""
        return {str(k): v for k, v in shares.items()} if isinstance(shares, Mapping) else shares

    @model_validator(mode="after")
    def _consistent(self) -> Balance:
        if not self.column:
            raise ValueError("names no column; write COLUMN or COLUMN=VALUE:SHARE,VALUE:SHARE")
        for value, share in self.shares.items():
            if not 0 <= share <= 1:
                raise ValueError(f"the share of {self.column}={value} is {share:g}; give one from 0 to 1")
        total = sum(self.shares.values())
        if self.shares and abs(total - 1) > 1e-6:
            raise ValueError(f"the shares of {self.column!r} sum to {total:g}, not to 1")
        return self

    @property
    def off(self) -> bool:
        return self.column == NONE and not self.shares

    @property
    def label(self) -> str:
        """What everything made with it says of itself.

        >>> Balance(column="sex", shares={"F": 0.25, "M": 0.75}).label
        'balanced: altered to sex: F 25%, M 75%; not the real distribution'
        """
        parts = [f"{value} {100 * share:.4g}%" for value, share in self.shares.items()]
        if len(parts) > _SHOWN:
            parts = [*parts[:_SHOWN], f"{len(parts) - _SHOWN} more"]
        what = ", ".join(parts) or "equal shares"
        return f"balanced: altered to {self.column}: {what}; not the real distribution"

    def check(self, schema: TableSchema, table: pd.DataFrame | None = None) -> Balance:
        """Itself, if the schema has such a column and `table`, if given, each of the values.

        Raises SchemaError or ConfigError.
        """
        column = schema.column(self.column)
        if column.kind not in ("categorical", "boolean"):
            raise ConfigError(
                f"balance: column {self.column!r} is {column.kind}, which has no values to give shares to;"
                " name a categorical or boolean one"
            )
        found = self
        if column.kind == "boolean":
            found = Balance(column=self.column, shares={v.capitalize(): s for v, s in self.shares.items()})
        if table is not None:
            found.resolved([str(v) for v in table[self.column].dropna().unique()])
        return found

    def resolved(self, values: Sequence[str]) -> Balance:
        """The same with the shares spelt out, of the values that can be drawn. Raises ConfigError."""
        unknown = [v for v in self.shares if v not in values]
        if unknown or not values:
            near = ", ".join(values[:8]) + (", ..." if len(values) > 8 else "")
            raise ConfigError(
                f"balance: {self.column}={unknown[0]!r} is not a value the generator can draw; it draws: {near}"
                if unknown
                else f"balance: the generator draws no value of {self.column!r}; name another column"
            )
        given = self.shares or dict.fromkeys(values, 1.0)
        total = sum(given.values())
        return Balance(column=self.column, shares={v: s / total for v, s in given.items()})

    def counts(self, n_rows: int, rng: np.random.Generator) -> dict[str, int]:
        """How many of `n_rows` rows shall have each value: its share to within one row, on average exactly."""
        import numpy as np

        ends = np.floor(np.append(0.0, np.cumsum(list(self.shares.values()))) * n_rows + rng.random())
        ends[0], ends[-1] = 0.0, n_rows
        return {value: int(n) for value, n in zip(self.shares, np.diff(np.minimum(ends, n_rows)), strict=True)}


def _split(text: str) -> dict[str, Any]:
    """At the first `=` that pairs follow to the end, so that names and values may hold signs."""
    for at in (m.start() for m in re.finditer("=", text)):
        rest = text[at + 1 :]
        if re.fullmatch(f"{_PAIR}(?:,{_PAIR})*", rest):
            pairs = re.findall(r"(.*?):([0-9.eE+-]+)(?:,|$)", rest)
            if len({v for v, _ in pairs}) < len(pairs):
                raise ValueError(f"{text!r} names a value twice")
            return {"column": text[:at], "shares": dict(pairs)}
    if "=" in text:
        raise ValueError(f"{text!r} can't be read; write COLUMN or COLUMN=VALUE:SHARE,VALUE:SHARE")
    return {"column": text}

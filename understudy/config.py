"""The one configuration of the command line, DVC and the pipeline: `params.yaml` as frozen models.

A section is a stage's options; an unknown key is an error. Options of the generator and of the
gate are checked by their owners (`generators.create`, `audit.Policy`).
"""

from __future__ import annotations

import difflib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from understudy.balance import Balance
from understudy.errors import ConfigError

Seed = Annotated[int, Field(ge=0, lt=2**53)]
"""2**53 is the largest whole number that survives every JSON reader between here and a cluster."""
PoolShare = Annotated[float, Field(gt=0, le=0.4)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Pii(Section):
    """Direct identifiers: what is done about them, beyond never modelling them.

    Attributes:
        action: `drop` their columns, or `replace` them by invented values in the synthetic table.
        locale: of the invented values, and (its language) of the texts that presidio reads.
        presidio: where the extra `pii` is installed, whether to ask presidio too: `auto`, if a spaCy model of the
            language is there to find names and places; `always`, its patterns alone as well (it takes seconds to
            load); `off`.
    """

    action: Literal["drop", "replace"] = "drop"
    locale: Annotated[str, Field(pattern=r"^[a-z]{2,3}_[A-Z]{2}$")] = "en_US"
    presidio: Literal["auto", "always", "off"] = "auto"

    @property
    def language(self) -> str:
        return self.locale.split("_")[0]


class Data(Section):
    """Which table, and what is known about it.

    Attributes:
        path: the raw table: a file, or a database URL; None: `--data` gives it.
        target: the column that the utility metrics predict; None: none.
        unit: the id column that names the privacy unit; None: each row is a unit.
        schema_file: a JSON schema that overrides what is inferred.
        drop: columns to leave out before anything else.
        encoding: the text encoding of a CSV file.
        max_rows: a larger table is represented by a uniform random sample of this size (of whole privacy
            units, where `unit` names them), drawn in one pass; None: no bound.
        pii: what is done about direct identifiers.
        tokenise: columns whose values become keyed tokens as soon as the table is read, each with its domain:
            columns of one domain join. A list of columns gives each its own name as domain.
        split_seed: None tosses the members' coin from OS entropy, as a private table needs;
            a number makes the split repeatable, for public tables only.
    """

    path: str | None = None
    target: str | None = None
    unit: str | None = None
    schema_file: str | None = None
    drop: tuple[str, ...] = ()
    encoding: str = "utf-8"
    max_rows: Annotated[int, Field(ge=1_000)] | None = 1_000_000
    pii: Pii = Pii()
    tokenise: dict[str, str] = {}
    split_seed: Seed | None = None

    @field_validator("tokenise", mode="before")
    @classmethod
    def _domains(cls, value: Any) -> Any:
        return {str(name): str(name) for name in value} if isinstance(value, list | tuple) else value

    @property
    def public_path(self) -> str:
        """`path` without the user and password that a database URL may hold."""
        return re.sub(r"//[^/@]*@", "//", self.path or "")


class Preprocess(Section):
    """How large the audit's tables are; see `splits.sizes` for the rule and the trade.

    Attributes:
        audit_units: the members (and the non-members) the audit should have, in privacy units.
        min_pool_share, max_pool_share: bounds on the share of units in the audit pool, which is
            half members, half non-members. The reference table is as large as the pool.
        max_audit_units: no more than this many units a side, however large the table is.
        test_share: the share of units in the test table.
    """

    audit_units: Annotated[int, Field(ge=1)] = 1_000
    min_pool_share: PoolShare = 0.16
    max_pool_share: PoolShare = 0.30
    max_audit_units: Annotated[int, Field(ge=1)] = 5_000
    test_share: Annotated[float, Field(gt=0, le=0.2)] = 0.06

    @model_validator(mode="after")
    def _consistent(self) -> Preprocess:
        if self.min_pool_share > self.max_pool_share:
            raise ValueError(f"min_pool_share {self.min_pool_share} exceeds max_pool_share; swap them")
        return self


class Generator(Section):
    """Which generator and what it shall do.

    Attributes:
        name: `auto` chooses by the table.
        seed: of the fit.
        balance: the distribution of a column that its samples follow, for good: `COLUMN`,
            `COLUMN=VALUE:SHARE,...`, or a mapping of `column` and `shares`.
        config: its own options, e.g. `{min_units: 20}`.
    """

    name: str = "auto"
    seed: Seed = 0
    balance: Balance | None = None
    config: dict[str, Any] = {}


class Sample(Section):
    """How many synthetic rows (None: as many as rows trained), the seed that draws them, and a `balance` of this
    table alone; None: the generator's own, if it has one; `none`: none."""

    n_rows: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    seed: Seed = 0
    balance: Balance | None = None


class Evaluate(Section):
    """What the evaluation is told.

    Attributes:
        seed: fixes folds and subsamples of the evaluation and the audit.
        sensitive: the columns whose groups fairness compares; none: `evaluation.subgroups` chooses.
    """

    seed: Seed = 0
    sensitive: tuple[str, ...] = ()


class Register(Section):
    """`name` of the registered model; None: the data file's name without its suffixes."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_. -]+$")] | None = None


SectionName = Literal["data", "preprocess", "generator", "sample", "evaluate", "gate", "register"]


class Params(Section):
    """All sections. `gate` holds fields of `audit.Policy`; what it leaves out has its default.

    >>> Params().sample.n_rows is None
    True
    >>> Params.parse("generator: {nmae: forest}")
    Traceback (most recent call last):
    understudy.errors.ConfigError: params: generator.nmae: unknown key; did you mean 'name'?
    """

    data: Data = Data()
    preprocess: Preprocess = Preprocess()
    generator: Generator = Generator()
    sample: Sample = Sample()
    evaluate: Evaluate = Evaluate()
    gate: dict[str, Any] = {}
    registration: Annotated[Register, Field(alias="register")] = Register()

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @classmethod
    def parse(cls, text: str, source: str = "params") -> Params:
        """Raises ConfigError naming `source`, the key and the remedy."""
        import yaml

        try:
            content = yaml.safe_load(text)
        except yaml.YAMLError as e:
            mark = getattr(e, "problem_mark", None)
            line = f" on line {mark.line + 1}" if mark else ""
            raise ConfigError(f"{source}: not valid YAML{line}: {getattr(e, 'problem', None) or e}") from None
        if not isinstance(content, dict | None):
            sections = ", ".join(_keys(()))
            raise ConfigError(f"{source}: holds a {type(content).__name__}; it needs the sections {sections}")
        # An empty section (`gate:`) means its defaults.
        return cls.of({k: v for k, v in (content or {}).items() if v is not None}, source)

    @classmethod
    def from_json(cls, **sections: str) -> Params:
        """From sections that are JSON objects, as pipelines pass them; "" means its defaults."""
        return cls.parse("{" + ", ".join(f'"{k}": {v or "{}"}' for k, v in sections.items()) + "}")

    @classmethod
    def of(cls, content: dict[Any, Any], source: str = "params") -> Params:
        """The same from a mapping."""
        try:
            return cls.model_validate(content)
        except ValidationError as e:
            raise ConfigError(f"{source}: {_problem(e)}") from None

    @classmethod
    def read(cls, path: str | Path) -> Params:
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as e:
            reason = getattr(e, "strerror", None) or "not UTF-8"
            raise ConfigError(f"{path}: can't be read ({reason}); give another file with --params") from None
        return cls.parse(text, str(path))

    def with_data(self, path: str, **fields: Any) -> Params:
        """A copy with another table. Nothing that was said about one table is carried over to the
        next: the data section (target, unit, a seeded split) and the model's name are replaced."""
        return self.model_copy(update={"data": Data(path=path, **fields), "registration": Register()})

    def source(self) -> str:
        """Where the raw table is. Raises ConfigError when the data section doesn't say."""
        if not self.data.path:
            raise ConfigError("data.path is not set; give a table with --data or in the params file")
        return self.data.path

    def model_name(self) -> str:
        """The name to register under. Raises ConfigError when there is neither a name nor a path."""
        if self.registration.name:
            return self.registration.name
        stem = re.split(r"[\\/#]", self.source().rstrip("/\\"))[-1].split(".")[0]
        return re.sub(r"[^A-Za-z0-9_-]+", "_", stem).strip("_") or "table"

    def section(self, name: SectionName) -> dict[str, Any]:
        """One section as simple types."""
        return self.to_dict()[name]

    def section_json(self, name: SectionName) -> str:
        """One section as a JSON object, always the same for the same content."""
        return json.dumps(self.section(name), sort_keys=True, separators=(",", ":"))

    def to_dict(self) -> dict[str, Any]:
        """All sections as simple types; `Params.of` reads it back."""
        return self.model_dump(mode="json", by_alias=True)


def _problem(e: ValidationError) -> str:
    """The first complaint: key, what is wrong, what to do."""
    error = e.errors()[0]
    where = ".".join(str(p) for p in error["loc"])
    if error["type"] == "extra_forbidden":
        known = _keys(error["loc"][:-1])
        near = difflib.get_close_matches(str(error["loc"][-1]), known, 1)
        remedy = f"did you mean {near[0]!r}?" if near else f"keys are: {', '.join(known)}"
        return f"{where}: unknown key; {remedy}"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "value_error":
        return f"{where}: {message}"
    return f"{where}: is {error['input']!r}; {message.replace('Input should', 'it must')}"


def _keys(path: tuple[int | str, ...]) -> list[str]:
    model: Any = Params
    for part in path:
        field = next(f for n, f in model.model_fields.items() if part in (n, f.alias))
        model = next(t for t in (*get_args(field.annotation), field.annotation) if hasattr(t, "model_fields"))
    return [f.alias or n for n, f in model.model_fields.items()]

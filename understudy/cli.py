"""`understudy`: one subcommand a stage, and the whole pipeline.

Exit codes: 0 done; 1 the audit's verdict is not PASS; 2 bad input, in one line on stderr.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from understudy import (
    __version__,
    audit_commands,
    console,
    deploy_commands,
    generator_commands,
    monitoring_commands,
    pii_commands,
    ranks,
    serving_commands,
    signing_commands,
    signoff_commands,
)
from understudy.errors import ConfigError, UnderstudyError
from understudy.pipeline_commands import app as pipeline_app
from understudy.stage_commands import app as stage_app

app = typer.Typer(
    name="understudy", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Synthetic tables that are good enough to train on and private enough to share.",
)  # fmt: skip
app.add_typer(pipeline_app, name="pipeline")
app.add_typer(stage_app, name="stage")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the random numbers.")]
Target = Annotated[str | None, typer.Option("--target", help="The column that models will predict.")]
Unit = Annotated[
    str | None, typer.Option("--unit", help="The column that names a person who has several rows.")
]
SchemaFile = Annotated[
    Path | None, typer.Option("--schema", help="A JSON schema that overrides what is inferred.")
]
Drop = Annotated[list[str] | None, typer.Option("--drop", help="A column to leave out (may be repeated).")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="A setting of the generator, key=value (may be repeated).")
]
Encoding = Annotated[str, typer.Option("--encoding", help="The text encoding of a CSV file.")]
Balancing = Annotated[
    str | None,
    typer.Option(
        "--balance",
        help="Rows of a stated distribution, not the real one: COLUMN (equal shares), COLUMN=VALUE:SHARE,... or none.",
    ),
]
OutDir = Annotated[Path, typer.Option("-o", "--out", help="The directory to write.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"understudy {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    data: Annotated[
        str | None, typer.Option(help="The raw table: CSV, Parquet, JSON lines, Arrow or SQL-URL#table.")
    ] = None,
    target: Target = None,
    unit: Unit = None,
    schema: SchemaFile = None,
    drop: Drop = None,
    encoding: Encoding = "utf-8",
    params: Annotated[
        Path | None, typer.Option(help="The configuration; params.yaml here if there is one.")
    ] = None,
    out: OutDir = Path("out"),
    as_json: Json = False,
) -> None:
    """The whole pipeline here: preprocess, train, sample, evaluate, audit, gate, register."""
    from pipelines.local import run as run_pipeline
    from understudy.config import Params

    path = params or Path("params.yaml")
    configured = Params.read(path) if params or path.exists() else Params()
    if data is not None:
        configured = configured.with_data(
            data, target=target, unit=unit, schema_file=str(schema) if schema else None, drop=tuple(drop or ()),
            encoding=encoding,
        )  # fmt: skip
    elif target or unit or schema or drop:
        raise ConfigError(
            "--target, --unit, --schema and --drop belong to --data; name the table, or edit params.yaml"
        )
    if configured.data.path is None:
        raise ConfigError("no table to work on; give one with --data FILE, or a params.yaml with data.path")
    with console.progress("run", quiet=as_json) as progress:
        result = run_pipeline(configured, out_dir=out, progress=progress)
    console.show(result.summary(), as_json=as_json, title=f"Verdict: {result.verdict}")
    raise typer.Exit(0 if result.verdict == "PASS" else 1)


@app.command()
def fit(
    table: Annotated[
        str, typer.Argument(help="The real table: CSV, Parquet, JSON lines, Arrow or SQL-URL#table.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The generator's directory.")],
    generator: Annotated[
        str, typer.Option(help="The generator's name, or auto: chosen by the table; see `understudy generators`.")
    ] = "auto",
    target: Target = None,
    unit: Unit = None,
    schema: SchemaFile = None,
    drop: Drop = None,
    encoding: Encoding = "utf-8",
    checkpoint: Annotated[
        Path | None, typer.Option(help="Keep checkpoints in this directory; a killed fit goes on from there.")
    ] = None,
    balance: Balancing = None,
    seed: Seed = 0,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Fit a generator on a table."""
    from understudy import stages
    from understudy.balance import Balance
    from understudy.conditions import parse_settings
    from understudy.config import Data

    data = Data(
        path=table, target=target, unit=unit, schema_file=str(schema) if schema else None, drop=tuple(drop or ()),
        encoding=encoding,
    )  # fmt: skip
    with console.progress("fit", quiet=as_json) as progress:
        result = stages.fit(
            data=data,
            model_dir=out,
            generator=generator,
            config=parse_settings(settings or []),
            seed=seed,
            checkpoint=checkpoint,
            balance=Balance.parse(balance) if balance else None,
            progress=progress,
        )
    if ranks.first():
        console.show({**result.facts, **_counts(result.metrics), "model": out}, as_json=as_json)


@app.command()
def sample(
    model: Annotated[str, typer.Argument(help="A generator's directory, or models:/NAME@ALIAS.")],
    n_rows: Annotated[int, typer.Option("-n", "--n-rows", help="How many rows.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The table: .csv, .parquet, .jsonl or .arrow.")],
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help="A condition: col=value, col>=number or col<=number (may be repeated)."),
    ] = None,
    balance: Balancing = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, help="Seed of the random numbers; none: new rows each time."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw synthetic rows, all of them or those that meet conditions."""
    from understudy import stages
    from understudy.balance import Balance
    from understudy.conditions import parse_where
    from understudy.generators.base import artifact_schema

    directory = generator_commands.model_directory(model)
    conditions = parse_where(where, artifact_schema(directory)) if where else None
    with console.progress("sample", quiet=as_json) as progress:
        result = stages.sample(
            model_dir=directory, out=out, n_rows=n_rows, seed=seed, where=conditions,
            balance=Balance.parse(balance) if balance else None, progress=progress,
        )  # fmt: skip
    console.show({**_counts(result.metrics), **result.facts, "table": out}, as_json=as_json)


@app.command()
def evaluate(
    train: Annotated[Path, typer.Option(help="The real table the generator learnt.")],
    holdout: Annotated[Path, typer.Option(help="Real rows it never saw.")],
    synthetic: Annotated[Path, typer.Option(help="Rows it made.")],
    out: OutDir,
    target: Target = None,
    schema: SchemaFile = None,
    sensitive: Annotated[
        list[str] | None, typer.Option("--sensitive", help="A column whose groups are compared (may be repeated).")
    ] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Measure fidelity, detection, utility and fairness; write report.html and metrics.json."""
    from understudy import stages
    from understudy.preparation import describe

    described = describe(train, schema_file=schema, target=target)
    with console.progress("evaluate", quiet=as_json) as progress:
        result = stages.evaluate(
            train=train,
            holdout=holdout,
            synthetic=synthetic,
            schema=described,
            out_dir=out,
            seed=seed,
            sensitive=sensitive or (),
            progress=progress,
        )
    console.show({**result.metrics, "report": result.paths["report"]}, as_json=as_json)


audit_commands.add_to(app)
generator_commands.add_to(app)
pii_commands.add_to(app)
signoff_commands.add_to(app)
signing_commands.add_to(app)
serving_commands.add_to(app)
deploy_commands.add_to(app)
monitoring_commands.add_to(app)


def _counts(metrics: dict[str, float]) -> dict[str, Any]:
    return {
        k: int(v) if float(v).is_integer() and "seconds" not in k else round(v, 3) for k, v in metrics.items()
    }


def main() -> None:
    """The console script: runs the app, prints errors as one line, exits with their code."""
    from typer.exceptions import Abort, TyperException

    try:
        code = app(standalone_mode=False)
    except UnderstudyError as e:
        console.fail(str(e))
        code = e.exit_code
    except TyperException as e:
        console.fail(f"{e.format_message()}; see `understudy --help`")
        code = 2
    except (KeyboardInterrupt, Abort):
        console.fail("interrupted; nothing half-written is left")
        code = 130
    except MemoryError:
        console.fail("out of memory; give fewer rows or columns, or a machine with more")
        code = 2
    except BrokenPipeError:  # the reader of our output went away, e.g. `| head`
        sys.stderr.close()
        code = 0
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()

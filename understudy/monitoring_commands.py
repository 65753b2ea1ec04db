"""`understudy monitor`: are the served rows, the new data and the requests still as they were?

Exit codes: 0 ok; 1 drift, or something is broken; 2 bad input.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from understudy import console
from understudy.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from understudy.monitoring.reference import Reference
    from understudy.monitoring.verdict import Verdict

KEY_VARIABLE = "UNDERSTUDY_API_KEY"
OUT = Path("out/monitoring")
app = typer.Typer(
    no_args_is_help=True, help="Compare served rows, new data and requests with what they were; exit 1 on an alarm."
)
Model = Annotated[str, typer.Argument(help="models:/NAME@ALIAS; none: the champion in the registry.")]
ReferenceDir = Annotated[
    Path | None, typer.Option("--reference", help="A directory that `monitor reference` wrote, instead of a version's.")
]
Rows = Annotated[int, typer.Option("-n", "--rows", help="Rows of the window: more see smaller shifts.")]
OutDir = Annotated[Path, typer.Option("-o", "--out", help="Where verdicts, reports and the workspace are kept.")]


def _metrics_file(path: Path | None) -> Path | None:
    from understudy.monitoring import metrics

    return metrics.checked(path)


MetricsFile = Annotated[
    Path | None,
    typer.Option("--metrics-file", callback=_metrics_file, help="Write Prometheus metrics to this .prom file."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the random choices.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def add_to(application: typer.Typer) -> None:
    """Add the commands of this module to the main application."""
    application.add_typer(app, name="monitor")


@app.command()
def served(
    model: Model = "",
    table: Annotated[Path | None, typer.Option(help="Rows that were served.")] = None,
    url: Annotated[
        str | None, typer.Option(help=f"Draw the rows from this server; its key is read from {KEY_VARIABLE}.")
    ] = None,
    draw: Annotated[
        str | None, typer.Option(help="Draw the rows from this generator: a directory, or models:/NAME@ALIAS.")
    ] = None,
    reference: ReferenceDir = None,
    rows: Rows = 5000,
    out: OutDir = OUT,
    metrics_file: MetricsFile = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Served rows against the version's reference sample: is the model that serves the registered one, and whole?"""
    from understudy.monitoring import job

    if sum(x is not None for x in (table, url, draw)) != 1:
        raise ConfigError("which rows were served? give one of --table FILE, --url http://HOST:PORT or --draw MODEL")
    known = _reference(model, reference)
    with console.progress("monitor", quiet=as_json) as progress:
        progress(0.0, "getting rows")
        drawn, faults = _served_rows(table, url, draw, rows, known)
        verdict = job.check_served(
            known, drawn, out_dir=out, n_rows=rows, seed=seed, faults=faults, progress=progress
        )
    _end(verdict, metrics_file, as_json)


@app.command()
def data(
    table: Annotated[str, typer.Argument(help="New real rows: CSV, Parquet, JSON lines, Arrow or SQL-URL#table.")],
    model: Model = "",
    reference: ReferenceDir = None,
    rows: Rows = 5000,
    params: Annotated[Path | None, typer.Option(help="The params file that a retraining starts from.")] = None,
    retrain: Annotated[bool, typer.Option("--retrain", help="On drift, run the command that retrains.")] = False,
    retrain_with: Annotated[
        str, typer.Option(help="The command that retrains; --params FILE is added.")
    ] = "understudy run",
    out: OutDir = OUT,
    metrics_file: MetricsFile = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """New real rows against the synthetic profile of the registered version: is it time to retrain?"""
    from understudy.monitoring import job, retraining
    from understudy.tables import read_table

    known = _reference(model, reference)
    with console.progress("monitor", quiet=as_json) as progress:
        progress(0.0, "reading rows")
        verdict = job.check_data(known, read_table(table), out_dir=out, n_rows=rows, seed=seed, progress=progress)
    verdict = retraining.planned(verdict, known, table, params=params, command=retrain_with, out_dir=out)
    _end(retraining.run(verdict) if retrain else verdict, metrics_file, as_json)


@app.command()
def requests(
    logs: Annotated[list[Path], typer.Argument(help="Audit logs of `understudy serve`.")],
    days: Annotated[float, typer.Option(help="Days of the window, up to --end.")] = 7,
    reference_days: Annotated[float, typer.Option(help="Days of the reference, before the window.")] = 28,
    end: Annotated[str | None, typer.Option(help="When the window ends (UTC); none: with the last request.")] = None,
    rows: Rows = 5000,
    out: OutDir = OUT,
    metrics_file: MetricsFile = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """The requests of a week against those of the weeks before: who asks for what, and what fails."""
    from understudy.monitoring import job
    from understudy.monitoring import requests as asked

    log = asked.read_logs(logs)
    verdict = job.check_requests(
        log, asked.periods(log, end, days, reference_days), out_dir=out, n_rows=rows, seed=seed
    )
    _end(verdict, metrics_file, as_json)


@app.command("reference")
def write_reference(
    synthetic: Annotated[Path, typer.Option(help="A synthetic table.")],
    holdout: Annotated[Path, typer.Option(help="Real rows that never trained.")],
    schema: Annotated[Path, typer.Option(help="Their JSON schema, as `understudy run` wrote it.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The directory to write.")],
    as_json: Json = False,
) -> None:
    """A reference to compare with, for a model that is in no registry. Registered versions have one."""
    from understudy.files import atomic
    from understudy.monitoring import reference
    from understudy.schema import TableSchema

    with atomic(out) as temporary:
        temporary.mkdir(parents=True)
        reference.write(temporary, synthetic, holdout, TableSchema.read(schema))
    console.show({"reference": out}, as_json=as_json)


def _reference(model: str, directory: Path | None) -> Reference:
    from understudy.monitoring import reference
    from understudy.registered import Registry

    if directory is not None:
        return reference.read(directory, model)
    return reference.of_version(model or f"models:/{Registry().only_champion()}@champion")


def _served_rows(
    table: Path | None, url: str | None, draw: str | None, n_rows: int, known: Reference
) -> tuple[pd.DataFrame, list[str]]:
    """The rows, and what is wrong with who served them."""
    if table is not None:
        from understudy.tables import read_table

        return read_table(table), []
    if draw is not None:
        import numpy as np

        from understudy.generator_commands import model_directory
        from understudy.generators.base import load

        return load(model_directory(draw)).sample(n_rows, rng=np.random.default_rng()), []
    from understudy.client import Client

    client = Client(str(url), os.environ.get(KEY_VARIABLE))
    served = client.model()
    mine, theirs = (known.model, known.version), (str(served.get("name")), str(served.get("version")))
    faults = []
    if known.version and mine != theirs:
        faults = [f"{url} serves {theirs[0]} version {theirs[1]}, not {mine[0]} version {mine[1]}"]
    return client.sample(n_rows), faults


def _end(verdict: Verdict, metrics_file: Path | None, as_json: bool) -> None:
    """Show the verdict, write its metrics, exit with its code."""
    import json

    if metrics_file is not None:
        from understudy.monitoring import metrics

        metrics.write(verdict, metrics_file)
    shown = json.loads(verdict.to_json()) if as_json else {k: v for k, v in verdict.facts().items() if v}
    if verdict.action and not as_json:
        ran = verdict.action.get("exit_code")
        shown["to retrain" if ran is None else f"retrained, exit code {ran}"] = verdict.action["command"]
    console.show(shown, as_json=as_json, title=f"Verdict: {verdict.overall}")
    raise typer.Exit(1 if verdict.alarm else 0)

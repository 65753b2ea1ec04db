"""`understudy generators`, `understudy impute` and `understudy update`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from understudy import console

Model = Annotated[str, typer.Argument(help="A generator's directory, or models:/NAME@ALIAS.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the random numbers.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to the main application."""
    for command in (impute, update, generators):
        app.command()(command)


def impute(
    model: Model,
    table: Annotated[Path, typer.Argument(help="A table with missing cells, and the columns that were learnt.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The table: .csv, .parquet, .jsonl or .arrow.")],
    likely: Annotated[
        bool, typer.Option("--likely", help="Best guesses instead of draws: nearer, but with too little variation.")
    ] = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Fill a table's missing cells with draws that fit the rest of their row."""
    from understudy import generator_stages

    with console.progress("impute", quiet=as_json) as progress:
        progress(0.0, "filling gaps")
        found = generator_stages.impute(
            model_dir=model_directory(model), table=table, out=out, likely=likely, seed=seed
        )
    console.show({**{k: int(v) for k, v in found.items()}, "table": out}, as_json=as_json)


def update(
    model: Model,
    table: Annotated[Path, typer.Argument(help="New rows, with the columns that were learnt.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The updated generator's directory.")],
    replay: Annotated[
        float, typer.Option("--replay", help="Rows of its own that it learns again, per new row: 0 forgets fastest.")
    ] = 1.0,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Let a generator go on learning from new rows."""
    from understudy import generator_stages

    with console.progress("update", quiet=as_json) as progress:
        found = generator_stages.update(
            model_dir=model_directory(model), table=table, out=out, replay=replay, seed=seed, progress=progress
        )
    shown = {"rows_train": int(found["rows_train"]), "fit_seconds": round(found["fit_seconds"], 3), "model": out}
    console.show(shown, as_json=as_json)


def generators(as_json: Json = False) -> None:
    """The generators there are, and their settings."""
    from understudy.generators import auto
    from understudy.generators.base import REGISTRY, generator_class

    found = {name: generator_class(name) for name in REGISTRY}
    if as_json:
        listed = {n: {"summary": c.summary, "settings": c().config.model_dump()} for n, c in found.items()}
        first = {auto.NAME: {"summary": auto.SUMMARY, "rule": auto.RULE, "default": True}}
        console.show(first | {n: {**c, "default": False} for n, c in listed.items()}, as_json=True)
        return
    rows = [(f"{auto.NAME} (default)", auto.SUMMARY, f"those of the chosen one. The rule: {auto.RULE}")]
    for name, c in found.items():
        settings = ", ".join(f"{k}={v}" for k, v in c().config.model_dump().items())
        rows.append((name, c.summary, settings))
    console.show_rows(("generator", "what it is", "settings (--set key=value)"), rows)


def model_directory(model: str) -> Path:
    """The directory of a generator: a path, or a registered model's."""
    if model.startswith("models:/"):
        from understudy.tracking import load_registered

        return load_registered(model)
    return Path(model)

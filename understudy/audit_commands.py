"""`understudy audit` and `understudy privacy-report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from understudy import console

Unit = Annotated[str | None, typer.Option("--unit", help="The column that names a person with several rows.")]
SchemaFile = Annotated[Path | None, typer.Option("--schema", help="A JSON schema that overrides what is inferred.")]
Train = Annotated[Path | None, typer.Option(help="For --targeted: the whole table that the generator learnt.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to the main application."""
    app.command()(audit)
    app.command("privacy-report")(privacy_report)


def audit(
    members: Annotated[Path, typer.Option(help="Real rows that trained, chosen by coin flips.")],
    nonmembers: Annotated[Path, typer.Option(help="Real rows that the coins kept out.")],
    reference: Annotated[Path, typer.Option(help="Other real rows that never trained.")],
    synthetic: Annotated[Path, typer.Option(help="The synthetic table to audit.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The directory to write.")],
    generator: Annotated[
        str | None, typer.Option(help="The generator's directory or models:/NAME@ALIAS: attacked too, and refitted.")
    ] = None,
    targeted: Annotated[
        bool, typer.Option("--targeted", help="Also attack single people, by many fits: minutes to an hour.")
    ] = False,
    train: Train = None,
    secret: Annotated[
        list[str] | None, typer.Option("--secret", help="A column whose inference matters (may be repeated).")
    ] = None,
    known: Annotated[
        list[str] | None,
        typer.Option("--quasi-identifier", help="A column that attackers know (may be repeated); none: all others."),
    ] = None,
    subgroup: Annotated[
        list[str] | None, typer.Option("--subgroup", help="Report success by this column's groups (may be repeated).")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A field of the gate's policy, key=value (may be repeated).")
    ] = None,
    unit: Unit = None,
    schema: SchemaFile = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the random numbers.")] = 0,
    as_json: Json = False,
) -> None:
    """Attack the synthetic table; write audit.html, public.html and both as JSON; exit 1 unless the verdict is PASS."""
    from understudy import stages
    from understudy.conditions import parse_settings
    from understudy.errors import ConfigError
    from understudy.generator_commands import model_directory
    from understudy.preparation import describe

    if train is not None and not targeted:
        raise ConfigError("--train is for --targeted; add that or leave it out")
    gate: dict[str, Any] = parse_settings(settings or [])
    named = {"secrets": secret, "quasi_identifiers": known, "subgroups": subgroup}
    gate |= {field: tuple(columns) for field, columns in named.items() if columns}
    described = describe(members, schema_file=schema, unit=unit)
    with console.progress("audit", quiet=as_json) as progress:
        result = stages.audit(
            members=members, nonmembers=nonmembers, reference=reference, synthetic=synthetic, schema=described,
            out_dir=out, gate=gate, seed=seed, generator=model_directory(generator) if generator else None,
            targeted=targeted, train=train, progress=progress,
        )  # fmt: skip
    _show_audit(result.paths["audit"], as_json)


def privacy_report(
    audit: Annotated[Path, typer.Argument(help="An audit.json, or the directory that has it (out/audit after a run).")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The directory to write.")],
    public: Annotated[
        bool, typer.Option("--public", help="Only what may be published: nothing computed per real record.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write an audit as pages a privacy officer reads: audit.html for those inside, public.html for all others."""
    from understudy.auditing import read_report, write_pages

    report = read_report(audit)
    paths = write_pages(report, out, public_only=public)
    console.show({"verdict": report.verdict, **paths}, as_json=as_json)


def _show_audit(path: Path, as_json: bool) -> None:
    """Print an audit and exit with its verdict's code."""
    from understudy.auditing import read_report

    report = read_report(path)
    shown: dict[str, Any] = {
        "verdict": report.verdict,
        "reasons": list(report.reasons),
        "could detect": report.could_detect,
        "report": path.with_name("audit.html"),
        "to publish": path.with_name("public.html"),
    }
    content = {"verdict": report.verdict, **report.metrics(), "report": shown["report"]} if as_json else shown
    console.show(content, as_json=as_json, title=f"Verdict: {report.verdict}")
    raise typer.Exit(0 if report.verdict == "PASS" else 1)

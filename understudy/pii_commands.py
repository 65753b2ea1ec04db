"""`understudy pii` and `understudy tokenise`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from understudy import console

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Table = Annotated[str, typer.Argument(help="The table: CSV, Parquet, JSON lines, Arrow or SQL-URL#table.")]
Encoding = Annotated[str, typer.Option("--encoding", help="The text encoding of a CSV file.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to the main application."""
    for command in (pii, tokenise):
        app.command()(command)


def pii(
    table: Table,
    locale: Annotated[str, typer.Option("--locale", help="Whose language the texts are in, e.g. en_US.")] = "en_US",
    presidio: Annotated[
        str, typer.Option("--presidio", help="Ask presidio, where it is installed: always, auto (names), or off.")
    ] = "always",
    encoding: Encoding = "utf-8",
    as_json: Json = False,
) -> None:
    """Find personal identifiers in a table: per column what, how sure, and what a run would do about it."""
    from understudy.config import Params
    from understudy.pii.presidio import asked
    from understudy.pii_stages import scan

    settings = Params.of({"data": {"pii": {"locale": locale, "presidio": presidio}}}, "pii").data.pii
    with console.progress("pii", quiet=as_json) as progress:
        progress(0.0, "reading the table")
        lines = scan(table=table, pii=settings, encoding=encoding)
    if as_json:
        found = [line.model_dump() for line in lines]
        console.show({"columns": found, "presidio": asked(settings.presidio, settings.language)}, as_json=True)
        return
    if not lines:
        console.show({"identifiers": "none found"}, as_json=False)
        return
    shown = [
        (x.column, x.found, x.rule, "" if x.share is None else f"{x.share:.0%}", x.sure, x.done) for x in lines
    ]
    console.show_rows(("column", "found", "how it is known", "values", "sure", "what a run does"), shown)


def tokenise(
    table: Table,
    column: Annotated[list[str], typer.Option("--column", help="A column to tokenise (may be repeated).")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The table: .csv, .parquet, .jsonl or .arrow.")],
    domain: Annotated[
        str | None, typer.Option("--domain", help="Columns of one domain join; a column's own name if not given.")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option("--key-file", help="A file with the key; else UNDERSTUDY_TOKEN_KEY holds it.")
    ] = None,
    encoding: Encoding = "utf-8",
    as_json: Json = False,
) -> None:
    """Replace a column's values by keyed tokens, the same ones for the same key, so that tables still join."""
    from understudy.pii_stages import tokenise as replace_by_tokens

    with console.progress("tokenise", quiet=as_json) as progress:
        progress(0.0, "tokenising")
        facts = replace_by_tokens(
            table=table, columns=column, out=out, domain=domain, key_file=key_file, encoding=encoding
        )
    console.show({**facts, "table": out}, as_json=as_json)

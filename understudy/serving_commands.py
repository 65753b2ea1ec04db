"""`understudy serve`, `understudy keys` and `understudy audit-log`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from understudy import console

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
keys_app = typer.Typer(no_args_is_help=True, help="API keys of a server.")
log_app = typer.Typer(no_args_is_help=True, help="The audit log of a server.")


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to the main application."""
    app.command()(serve)
    app.add_typer(keys_app, name="keys")
    app.add_typer(log_app, name="audit-log")


def serve(
    model: Annotated[
        str, typer.Argument(help="models:/NAME@ALIAS or a directory; none: the champion in the registry.")
    ] = "",
    host: Annotated[str, typer.Option(help="Where to listen; other machines need --keys or --open.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("-p", "--port", help="HTTP.")] = 8080,
    grpc_port: Annotated[int, typer.Option(help="gRPC; 0: none.")] = 8081,
    keys: Annotated[Path | None, typer.Option(help="The file of API keys; see `understudy keys add`.")] = None,
    anyone: Annotated[bool, typer.Option("--open", help="Listen beyond this machine without keys.")] = False,
    tls_cert: Annotated[Path | None, typer.Option(help="PEM certificate chain.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM private key.")] = None,
    allow_unaudited: Annotated[bool, typer.Option("--allow-unaudited", help="Serve without an audit's PASS.")] = False,
    max_rows: Annotated[int, typer.Option(help="The most rows of one request.")] = 10_000_000,
    rows_per_day: Annotated[int | None, typer.Option(help="The most rows of one client in a UTC day.")] = None,
    max_requests: Annotated[int, typer.Option(help="Requests in progress at a time.")] = 64,
    concurrency: Annotated[int | None, typer.Option(help="Samplings that run at a time; none: one a core.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds that a request may take.")] = 300,
    poll: Annotated[float, typer.Option(help="Seconds between looks for a new champion.")] = 5,
    audit_log: Annotated[Path, typer.Option(help="Where to log requests.")] = Path("out/serving/audit.jsonl"),
    as_json: Json = False,
) -> None:
    """Serve samples of a model over HTTP and gRPC, with a page to try it."""
    from understudy.serving.settings import serve_settings

    given: dict[str, Any] = {
        "model": model, "host": host, "port": port, "grpc_port": grpc_port, "keys": keys, "open": anyone,
        "tls_cert": tls_cert, "tls_key": tls_key, "allow_unaudited": allow_unaudited, "max_rows": max_rows,
        "rows_per_day": rows_per_day, "max_requests": max_requests, "timeout_s": timeout, "poll_s": poll,
        "audit_log": audit_log,
    }  # fmt: skip
    if concurrency is not None:
        given["concurrency"] = concurrency
    settings = serve_settings(**given)
    from understudy.serving import server

    server.serve(settings, lambda facts: console.show(facts, as_json=as_json, title="Ready"))


@keys_app.command("add")
def add_key(
    file: Annotated[Path, typer.Argument(help="The file of keys; made if it isn't there.")],
    client: Annotated[str, typer.Option(help="Who gets the key.")],
    role: Annotated[str, typer.Option(help="sampler or admin.")] = "sampler",
    as_json: Json = False,
) -> None:
    """Make an API key. It is shown once; the file keeps its hash."""
    from understudy.serving.keys import add_key as add

    console.show({"client": client, "role": role, "key": add(file, client, role)}, as_json=as_json)


@log_app.command("verify")
def verify_log(
    files: Annotated[list[Path], typer.Argument(help="The current file (rotated ones are found), or all in order.")],
    head: Annotated[str, typer.Option(help="A hash noted earlier, which must be in the log.")] = "",
    as_json: Json = False,
) -> None:
    """Check that nothing in an audit log was changed; exit code 1 if something was."""
    from understudy.serving.verification import verify

    found = verify(files, head)
    shown = {"records": found.records, "head": found.head, "starts": found.starts}
    if found.problem:
        shown["problem"] = found.problem
    console.show({"intact": found.intact, **shown}, as_json=as_json, title="Intact" if found.intact else "Changed")
    raise typer.Exit(0 if found.intact else 1)

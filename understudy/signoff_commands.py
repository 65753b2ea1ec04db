"""`understudy sign-off`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from understudy import console


def add_to(app: typer.Typer) -> None:
    """Add the command of this module to the main application."""
    app.command("sign-off")(sign_off)


def sign_off(
    by: Annotated[str, typer.Option("--by", help="Who takes it upon them: a name that can be asked.")],
    reason: Annotated[str, typer.Option("--reason", help="Why the model may be used although the audit can't tell.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The directory of the run's results.")] = Path("out"),
    champion: Annotated[
        bool, typer.Option("--champion", help="Make it the champion too, unless the present one is better.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Sign off an INCONCLUSIVE audit, by name and with a reason, and register the model; a FAIL can't be."""
    from understudy.signoff import sign_off as sign

    with console.progress("sign-off", quiet=as_json) as progress:
        progress(0.0, "registering")
        made = sign(out_dir=out, by=by, reason=reason, champion=champion)
    alias = "champion" if made.champion else "candidate"
    shown = {
        "verdict": made.verdict,
        "signed_off_by": by.strip(),
        "registered": f"{made.name} version {made.version} ({made.reason})",
        "model": f"models:/{made.name}@{alias}",
    }
    console.show(shown, as_json=as_json)

"""`understudy sign` and `understudy verify`: who vouches for a generator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from understudy import console
from understudy.generator_commands import model_directory

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to the main application."""
    for command in (sign, verify):
        app.command()(command)


def sign(
    model: Annotated[str, typer.Argument(help="A generator's directory.")],
    key: Annotated[
        Path | None, typer.Option("--key", help="An ed25519 key, PEM; none: UNDERSTUDY_SIGNING_KEY or ..._KEY_FILE.")
    ] = None,
    audit: Annotated[Path | None, typer.Option("--audit", help="Its audit.json, whose verdict is signed too.")] = None,
    data_md5: Annotated[str, typer.Option("--data-md5", help="The MD5 of the table it learnt.")] = "",
    as_json: Json = False,
) -> None:
    """Sign a generator: write its bill of materials and a signed statement of its provenance beside it."""
    from understudy.errors import ConfigError
    from understudy.provenance import code_commit
    from understudy.supplychain import Provenance, keys, sign_artifact

    if model.startswith("models:/"):
        raise ConfigError(f"{model}: a registered version stays as it is; set UNDERSTUDY_SIGNING_KEY_FILE and register")
    pem = keys.read_pem(key, "--key") if key else keys.configured(keys.PRIVATE)
    if not pem:
        raise ConfigError("no key to sign with; give --key FILE, or set UNDERSTUDY_SIGNING_KEY_FILE")
    private = keys.private_key(pem)
    provenance = Provenance.of_directory(Path(model), audit=audit, data_md5=data_md5, code_commit=code_commit())
    made = sign_artifact(model, private, provenance)
    shown = {"attestation": made, "key": keys.key_id(private.public_key()), "verdict": provenance.verdict or "none"}
    console.show(shown, as_json=as_json)


def verify(
    model: Annotated[str, typer.Argument(help="A generator's directory, or models:/NAME@ALIAS.")],
    public_key: Annotated[
        Path | None,
        typer.Option("--public-key", help="Whom to trust, PEM; none: UNDERSTUDY_PUBLIC_KEY or ..._KEY_FILE."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check that a generator is as it was signed, and by whom; exit code 1 if it isn't."""
    from understudy.errors import ConfigError
    from understudy.supplychain import keys, verify_artifact

    pem = keys.read_pem(public_key, "--public-key") if public_key else keys.configured(keys.PUBLIC)
    if not pem:
        raise ConfigError("nobody to trust; give --public-key FILE, or set UNDERSTUDY_PUBLIC_KEY_FILE")
    found = verify_artifact(model_directory(model), pem)
    shown = {
        "generator": found.generator,
        "verdict": found.verdict or "none",
        "data.md5": found.data_md5,
        "schema.sha256": found.schema_sha256,
        "code.commit": found.code_commit,
        "key": found.key_id,
    }
    console.show({k: v for k, v in shown.items() if v}, as_json=as_json, title="As it was signed")

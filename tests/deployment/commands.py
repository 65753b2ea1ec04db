"""`understudy deploy` as a person types it."""

from typer.testing import CliRunner, Result

from understudy.cli import app

DIGEST = f"registry.example/understudy-serve@sha256:{'a' * 64}"


def deploy(*more: str, model: str = "models:/people/1") -> Result:
    return CliRunner().invoke(app, ["deploy", model, "--image", DIGEST, "--every", "0.01", *more])


def code(result: Result) -> int:
    return int(getattr(result.exception, "exit_code", result.exit_code))

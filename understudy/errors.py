"""Every error a user can meet: one base class, each with an exit code and an HTTP status.

A message is one line that names the thing and the remedy. `cli` prints it and exits with
`exit_code`; `serving` answers with `http_status`.
"""


class UnderstudyError(Exception):
    """Base class. `exit_code` is for the command line, `http_status` for the endpoint."""

    exit_code = 2
    http_status = 400

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(str(message).split()))


class TableError(UnderstudyError):
    """A table can't be read, written, or used as it is."""


class SchemaError(UnderstudyError):
    """A schema is malformed, or a table doesn't fit it."""


class ConfigError(UnderstudyError):
    """A parameter or an option has a value that can't be used."""


class ArtifactError(UnderstudyError):
    """A saved generator is missing, damaged, or of a format this version can't read."""

    http_status = 409


class Untrusted(ArtifactError):
    """An artifact is not what its signature says, or has none that counts: a result, not bad input (exit code 1)."""

    exit_code = 1
    http_status = 403


class RegistryError(UnderstudyError):
    """The model registry has no such model or version, or can't be reached."""

    http_status = 404


class StorageError(UnderstudyError):
    """An output can't be written: disk full, no permission, not a directory."""

    http_status = 507


class PipelineError(UnderstudyError):
    """A pipeline step failed, or did not leave the output it promised."""

    exit_code = 2
    http_status = 500


class DeploymentError(UnderstudyError):
    """What was deployed did not become ready, and what was there before is back: a result (exit code 1)."""

    exit_code = 1
    http_status = 500


class DriftError(UnderstudyError):
    """New rows are no longer as those that were learnt: a result (exit code 1)."""

    exit_code = 1
    http_status = 409


class Rejected(UnderstudyError):
    """The audit's verdict is not PASS: a result, not bad input (exit code 1)."""

    exit_code = 1
    http_status = 403

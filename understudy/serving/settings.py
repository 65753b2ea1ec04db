"""The settings of a server, as one frozen value."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from understudy.errors import ConfigError
from understudy.schema import first_problem

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class ServeSettings(BaseModel):
    """What `understudy serve` was asked for. `mlserver start` takes the same names from `parameters.extra`.

    Attributes:
        model: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `models:/NAME`, a directory, or "": the registry's only
            model that has a champion.
        tracking_uri: the registry; "" as in `understudy.tracking.uri`.
        allow_unaudited: serve a model whose audit is not PASS.
        host, port, grpc_port: where to listen; grpc_port 0 is: no gRPC.
        tls_cert, tls_key: PEM files; both or none.
        keys: the file of hashed API keys. Without one every caller is an admin, and only this machine may call.
        open: listen beyond this machine without keys.
        audit_log: the current file of the log; rotated ones lie beside it.
        audit_rotate_bytes: the size at which it is rotated.
        max_rows: the most rows of one request.
        max_tensor_rows: the most rows of one V2 tensor response, which is not streamed, and of an impute request.
        rows_per_day: the most rows of one client in a UTC day; None: any number.
        max_requests: requests in progress at a time; more are answered 503.
        concurrency: samplings that run at a time.
        max_body_bytes: the longest request body.
        timeout_s: the longest that a request may take, streaming included.
        poll_s: how often to look for a new champion, or at the directory.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = ""
    tracking_uri: str = ""
    allow_unaudited: bool = False
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    grpc_port: int = Field(8081, ge=0, le=65535)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    keys: Path | None = None
    open: bool = False
    audit_log: Path = Path("out/serving/audit.jsonl")
    audit_rotate_bytes: int = Field(64 << 20, ge=4096)
    max_rows: int = Field(10_000_000, ge=1, le=1_000_000_000)
    max_tensor_rows: int = Field(50_000, ge=1, le=65_536)
    rows_per_day: int | None = Field(None, ge=1)
    max_requests: int = Field(64, ge=1)
    concurrency: int = Field(default_factory=lambda: max(2, min(os.cpu_count() or 1, 8)), ge=1, le=256)
    max_body_bytes: int = Field(8 << 20, ge=1024)
    timeout_s: float = Field(300, gt=0)
    poll_s: float = Field(5, gt=0)

    @model_validator(mode="after")
    def _consistent(self) -> ServeSettings:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together; give both or none")
        if self.host not in LOOPBACK and self.keys is None and not self.open:
            raise ValueError(
                f"host {self.host} can be reached from elsewhere; give --keys FILE (see `understudy keys add`),"
                " or --open to let everyone sample"
            )
        return self

    @property
    def local_only(self) -> bool:
        return self.host in LOOPBACK and self.keys is None


def serve_settings(**given: object) -> ServeSettings:
    """Raises ConfigError, in one line, for a value that can't be used."""
    try:
        return ServeSettings.model_validate(given)
    except ValidationError as e:
        raise ConfigError(f"serve: {first_problem(e)}") from None

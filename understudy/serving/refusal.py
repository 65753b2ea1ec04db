"""Why a request is refused: one line, the field it is about, an HTTP status, a reason for the metrics."""

from __future__ import annotations

from typing import Any

from understudy.errors import UnderstudyError

REASONS = {
    400: "bad_request", 401: "no_key", 403: "forbidden", 404: "not_found", 405: "method", 406: "format",
    408: "slow_request", 409: "model", 413: "too_large", 415: "format", 422: "bad_request", 429: "quota",
    499: "client_gone", 500: "error", 503: "busy", 504: "time_out", 507: "audit_log",
}  # fmt: skip
"""The label `reason` of `understudy_failures_total`, by status."""


class Refusal(UnderstudyError):
    """A request that isn't answered with rows. `field` names the part of the request that is wrong."""

    def __init__(self, message: str, *, status: int = 400, field: str = "", retry_after_s: int = 0) -> None:
        super().__init__(message)
        self.http_status, self.field, self.retry_after_s = status, field, retry_after_s

    @property
    def reason(self) -> str:
        return REASONS.get(self.http_status, "error")

    def body(self) -> dict[str, Any]:
        return {"error": str(self), "field": self.field or None, "status": self.http_status}

    def headers(self) -> dict[str, str]:
        found = {"Retry-After": str(self.retry_after_s)} if self.retry_after_s else {}
        return found | ({"WWW-Authenticate": "Bearer"} if self.http_status == 401 else {})


def refusal(e: UnderstudyError, field: str = "") -> Refusal:
    """Any of our errors as the answer to a request."""
    return e if isinstance(e, Refusal) else Refusal(str(e), status=e.http_status, field=field)

"""Prometheus metrics of the server, in the process's default registry, where MLServer's are too."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from understudy.serving.refusal import REASONS

disable_created_metrics()  # a series more for every counter, which nothing uses
CONTENT_TYPE = CONTENT_TYPE_LATEST
REQUESTS = Counter("understudy_requests", "Requests, by route and HTTP status", ["route", "status"])
ROWS = Counter("understudy_rows", "Rows sent, by route", ["route"])
SECONDS = Histogram(
    "understudy_request_seconds", "Seconds from the request to the last byte", ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)  # fmt: skip
FAILURES = Counter("understudy_failures", "Requests that were refused or broke off, by reason", ["reason"])
RELOAD_FAILURES = Counter("understudy_reload_failures", "Model loads that failed; the model before went on serving")
MODEL = Gauge("understudy_model_info", "1 for the model that is served", ["name", "version", "generator"])
IN_PROGRESS = Gauge("understudy_requests_in_progress", "Requests in progress")
LOG_FAILURES = Counter("understudy_audit_log_failures", "Requests refused since the audit log couldn't be written")

for _reason in sorted(set(REASONS.values())):  # so that a rate can be taken from the first failure on
    FAILURES.labels(_reason)


def ended(route: str, status: int, seconds: float, rows: int = 0) -> None:
    """Count a request that is over."""
    REQUESTS.labels(route, str(status)).inc()
    SECONDS.labels(route).observe(seconds)
    if rows:
        ROWS.labels(route).inc(rows)
    if status >= 400:
        FAILURES.labels(REASONS.get(status, "error")).inc()


def serving(name: str, version: str, generator: str) -> None:
    """Note which model is served."""
    MODEL.clear()
    MODEL.labels(name, version, generator).set(1)


def exposition() -> bytes:
    return generate_latest()

"""Have a KFP server run a pipeline, once or on a schedule, through KFP's own client.

A compiled pipeline is uploaded as a version named by the code's commit and the file's hash; one that is there
already is used again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.errors import ConfigError, PipelineError, Rejected
from understudy.progress import Progress
from understudy.provenance import code_commit

if TYPE_CHECKING:
    from kfp import Client

EXPERIMENT = "understudy"
SUCCEEDED = "SUCCEEDED"
FINISHED = (SUCCEEDED, "FAILED", "CANCELED", "SKIPPED", "ERROR")
"""KFP's own wait knows neither CANCELED nor a verdict."""
LOST = 5
"""Polls in a row that may go unanswered."""


@dataclass(frozen=True)
class Server:
    """A KFP server.

    Attributes:
        host: its URL.
        token: sent as `Authorization: Bearer`; "": none.
        namespace: of a multi-user installation; "": a single-user one.
        ca_file: certificates to trust; "": the system's.
    """

    host: str
    token: str = ""
    namespace: str = ""
    ca_file: str = ""


@dataclass(frozen=True)
class Submitted:
    """A run on a server, or a schedule: its id, where a person sees it, and its state ("" for a schedule)."""

    pipeline: str
    version: str
    id: str
    url: str
    state: str = ""


def submit(
    package: Path, server: Server, *, arguments: Mapping[str, Any], job: str, service_account: str = ""
) -> Submitted:
    """Upload `package`, a compiled pipeline, and start a run named `job`.

    Raises ConfigError for arguments that the pipeline doesn't take; PipelineError when the server can't be reached
    or refuses.
    """
    spec = read_package(package)
    given = check_arguments(spec, arguments)
    with _connected(server) as client:
        pipeline_id, version_id, version = _upload(client, package, spec["pipelineInfo"]["name"], server)
        run = client.run_pipeline(
            experiment_id=client.create_experiment(EXPERIMENT, namespace=server.namespace or None).experiment_id,
            job_name=job,
            pipeline_id=pipeline_id,
            version_id=version_id,
            params=given,
            service_account=service_account or None,
        )
    url = f"{server.host.rstrip('/')}/#/runs/details/{run.run_id}"
    return Submitted(spec["pipelineInfo"]["name"], version, run.run_id, url, str(run.state or "PENDING"))


def schedule(
    package: Path, server: Server, *, arguments: Mapping[str, Any], job: str, cron: str, service_account: str = ""
) -> Submitted:
    """Upload `package` and have it run at the times of `cron` (six fields, seconds first), one run at a time.

    A schedule of the same name is replaced. Raises as `submit` does.
    """
    if len(cron.split()) != 6:
        raise ConfigError(f"cron is {cron!r}; KFP wants six fields, seconds first, e.g. '0 0 3 * * *' for 3 o'clock")
    spec = read_package(package)
    given = check_arguments(spec, arguments)
    with _connected(server) as client:
        pipeline_id, version_id, version = _upload(client, package, spec["pipelineInfo"]["name"], server)
        experiment = client.create_experiment(EXPERIMENT, namespace=server.namespace or None).experiment_id
        same = json.dumps({"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": job}]})
        earlier = client.list_recurring_runs(experiment_id=experiment, filter=same).recurring_runs or []
        made = client.create_recurring_run(
            experiment_id=experiment,
            job_name=job,
            cron_expression=cron,
            max_concurrency=1,
            no_catchup=True,
            params=given,
            pipeline_id=pipeline_id,
            version_id=version_id,
            service_account=service_account or None,
        )
        for old in earlier:  # the new one is there first: a kill in between leaves one too many, not none
            client.delete_recurring_run(old.recurring_run_id)
    url = f"{server.host.rstrip('/')}/#/recurringrun/details/{made.recurring_run_id}"
    return Submitted(spec["pipelineInfo"]["name"], version, made.recurring_run_id, url)


def wait(
    server: Server, run: Submitted, *, timeout: float, every: float = 10.0, progress: Progress | None = None
) -> Submitted:
    """Follow a run to its end; the run in its last state, SUCCEEDED.

    Raises Rejected when it failed, or when its audit's verdict was not PASS; PipelineError when `timeout` (seconds)
    is over or the server is gone.
    """
    began, lost = time.monotonic(), 0
    with _connected(server) as client:
        while True:
            try:
                found = client.get_run(run.id)
                lost = 0
            except _answers() as e:
                lost += 1
                if lost > LOST or _status(e) in (400, 401, 403, 404):
                    raise
                found = None
            state = str(found.state or "") if found else ""
            if state in FINISHED:
                break
            if time.monotonic() - began > timeout:
                raise PipelineError(f"run {run.id} is {state or 'unknown'} after {timeout:.0f} s; see {run.url}")
            if progress and found:
                done = [t for t in _tasks(found) if t["state"] in FINISHED]
                progress(min(len(done) / 10, 0.95), f"{state.lower()}, {len(done)} steps done")
            time.sleep(every)
    _judge(run, state, _tasks(found))
    return Submitted(run.pipeline, run.version, run.id, run.url, state)


def read_package(package: Path) -> dict[str, Any]:
    """The pipeline spec in a compiled file. Raises ConfigError."""
    import yaml

    try:
        spec = next(iter(yaml.safe_load_all(package.read_text(encoding="utf-8"))), None)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        spec = None
    if not isinstance(spec, dict) or "pipelineInfo" not in spec:
        raise ConfigError(f"{package}: is no compiled pipeline; make one with `understudy pipeline compile`")
    return spec


def check_arguments(spec: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """`arguments` in the types of the pipeline's parameters. Raises ConfigError for one that is unknown, missing or
    of another type."""
    known, pipeline = spec["root"].get("inputDefinitions", {}).get("parameters", {}), spec["pipelineInfo"]["name"]
    for name in arguments:
        if name not in known:
            raise ConfigError(f"{name!r} is no parameter of {pipeline}; they are: {', '.join(known)}")
    for name, parameter in known.items():
        if name not in arguments and not parameter.get("isOptional") and "defaultValue" not in parameter:
            raise ConfigError(f"parameter {name!r} of {pipeline} is not set; add --set {name}=VALUE")
    return {name: _typed(name, value, known[name]["parameterType"]) for name, value in arguments.items()}


def _typed(name: str, value: Any, kind: str) -> Any:
    if kind == "STRING":
        return str(value)
    try:
        return int(value) if kind == "NUMBER_INTEGER" else json.loads(str(value))
    except ValueError:
        raise ConfigError(f"{name} is {str(value)[:40]!r}; give a value of type {kind.lower()}") from None


def _upload(client: Client, package: Path, name: str, server: Server) -> tuple[str, str, str]:
    """The ids of pipeline `name` and of its version with `package`'s content, uploaded if needed, and its name."""
    version = f"{code_commit()[:12] or 'unknown'}-{hashlib.sha256(package.read_bytes()).hexdigest()[:12]}"
    pipeline_id = client.get_pipeline_id(name)
    if pipeline_id is None:
        pipeline_id = client.upload_pipeline(str(package), name, namespace=server.namespace or None).pipeline_id
    same = json.dumps({"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": version}]})
    there = client.list_pipeline_versions(pipeline_id, filter=same).pipeline_versions or []
    if there:
        return pipeline_id, there[0].pipeline_version_id, version
    made = client.upload_pipeline_version(str(package), version, pipeline_id=pipeline_id)
    return pipeline_id, made.pipeline_version_id, version


def _judge(run: Submitted, state: str, tasks: list[dict[str, str]]) -> None:
    """Raises Rejected for a run that failed, or that ran well and registered nothing."""
    if state != SUCCEEDED:
        broken = next((t for t in tasks if t["state"] in ("FAILED", "ERROR") and t["message"]), None)
        broken = broken or next((t for t in tasks if t["state"] in ("FAILED", "ERROR")), None)
        what = f": step {broken['name']!r} failed {broken['message'][:200]}" if broken else ""
        raise Rejected(f"run {run.id} is {state}{what}; see {run.url}")
    states = {t["name"]: t["state"] for t in tasks}
    if "gate" in states and states.get("register") != SUCCEEDED:
        raise Rejected(f"run {run.id} succeeded, but the verdict is not PASS: nothing is registered; see {run.url}")


def _tasks(run: Any) -> list[dict[str, str]]:
    """The steps of a run: name, state, error message."""
    details = run.run_details.task_details if run.run_details else None
    return [
        {"name": str(t.display_name), "state": str(t.state), "message": (t.error.message or "") if t.error else ""}
        for t in details or []
    ]


@contextmanager
def _connected(server: Server) -> Iterator[Client]:
    """A client; whatever it complains about becomes one PipelineError."""
    if not server.host:
        raise ConfigError("no KFP server is named; give its URL with --host or KF_PIPELINES_ENDPOINT")
    import kfp

    try:
        _greet(server)
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():  # the client prints links
            warnings.simplefilter("ignore")
            client = kfp.Client(
                host=server.host,
                existing_token=server.token or None,
                namespace=server.namespace or "kubeflow",
                ssl_ca_cert=server.ca_file or None,
            )
            yield client
    except _answers() as e:
        raise PipelineError(f"KFP server {server.host}: {_reason(e)}") from e


def _greet(server: Server) -> None:
    """One request, whose answer is the last word: kfp's client tries for half a minute and logs each failure."""
    import kfp_server_api

    configuration = kfp_server_api.Configuration(host=server.host.rstrip("/"))
    configuration.ssl_ca_cert = server.ca_file or None
    configuration.retries = False
    if server.token:
        configuration.api_key["authorization"] = server.token
        configuration.api_key_prefix["authorization"] = "Bearer"
    with kfp_server_api.ApiClient(configuration) as client:
        kfp_server_api.HealthzServiceApi(client).healthz_service_get_healthz(_request_timeout=30)


def _answers() -> tuple[type[Exception], ...]:
    """What the client raises when a server doesn't answer, or not as it should."""
    from kfp_server_api.exceptions import OpenApiException
    from urllib3.exceptions import HTTPError

    return OpenApiException, HTTPError


def _status(e: Exception) -> int | None:
    return getattr(e, "status", None)


def _reason(e: Exception) -> str:
    status, body = _status(e), getattr(e, "body", None)
    if status is None:
        return "can't be reached; check --host and the network"
    try:
        said = json.loads(body or "{}").get("message") or getattr(e, "reason", "")
    except (ValueError, AttributeError):
        said = getattr(e, "reason", "")
    hint = {401: "; set KF_PIPELINES_TOKEN", 403: "; your account may not do this, ask for the role"}.get(status, "")
    return f"answered {status} {str(said)[:200]}{hint}"

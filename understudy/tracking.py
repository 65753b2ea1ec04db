"""The tracking server and the model registry: the only module that imports mlflow.

Every run is recorded with its verdict; a model version exists only for PASS. A run is identified by
the hash of its data, schema, parameters and artifact (tag `understudy.key`), so recording it
again, after a kill or on purpose, continues the same run and finds the same version.

Aliases. `candidate` is the latest version that passed. `champion` moves to it unless it is worse than
the present champion: its C2ST AUC higher, or its TSTR gap larger, by more than two standard
errors of the difference. Nor does it move to a version of another schema, which callers of the
champion may not expect.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.errors import RegistryError
from understudy.evidence import KEY, Evidence, Registration, worse
from understudy.provenance import file_md5, requirements
from understudy.schema import Column, TableSchema
from understudy.supplychain import signed_copy

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import ModelSignature

EXPERIMENT = "understudy"
DEFAULT_DIR = "out"
SQLITE = "sqlite:///"
COMPLETE = "understudy.complete"


def uri(given: str = "") -> str:
    """The tracking server: `given`, else MLFLOW_TRACKING_URI, else SQLite at out/mlflow.db."""
    return given or os.environ.get("MLFLOW_TRACKING_URI", "") or local_uri(DEFAULT_DIR)


def local_uri(directory: str | Path) -> str:
    """The SQLite store in `directory`, which needs no server."""
    return SQLITE + str((Path(directory) / "mlflow.db").resolve())


def record_run(evidence: Evidence, tracking_uri: str = "") -> Registration:
    """Record the run with its parameters, metrics, verdict, lineage and reports, whatever the verdict.

    Raises RegistryError when the server (see `uri`) can't be reached or refuses.
    """
    with connected(tracking_uri) as client:
        run = _recorded(client, evidence)
        return _answer(evidence, run, tracking_uri, reason="recorded")


def register_version(evidence: Evidence, tracking_uri: str = "", reference: Path | None = None) -> Registration:
    """Record the run if it isn't yet, register its model as a version, and set the aliases.

    The directory `reference` becomes the run's artifact of that name, for monitoring. The caller has made sure that
    the verdict is PASS. Raises RegistryError.
    """
    with connected(tracking_uri) as client:
        name, run = evidence.params.model_name(), _recorded(client, evidence)
        if reference is not None:
            client.log_artifacts(run.info.run_id, str(reference), "reference")
        version = _version_of(client, name, run.info.run_id) or _create_version(client, name, run, evidence)
        if version.tags.get(COMPLETE):
            present = _alias(client, name, "champion")
            champion, reason = present is not None and present.version == version.version, "registered before"
        else:
            client.set_registered_model_alias(name, "candidate", version.version)
            champion, reason = _challenge(client, name, version, evidence)
            client.set_model_version_tag(name, version.version, COMPLETE, "true")
        return _answer(evidence, run, tracking_uri, version, champion, reason)


def load_registered(model_uri: str, tracking_uri: str = "") -> Path:
    """The artifact directory of `models:/NAME@ALIAS`, `models:/NAME/VERSION` or `models:/NAME`.

    The last is its champion. Raises RegistryError, in one line, when there is none.
    """
    name = model_uri.removeprefix("models:/")
    pinned = model_uri if "@" in name or "/" in name else f"models:/{name}@champion"
    with connected(tracking_uri, create=False):
        import yaml
        from mlflow.artifacts import download_artifacts

        root = Path(download_artifacts(artifact_uri=pinned))
        model = yaml.safe_load((root / "MLmodel").read_text(encoding="utf-8"))
        return root / str(model["flavors"]["python_function"]["data"])


@contextmanager
def connected(tracking_uri: str, create: bool = True) -> Iterator[MlflowClient]:
    """A client of the server; what mlflow complains about becomes one RegistryError."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    server = uri(tracking_uri)
    if server.startswith(SQLITE):
        database = Path(server.removeprefix(SQLITE))
        if not create and not database.exists():
            raise RegistryError(f"no registry at {database}; do `understudy run`, or set MLFLOW_TRACKING_URI")
        database.parent.mkdir(parents=True, exist_ok=True)
    for chatty in ("mlflow", "alembic"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    import mlflow
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    given = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(server)  # also sets the environment variable, for child processes
    mlflow.set_registry_uri(server)
    try:
        yield mlflow.MlflowClient()
    except (MlflowException, SQLAlchemyError, OSError) as e:
        line = (str(e).splitlines() or [type(e).__name__])[0]
        raise RegistryError(f"registry {_public(server)}: {line[:300]}; check the name and the server") from e
    finally:
        # Else the next run in this process would take this server for the one that was asked for.
        if given is None:
            os.environ.pop("MLFLOW_TRACKING_URI", None)
        else:
            os.environ["MLFLOW_TRACKING_URI"] = given


def _run(client: MlflowClient, evidence: Evidence) -> Run:
    """The run with the evidence's key; a new one if there is none."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is not None:
        place = experiment.experiment_id
    else:
        server = client.tracking_uri
        beside = str(Path(server.removeprefix(SQLITE)).parent / "mlartifacts")
        place = client.create_experiment(EXPERIMENT, beside if server.startswith(SQLITE) else None)
    found = client.search_runs([place], f"tags.`{KEY}` = '{evidence.key}'", max_results=1)
    if found:
        return found[0]
    name = f"{evidence.params.model_name()} {evidence.generator} {evidence.verdict}"
    return client.create_run(place, tags=evidence.tags(), run_name=name)


def _recorded(client: MlflowClient, evidence: Evidence) -> Run:
    """The run, with everything logged to it."""
    run = _run(client, evidence)
    if not run.data.tags.get(COMPLETE):
        _log(client, run, evidence)
        client.set_tag(run.info.run_id, COMPLETE, "true")
        client.set_terminated(run.info.run_id, "FINISHED")
    return run


def _log(client: MlflowClient, run: Run, evidence: Evidence) -> None:
    """Parameters, metrics, lineage and reports. To log the same again changes nothing."""
    from mlflow.entities import Metric, Param

    run_id, when = run.info.run_id, run.info.start_time
    stated = dict(_flat(evidence.parameters))
    client.log_batch(
        run_id,
        metrics=[Metric(k, v, when, 0) for k, v in evidence.metrics.items() if math.isfinite(v)],
        params=[Param(k, v[:500]) for k, v in stated.items() if v],
    )
    _log_inputs(client, run_id, evidence)
    client.log_artifacts(run_id, str(evidence.evaluation), "evaluation")
    client.log_artifacts(run_id, str(evidence.audit), "audit")
    client.log_artifact(run_id, str(evidence.tables / "schema.json"))


def _log_inputs(client: MlflowClient, run_id: str, evidence: Evidence) -> None:
    """Lineage: the raw, the train and the synthetic table, by name and MD5."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    train = evidence.tables / "train.parquet"
    tables = {
        "raw": (evidence.params.data.public_path, evidence.data_md5 or "unknown"),
        "training": (train.name, file_md5(train)),
        "synthetic": (evidence.synthetic.name, file_md5(evidence.synthetic)),
    }
    inputs = []
    for context, (place, digest) in tables.items():
        name = Path(place).name or "table"
        table = Dataset(name, digest, source_type="local", source=json.dumps({"uri": place}))
        inputs.append(DatasetInput(table, [InputTag("mlflow.data.context", context)]))
    client.log_inputs(run_id, inputs)


def _create_version(client: MlflowClient, name: str, run: Run, evidence: Evidence) -> ModelVersion:
    import mlflow
    from mlflow.exceptions import MlflowException

    run_id = run.info.run_id
    # What a killed attempt logged belongs to no version.
    for left in client.search_logged_models([run.info.experiment_id], f"source_run_id = '{run_id}'"):
        client.delete_logged_model(left.model_id)
    with signed_copy(evidence) as (directory, signature), mlflow.start_run(run_id=run_id), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for an input example, which would be a sample
        logged = mlflow.pyfunc.log_model(
            name="generator",
            loader_module="understudy.pyfunc",
            data_path=str(directory),
            signature=_signature(evidence.schema),
            pip_requirements=requirements(),
        )
    try:
        client.create_registered_model(name)
    except MlflowException as e:
        if e.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    # The tags come with the version in one step, so that no kill leaves one without them.
    tags = evidence.tags() | signature
    return client.create_model_version(name, logged.model_uri, run_id, tags, model_id=logged.model_id)


def _challenge(client: MlflowClient, name: str, version: ModelVersion, evidence: Evidence) -> tuple[bool, str]:
    """Move `champion` to `version` unless the present one is better: whether it moved, and why."""
    present = _alias(client, name, "champion")
    if present is not None and present.version == version.version:
        return True, "the champion as before"
    if present is not None:
        against = f"the champion stays version {present.version}"
        if present.tags.get("schema.sha256") != evidence.schema.sha256():
            return False, f"{against}, which has another schema"
        theirs = client.get_run(str(present.run_id)).data.metrics
        if lost := worse(evidence.metrics, theirs):
            return False, f"{against}: {lost}"
    client.set_registered_model_alias(name, "champion", version.version)
    return True, "the first champion" if present is None else f"not worse than version {present.version}"


def _version_of(client: MlflowClient, name: str, run_id: str) -> ModelVersion | None:
    found = client.search_model_versions(f"run_id = '{run_id}'")
    return next((v for v in found if v.name == name), None)


def _alias(client: MlflowClient, name: str, alias: str) -> ModelVersion | None:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException as e:
        if e.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def _answer(
    evidence: Evidence, run: Run, tracking_uri: str, version: ModelVersion | None = None,
    champion: bool = False, reason: str = "",
) -> Registration:  # fmt: skip
    return Registration(
        verdict=evidence.verdict,
        name=evidence.params.model_name(),
        run_id=run.info.run_id,
        tracking_uri=_public(uri(tracking_uri)),
        version=int(version.version) if version else None,
        champion=champion,
        reason=reason,
    )


def _signature(schema: TableSchema) -> ModelSignature:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema, TensorSpec

    inputs: list[ColSpec | TensorSpec] = [
        ColSpec("long", "n_rows"),
        ColSpec("long", "seed", required=False),
        ColSpec("string", "where", required=False),
    ]
    outputs: list[ColSpec | TensorSpec] = [ColSpec(_type(c), c.name, required=not c.nullable) for c in schema.released]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def _type(column: Column) -> str:
    if column.kind == "numerical":
        return "long" if column.integer and not column.nullable else "double"
    return {"boolean": "boolean", "datetime": "datetime"}.get(column.kind, "string")


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested sections as dotted names and text; what is None or empty is left out by the caller."""
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", "" if value in (None, []) else str(value)


def _public(server: str) -> str:
    """A URI without the credentials it may hold."""
    return re.sub(r"//[^/@]*@", "//", server)

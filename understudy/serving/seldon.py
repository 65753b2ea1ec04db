"""The wrapper for Seldon Core v1: `seldon-core-microservice understudy.serving.seldon.SyntheticSampler`.

It runs in an environment of its own (`pip install -c constraints-seldon.txt "understudy[seldon]"`), since Seldon
Core v1 needs numpy 1 and protobuf 3; artifacts load and sample there without mlflow, kfp or dvc. 1.17.1 is
the last release under Apache-2.0.

A request asks for rows, over REST or gRPC, as `jsonData` or as a table whose columns are named:

    {"jsonData": {"n_rows": 100, "seed": 7, "where": {"age": {"min": 50}}}}
    {"data": {"names": ["n_rows", "seed"], "ndarray": [[100, 7]]}}

The answer is `data.ndarray`, with the columns in `data.names`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from understudy import __version__
from understudy.errors import ArtifactError, ConfigError, UnderstudyError
from understudy.pyfunc import Sampler

if TYPE_CHECKING:
    from seldon_core.user_model import SeldonResponse

FIELDS = ("n_rows", "seed", "where")


class SyntheticSampler:
    """A generator as a Seldon component.

    Args:
        model_uri: the artifact's directory; where Seldon's storage initializer puts it, by default.
        name, version: of the model, for tags and metrics.
        max_rows: the most rows of one request: an answer is held in memory as a whole.
    """

    def __init__(
        self, model_uri: str = "/mnt/models", name: str = "", version: str = "", max_rows: int = 100_000
    ) -> None:
        self.model_uri, self.name, self.version, self.max_rows = model_uri, name, version, int(max_rows)
        self.sampler: Sampler | None = None
        self._tags: dict[str, str] = {}

    def load(self) -> None:
        """Called once in every worker. Raises ArtifactError."""
        from understudy.generators import base
        from understudy.supplychain import configured_verification

        path = Path(self.model_uri)
        manifest = base.read_manifest(path)
        try:
            configured_verification(path)
            generator = base.load(path)
        except ModuleNotFoundError as e:
            raise ArtifactError(
                f"{path}: a {manifest.get('name')!r} generator needs {e.name}, which isn't installed here; install it"
            ) from None
        self.sampler = Sampler(generator)
        self.sampler.generator.sample(1, rng=np.random.default_rng(0))  # compiles, and fails now if ever
        self._tags = {
            "model": self.name,
            "version": self.version,
            "generator": generator.name,
            "schema_sha256": generator.schema.sha256(),
            "weights_sha256": str(manifest.get("weights_sha256", "")),
            "understudy": __version__,
        }

    def predict(
        self, X: Any, names: Iterable[str] | None = None, meta: Mapping[str, Any] | None = None  # noqa: N803
    ) -> SeldonResponse:
        """Rows for a request. What is wrong with it is answered with status 400 and one line."""
        from seldon_core.flask_utils import SeldonMicroserviceException
        from seldon_core.user_model import SeldonResponse

        started = time.perf_counter()
        try:
            requests = _requests(X, list(names or ()))
            asked = pd.to_numeric(requests["n_rows"], errors="coerce").sum()
            if asked > self.max_rows:
                raise ConfigError(f"n_rows is {asked:,.0f}; the most of one request is {self.max_rows:,}")
            table = self._loaded().predict(requests)
        except UnderstudyError as e:
            refusal = SeldonMicroserviceException(str(e), e.http_status, "MICROSERVICE_BAD_DATA")
            refusal.args = (str(e),)  # gRPC sends these, REST the message
            raise refusal from e
        measured = [
            {"type": "COUNTER", "key": "understudy_requests_total", "value": 1},
            {"type": "COUNTER", "key": "understudy_rows_total", "value": len(table)},
            {"type": "TIMER", "key": "understudy_request_seconds", "value": 1000 * (time.perf_counter() - started)},
        ]
        return SeldonResponse(data=_plain(table), metrics=measured)

    def class_names(self) -> list[str]:
        """The names of the answer's columns."""
        return [c.name for c in self._loaded().generator.schema.released]

    def tags(self) -> dict[str, str]:
        """What made the rows; in the `meta` of every answer."""
        return {k: v for k, v in self._tags.items() if v}

    def metrics(self) -> list[dict[str, Any]]:
        """Which model is loaded; the counters and the time come with each answer. Prometheus finds all of them at
        /metrics of Seldon's metrics port."""
        labels = {k: self._tags.get(k, "") for k in ("model", "version", "generator")}
        return [{"type": "GAUGE", "key": "understudy_model_info", "value": 1, "tags": labels}]

    def health_status(self) -> str:
        """A sentence, once a row can be drawn; else an error."""
        generator = self._loaded().generator
        generator.sample(1, rng=np.random.default_rng())
        return f"{generator.name}: {len(generator.schema.released)} columns, process {os.getpid()}"

    def _loaded(self) -> Sampler:
        if self.sampler is None:
            raise ArtifactError(f"{self.model_uri}: the generator isn't loaded yet; wait until it is")
        return self.sampler


def _requests(content: Any, names: list[str]) -> pd.DataFrame:
    """One row for each sample that is asked for. Raises ConfigError."""
    if isinstance(content, Mapping):
        unknown = [k for k in content if k not in FIELDS]
        if unknown:
            raise ConfigError(f"{unknown[0]!r} is not a field of a request; its fields are: {', '.join(FIELDS)}")
        fields = dict(content)
        if isinstance(fields.get("where"), Mapping):
            fields["where"] = json.dumps(fields["where"])
        table = pd.DataFrame([fields], dtype=object)
    else:
        rows = np.atleast_2d(np.asarray(content, dtype=object))
        if rows.ndim != 2 or len(names) != rows.shape[1] or not set(names) <= set(FIELDS):
            raise ConfigError('send {"jsonData": {"n_rows": 100}}, or a table with named columns: n_rows, seed, where')
        table = pd.DataFrame(rows, columns=pd.Index(names))
    if "n_rows" not in table:
        raise ConfigError("the request has no n_rows; say how many rows to sample")
    for name in ("n_rows", "seed"):
        for value in table.get(name, ()):
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float, np.number))):
                raise ConfigError(f"{name} is {str(value)[:80]!r}; give a whole number")
            if value is not None and not np.isfinite(value):
                raise ConfigError(f"{name} is {value}; give a whole number")
    if table["n_rows"].isna().any():
        raise ConfigError("n_rows is missing; say how many rows to sample")
    return table


def _plain(table: pd.DataFrame) -> np.ndarray:
    """(n_rows, n_columns) of what JSON has: numbers, text, true and false, None; dates as ISO 8601."""
    plain = np.empty(table.shape, dtype=object)
    for i, name in enumerate(table.columns):
        values = table[name]
        if values.dtype.kind == "M":
            midnight = bool((values.dropna() == values.dropna().dt.normalize()).all())
            values = values.dt.strftime("%Y-%m-%d" if midnight else "%Y-%m-%dT%H:%M:%S.%f")
        missing = values.isna().to_numpy()
        plain[:, i] = values.astype(object).to_numpy()
        plain[missing, i] = None
    return plain

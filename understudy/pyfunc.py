"""The loader module of a registered generator: how `mlflow.pyfunc.load_model` gets one to sample.

    model = mlflow.pyfunc.load_model("models:/NAME@champion")
    model.predict(pandas.DataFrame({"n_rows": [100]}))

mlflow imports this module by name and calls `_load_pyfunc`; nothing is unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from understudy.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from understudy.generators.base import Generator


class Sampler:
    """A generator behind mlflow's interface: one request a row, the samples one after another."""

    def __init__(self, generator: Generator) -> None:
        self.generator = generator

    def predict(self, requests: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Sample for each row of `requests`.

        Columns: `n_rows`; optionally `seed` (missing: OS entropy) and `where` (a JSON object).
        Raises ConfigError for a request that can't be met.
        """
        import pandas as pd

        if "n_rows" not in requests or not len(requests):
            raise ConfigError("the request has no n_rows; send a table with a column n_rows")
        return pd.concat([self._sample(r) for r in requests.to_dict("records")], ignore_index=True)

    def _sample(self, request: Mapping[Any, Any]) -> pd.DataFrame:
        from understudy.generators.base import check_n_rows

        seed = _given(request.get("seed"))
        if seed is not None and (int(seed) != seed or seed < 0):
            raise ConfigError(f"seed is {seed}; give a whole number from 0, or none")
        where = _given(request.get("where"))
        try:
            conditions = json.loads(where) if where else None
        except (TypeError, ValueError):
            raise ConfigError(f"where is {str(where)[:80]!r}; give a JSON object such as {{}}") from None
        if not isinstance(conditions, dict | None):
            raise ConfigError(f"where is {str(where)[:80]!r}; give a JSON object such as {{}}")
        rng = np.random.default_rng(None if seed is None else int(seed))
        return self.generator.sample(check_n_rows(request["n_rows"]), rng=rng, where=conditions)


def _given(value: Any) -> Any:
    """None for a missing value, whichever way a table writes it."""
    return None if value is None or value != value or str(value) == "<NA>" else value


def _load_pyfunc(path: str) -> Sampler:
    from understudy.generators.base import load

    return Sampler(load(path))

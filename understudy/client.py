"""A client of a sampling server: rows as a DataFrame, in one piece or in batches.

>>> client = Client("http://localhost:8080")               # doctest: +SKIP
>>> client.sample(n_rows=100, where={"age": {"min": 50}})  # doctest: +SKIP

It needs pandas and pyarrow, and nothing of the server's.
"""

from __future__ import annotations

import http.client
import json
import random
import ssl
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd

from understudy.errors import ConfigError, UnderstudyError

ARROW = "application/vnd.apache.arrow.stream"
RETRIED = (429, 502, 503, 504)
LONGEST_WAIT_S = 30.0


class ServerError(UnderstudyError):
    """The server refused a request, or can't be reached. `status` is 0 for the latter; `field` what was wrong."""

    def __init__(self, message: str, status: int = 0, field: str | None = None) -> None:
        super().__init__(message)
        self.status, self.field = status, field


class Client:
    """Samples from the server at `url`.

    Args:
        url: http://HOST:PORT or https://HOST:PORT.
        key: the API key, where the server wants one.
        timeout_s: how long to wait for an answer to begin, and between its parts.
        retries: how often to try again when the server is busy or can't be reached. A request without a seed may
            then be drawn, and counted, twice.
        ca_file: PEM certificates to trust, for a server with a certificate of one's own.
    """

    def __init__(
        self, url: str, key: str | None = None, *, timeout_s: float = 60.0, retries: int = 4, ca_file: str | None = None
    ) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"url {url!r} is not one of a server; give http://HOST:PORT")
        self._parts, self._key, self._timeout_s, self._retries = parts, key, timeout_s, retries
        self._tls = ssl.create_default_context(cafile=ca_file) if parts.scheme == "https" else None

    def sample(
        self, n_rows: int, *, where: Mapping[str, Any] | None = None, columns: Sequence[str] | None = None,
        seed: int | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """`n_rows` synthetic rows; `where` as in `Generator.sample`. Raises ServerError."""
        parts = list(self.stream(n_rows, where=where, columns=columns, seed=seed))
        return pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]

    def stream(
        self, n_rows: int, *, where: Mapping[str, Any] | None = None, columns: Sequence[str] | None = None,
        seed: int | None = None,
    ) -> Iterator[pd.DataFrame]:  # fmt: skip
        """The same rows in batches, in constant memory. To stop early, close the iterator. Raises ServerError."""
        import pyarrow as pa

        wanted = {"n_rows": n_rows, "where": where, "columns": None if columns is None else list(columns), "seed": seed}
        with self._answer("POST", "/sample", {k: v for k, v in wanted.items() if v is not None}) as answer:
            got = 0
            try:
                with pa.ipc.open_stream(pa.PythonFile(answer, mode="r")) as batches:
                    for batch in batches:
                        got += batch.num_rows
                        yield batch.to_pandas()
            except (pa.ArrowException, OSError, http.client.HTTPException) as e:
                raise ServerError(f"the answer broke off after {got:,} of {n_rows:,} rows ({e}); try again") from None
        if got != n_rows:
            raise ServerError(f"the answer broke off after {got:,} of {n_rows:,} rows; try again")

    def impute(self, table: pd.DataFrame, *, seed: int | None = None, likely: bool = False) -> pd.DataFrame:
        """`table` with its missing cells filled. Raises ServerError."""
        import pyarrow as pa

        rows = json.loads(table.to_json(orient="records", date_format="iso"))
        wanted = {"rows": rows, "likely": likely} | ({} if seed is None else {"seed": seed})
        with self._answer("POST", "/impute", wanted) as answer:
            filled = pa.ipc.open_stream(answer.read()).read_all().to_pandas()
        return filled.set_axis(table.index)

    def model(self) -> dict[str, Any]:
        """What is served: name, version, schema, audit verdict, data hash, DP budget, limits. Raises ServerError."""
        with self._answer("GET", "/model", None) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found

    @contextmanager
    def _answer(self, method: str, path: str, body: Any) -> Iterator[http.client.HTTPResponse]:
        """An answer of status 200, with a connection of its own. Tries again with growing, jittered waits."""
        headers = {"Accept": ARROW, "Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        data = None if body is None else json.dumps(body, default=str).encode()
        for attempt in range(self._retries + 1):
            connection = self._connection()
            try:
                connection.request(method, self._parts.path.rstrip("/") + path, data, headers)
                answer = connection.getresponse()
                if answer.status == 200:
                    yield answer
                    return
                error, wait = _refused(answer)
            except (OSError, http.client.HTTPException) as e:
                error, wait = ServerError(f"{self._parts.netloc}: can't be reached ({e}); check the address"), 0.0
            finally:
                connection.close()
            again = error.status in (0, *RETRIED) and wait <= LONGEST_WAIT_S
            if not again or attempt == self._retries:
                raise error
            time.sleep(max(wait, min(0.25 * 2**attempt, 8.0)) * random.uniform(0.75, 1.25))

    def _connection(self) -> http.client.HTTPConnection:
        host, port = str(self._parts.hostname), self._parts.port
        if self._tls is not None:
            return http.client.HTTPSConnection(host, port, timeout=self._timeout_s, context=self._tls)
        return http.client.HTTPConnection(host, port, timeout=self._timeout_s)


def _refused(answer: http.client.HTTPResponse) -> tuple[ServerError, float]:
    """The error that the server told, and how many seconds it asks to wait."""
    text = answer.read(65536)
    try:
        body = json.loads(text)
        message, field = str(body["error"]), body.get("field")
    except (ValueError, KeyError, TypeError, AttributeError):
        message, field = f"{answer.status} {answer.reason}", None
    wait = answer.headers.get("Retry-After", "")
    return ServerError(message, answer.status, field), float(wait) if wait.isdigit() else 0.0

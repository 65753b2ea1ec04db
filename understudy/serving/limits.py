"""How much a client may ask for: rows a day, and requests in progress.

Counts are this process's own; a server that starts again takes the day's rows from its audit log. Replicas count
each for themselves, so that the limit of a deployment is their number times that of one.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from understudy.serving.refusal import Refusal


def today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


class Quota:
    """Rows by client since midnight UTC."""

    def __init__(self, rows_per_day: int | None, clock: Callable[[], str] = today) -> None:
        self.rows_per_day, self._clock = rows_per_day, clock
        self._day = clock()
        self._rows: dict[str, int] = {}

    def restore(self, rows: dict[str, int]) -> None:
        """What clients had today before the server started."""
        self._rows = dict(rows)

    def take(self, client: str, n_rows: int) -> None:
        """Count `n_rows`. Raises Refusal 429, and counts nothing, where that is too many."""
        if (day := self._clock()) != self._day:
            self._day, self._rows = day, {}
        had = self._rows.get(client, 0)
        if self.rows_per_day is not None and had + n_rows > self.rows_per_day:
            raise Refusal(
                f"n_rows is {n_rows:,}; client {client} has {max(self.rows_per_day - had, 0):,} of"
                f" {self.rows_per_day:,} rows left today (UTC); ask for fewer or wait",
                status=429, field="n_rows", retry_after_s=_to_midnight(),
            )  # fmt: skip
        self._rows[client] = had + n_rows

    def give_back(self, client: str, n_rows: int) -> None:
        """Uncount rows that were refused after all."""
        self._rows[client] = max(self._rows.get(client, 0) - n_rows, 0)


class Admission:
    """At most `most` requests in progress."""

    def __init__(self, most: int) -> None:
        self.most, self.present = most, 0

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Raises Refusal 503 where there are too many."""
        if self.present >= self.most:
            raise Refusal(
                f"{self.present} requests are in progress, the most at a time; try again", status=503, retry_after_s=1
            )
        self.present += 1
        try:
            yield
        finally:
            self.present -= 1


def _to_midnight() -> int:
    now = datetime.datetime.now(datetime.UTC)
    return 86400 - (now.hour * 3600 + now.minute * 60 + now.second)

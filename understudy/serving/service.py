"""One request from its key to its last row: who asks, limits, the audit log, the rows, the metrics."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from understudy.errors import StorageError, UnderstudyError
from understudy.serving import metrics
from understudy.serving.auditlog import AuditLog
from understudy.serving.keys import Caller, Keys
from understudy.serving.limits import Admission, Quota
from understudy.serving.refusal import Refusal, refusal
from understudy.serving.request import ImputeRequest, SampleRequest
from understudy.serving.sampling import Encode, Sampling, to_arrow
from understudy.serving.served import Served
from understudy.serving.settings import ServeSettings

logger = logging.getLogger("understudy.serving")


@dataclass
class Ask:
    """A request in progress, as far as it is known: what the audit log will say of it."""

    route: str
    deadline: float
    caller: Caller | None = None
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    started: float = field(default_factory=time.perf_counter)
    n_rows: int = 0
    conditions: dict[str, Any] | None = None
    columns: list[str] | None = None
    format: str | None = None
    seeded: bool = False
    served: Served | None = None

    def record(self, status: int, reason: str = "") -> dict[str, Any]:
        facts = self.served.facts if self.served else None
        return {
            "request": self.request_id,
            "client": self.caller.client if self.caller else None,
            "role": self.caller.role if self.caller else None,
            "model": facts.name if facts else None,
            "version": facts.version if facts else None,
            "route": self.route,
            "n_rows": self.n_rows,
            "conditions": self.conditions,
            "columns": self.columns,
            "format": self.format,
            "seeded": self.seeded,
            "status": status,
            "reason": reason,
        }

    def seconds(self) -> float:
        return time.perf_counter() - self.started


class Service:
    """What all routes share. `current` is the model that is served; None before it is loaded or after an unload."""

    def __init__(self, settings: ServeSettings) -> None:
        self.settings = settings
        self.keys = Keys(settings.keys)
        self.log = AuditLog(settings.audit_log, settings.audit_rotate_bytes)
        self.quota = Quota(settings.rows_per_day)
        if settings.rows_per_day is not None:
            self.quota.restore(self.log.rows_today())
        self.admission = Admission(settings.max_requests)
        metrics.IN_PROGRESS.set_function(lambda: self.admission.present)
        self.sampling = Sampling(settings.concurrency)
        self.current: Served | None = None

    def serve(self, served: Served | None) -> None:
        """Take requests for `served` from now on; those in progress end with the model they began with."""
        self.current = served
        if served is None:
            metrics.MODEL.clear()
        else:
            metrics.serving(served.facts.name, served.facts.version, served.facts.generator)

    def model(self) -> Served:
        """Raises Refusal 503 where no model is loaded."""
        if self.current is None:
            raise Refusal("no model is loaded; an admin can load one", status=503, field="model", retry_after_s=5)
        return self.current

    def ask(self, route: str) -> Ask:
        return Ask(route, asyncio.get_running_loop().time() + self.settings.timeout_s)

    def identify(self, ask: Ask, authorization: str | None) -> Caller:
        """Note who asks. Raises Refusal 401."""
        ask.caller = self.keys.caller(authorization)
        return ask.caller

    async def refused(self, ask: Ask, error: UnderstudyError, field_: str = "") -> Refusal:
        """Log a request that is refused; the answer to it, which is 507 where it can't be logged."""
        # What generators say is about a condition, or about a cell of the rows to fill.
        about = "rows" if ask.route == "/impute" else "where" if str(error).startswith("where") else ""
        found = refusal(error, "audit log" if isinstance(error, StorageError) else field_ or about)
        if not isinstance(error, StorageError):
            try:
                await self.log.write(ask.record(found.http_status, str(found)))
            except StorageError as e:
                found = refusal(e, "audit log")
        if found.http_status == 507:
            metrics.LOG_FAILURES.inc()
        metrics.ended(ask.route, found.http_status, ask.seconds())
        return found

    async def noted(self, ask: Ask, reason: str = "") -> None:
        """Log a request that is granted, before anything of the answer goes out. Raises StorageError."""
        await self.log.write(ask.record(200, reason))

    async def sampled(
        self, ask: Ask, request: SampleRequest, encode: Encode, most_rows: int, served: Served | None = None
    ) -> AsyncGenerator[Any, None]:
        """`encode` of each batch of rows, the first after the request is logged.

        Raises UnderstudyError before the first; later a time-out or a client that goes is logged as a second record.
        """
        ask.served = served or self.model()
        ask.n_rows, ask.seeded = request.n_rows, request.seed is not None
        request.check(ask.served.schema, most_rows)
        ask.conditions, ask.columns = request.conditions(), request.columns
        with self.admission.admitted():
            batches = self.sampling.batches(ask.served, request, encode, ask.deadline)
            async with aclosing(self._granted(ask, batches)) as granted:
                async for found in granted:
                    yield found

    async def imputed(self, ask: Ask, request: ImputeRequest, encode: Encode) -> AsyncGenerator[Any, None]:
        """`encode` of the rows with their missing cells filled. Raises UnderstudyError."""
        ask.served = self.model()
        ask.n_rows, ask.seeded = len(request.rows), request.seed is not None
        if ask.n_rows > self.settings.max_tensor_rows:
            raise Refusal(
                f"rows has {ask.n_rows:,} rows; the most of one request is {self.settings.max_tensor_rows:,}",
                status=413, field="rows",
            )  # fmt: skip
        generator: Any = ask.served.generator
        if not hasattr(generator, "impute"):
            raise Refusal(f"generator {generator.name} can't fill missing cells; ask one that can", field="model")

        def work() -> Any:
            table = pd.DataFrame(request.rows, dtype=object)
            for column in ask.served.schema.modelled if ask.served else ():
                if column.name not in table:
                    table[column.name] = None
            rng = np.random.default_rng(request.seed)
            return encode(to_arrow(generator.impute(table, rng=rng, likely=request.likely)))

        async def once() -> AsyncGenerator[Any, None]:
            yield await self.sampling.run(work, ask.deadline)

        with self.admission.admitted():
            async with aclosing(self._granted(ask, once())) as granted:
                async for found in granted:
                    yield found

    async def _granted(self, ask: Ask, batches: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
        assert ask.caller is not None, "identify comes first"
        client, begun, status = ask.caller.client, False, 200
        self.quota.take(client, ask.n_rows)
        try:
            async with aclosing(batches) as drawn:
                async for found in drawn:
                    if not begun:
                        await self.noted(ask)
                        begun = True
                    yield found
        except TimeoutError:
            status = 504
            message = f"the request took longer than {self.settings.timeout_s:g} s; ask for fewer rows"
            raise Refusal(message, status=504, field="n_rows") from None
        except (asyncio.CancelledError, GeneratorExit):
            late = asyncio.get_running_loop().time() >= ask.deadline
            status = 504 if late else 499
            raise
        except BaseException:
            status = 500
            raise
        finally:
            if not begun:
                self.quota.give_back(client, ask.n_rows)
            elif status == 200:
                metrics.ended(ask.route, 200, ask.seconds(), ask.n_rows)
            else:
                self._cut(ask, status)

    def _cut(self, ask: Ask, status: int) -> None:
        """Log an answer that broke off, without waiting: the client may be gone, and this task cancelled."""
        metrics.ended(ask.route, status, ask.seconds())
        reason = {499: "the client went", 504: "time-out"}.get(status, "error")
        task = asyncio.ensure_future(self.log.write(ask.record(status, reason)))
        task.add_done_callback(_log_failure)

    def close(self) -> None:
        self.sampling.close()
        self.log.close()


def _log_failure(task: asyncio.Future[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        metrics.LOG_FAILURES.inc()
        logger.error("%s", error)


def reference_summary(served: Served, bins: int = 12) -> list[dict[str, Any]]:
    """The margins of a model's reference sample, a column each: shares of categories, or of bins of numbers."""
    return [_margin(served, name, values, bins) for name, values in served.reference().items()]


def _margin(served: Served, name: Any, values: pd.Series, bins: int) -> dict[str, Any]:
    column = served.schema.column(str(name))
    margin: dict[str, Any] = {"name": column.name, "kind": column.kind, "missing": float(values.isna().mean())}
    present = values.dropna()
    if column.kind in ("categorical", "boolean"):
        shares = present.astype(str).value_counts(normalize=True)
        margin["values"] = [{"value": str(v), "share": float(s)} for v, s in shares.items()]
    elif column.kind in ("numerical", "datetime") and len(present):
        numbers = present.astype("int64") / 1e6 if column.kind == "datetime" else present.astype(float)
        counts, edges = np.histogram(numbers, bins)
        margin["edges"], margin["shares"] = edges.tolist(), (counts / max(len(present), 1)).tolist()
    return margin



"""Draw rows in threads, off the event loop: a stock for small requests, batches for large ones."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from understudy.generators.base import Generator
from understudy.generators.output import sample_batches
from understudy.serving.request import SampleRequest
from understudy.serving.served import Served

BATCH = 1 << 16
"""Rows of a batch. It must not change: with it the rows of a seed would, for generators that draw batch by batch."""
SMALL = 4096
"""Requests up to here don't wait behind batches of large ones."""

Encode = Callable[[pa.Table], Any]
T = TypeVar("T")


class Stock:
    """Rows drawn ahead for requests that want a few, of no seed and no conditions. Each row is given out once.

    To draw a hundred rows takes hardly less time than to draw a thousand.
    """

    ROWS, TABLES = 8192, 4
    MOST = 1024
    INLINE = 512
    """Up to so many rows are encoded at once, which takes less time than to change threads."""

    def __init__(self, generator: Generator, pool: ThreadPoolExecutor) -> None:
        self._generator, self._pool = generator, pool
        self._tables: deque[pa.Table] = deque()
        self._refill: asyncio.Future[None] | None = None

    async def take(self, n_rows: int) -> pa.Table:
        while True:
            if len(self._tables) < self.TABLES and self._refill is None:
                self._refill = asyncio.ensure_future(self._more())
            if self._tables:
                table = self._tables[0]
                if len(table) >= n_rows:
                    self._tables[0] = table.slice(n_rows)
                    return table.slice(0, n_rows)
                self._tables.popleft()  # what is left of it is given to nobody
                continue
            refill = self._refill
            if refill is not None:
                await asyncio.shield(refill)

    async def _more(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._tables.append(await loop.run_in_executor(self._pool, self._drawn))
        finally:
            self._refill = None

    def _drawn(self) -> pa.Table:
        return to_arrow(self._generator.sample(self.ROWS, rng=np.random.default_rng()))


class Sampling:
    """Threads that draw: `concurrency` for batches of large requests, and two for small ones and the stock."""

    def __init__(self, concurrency: int) -> None:
        self._large = ThreadPoolExecutor(concurrency, "sampling")
        self._small = ThreadPoolExecutor(2, "sampling-small")
        self._stock: tuple[Served, Stock] | None = None

    async def batches(
        self, served: Served, request: SampleRequest, encode: Encode, deadline: float
    ) -> AsyncGenerator[Any, None]:
        """`encode` of each batch of the rows asked for. Raises ConfigError for conditions that can't be met, and
        TimeoutError after `deadline`, in the loop's time."""
        if request.seed is None and not request.where and request.n_rows <= Stock.MOST:
            async with asyncio.timeout_at(deadline):
                table = _select(await self._stock_of(served).take(request.n_rows), request.columns)
                inline = request.n_rows <= Stock.INLINE
                found = encode(table) if inline else await self._run(self._small, lambda: encode(table))
            yield found
            return
        pool = self._small if request.n_rows <= SMALL else self._large
        rng = np.random.default_rng(request.seed)
        drawn = sample_batches(served.generator, request.n_rows, rng=rng, where=request.conditions(), size=BATCH)

        def following() -> Any:
            return encode(_select(to_arrow(next(drawn)), request.columns))

        n_batches = -(-request.n_rows // BATCH)
        ahead = asyncio.ensure_future(self._run(pool, following))
        try:
            for left in reversed(range(n_batches)):
                async with asyncio.timeout_at(deadline):
                    found = await asyncio.shield(ahead)
                if left:
                    ahead = asyncio.ensure_future(self._run(pool, following))  # while this one is sent
                yield found
        finally:
            ahead.cancel()

    async def run(self, work: Callable[[], T], deadline: float) -> T:
        """Something else that takes long, among the large samplings."""
        async with asyncio.timeout_at(deadline):
            return await self._run(self._large, work)

    def close(self) -> None:
        for pool in (self._large, self._small):
            pool.shutdown(wait=False, cancel_futures=True)

    async def _run(self, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, work)

    def _stock_of(self, served: Served) -> Stock:
        if self._stock is None or self._stock[0] is not served:
            self._stock = served, Stock(served.generator, self._small)
        return self._stock[1]


def to_arrow(batch: Any) -> pa.Table:
    return pa.Table.from_pandas(batch, preserve_index=False)


def _select(table: pa.Table, columns: list[str] | None) -> pa.Table:
    return table if columns is None else table.select(columns)

"""Answers over HTTP: errors as JSON, and bytes that are sent as they are made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from understudy.serving.refusal import Refusal


def error_response(refused: Refusal) -> JSONResponse:
    return JSONResponse(refused.body(), refused.http_status, refused.headers())


class Streamed(Response):
    """A body in parts. When the client goes, or `deadline` (in the loop's time) passes, the parts are closed and the
    connection is cut, so that nobody takes half an answer for a whole one."""

    def __init__(self, parts: AsyncGenerator[bytes, None], headers: dict[str, str], deadline: float) -> None:
        super().__init__(status_code=200)
        self.parts, self.deadline = parts, deadline
        self.raw_headers = [(k.lower().encode(), v.encode()) for k, v in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.ensure_future(self._send(send))
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            async with asyncio.timeout_at(self.deadline):
                await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            pass
        finally:
            gone.cancel()
            if not sending.done():
                sending.cancel()
            await asyncio.gather(sending, gone, return_exceptions=True)
        if sending.cancelled() or sending.exception() is not None:
            raise Interrupted

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with aclosing(self.parts) as parts:
            async for part in parts:
                if part:
                    await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Interrupted(Exception):
    """An answer that broke off after its beginning was sent: the server closes the connection."""


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

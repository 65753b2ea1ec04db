"""What every HTTP request passes first: host, key, role, the length of its body; and what catches the unexpected."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from understudy.errors import UnderstudyError
from understudy.serving.refusal import Refusal
from understudy.serving.responses import Interrupted, error_response
from understudy.serving.routes import ASK
from understudy.serving.service import Ask, Service
from understudy.serving.settings import LOOPBACK

logger = logging.getLogger("understudy.serving")
OPEN = re.compile(
    r"/|/metrics|/favicon\.ico|/v2/health/(live|ready)|/v2/models/[^/]+(/versions/[^/]+)?/ready"
)
"""Paths that need no key: they tell nothing of the model."""
ADMIN = "/v2/repository/"
BODY_SECONDS = 30.0


class Edge:
    """ASGI middleware around MLServer's app."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        sent = {"started": False, "ended": False}

        async def noting(message: Message) -> None:
            sent["started"] = True
            sent["ended"] = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        ask = self.service.ask(_route(scope["path"]))
        try:
            body = await self._admit(scope, receive, ask)
            await self.app(scope, _replayed(body, receive), noting)
        except UnderstudyError as e:
            refused = await self.service.refused(ask, e)
            await error_response(refused)(scope, receive, send)
        except Interrupted:
            raise
        except Exception:
            # The last resort: a bug is logged with its trace, and the client learns no more than the request's id.
            logger.exception("request %s to %s", ask.request_id, ask.route)
            if not sent["started"]:
                answer = await broken(self.service, ask)
                await answer(scope, receive, send)
            elif not sent["ended"]:
                raise Interrupted from None

    async def _admit(self, scope: Scope, receive: Receive, ask: Ask) -> bytes:
        """Who asks, noted in the scope; the body. Raises Refusal."""
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        if self.service.settings.local_only:
            _check_local(headers)
        path = scope["path"]
        if not OPEN.fullmatch(path):
            caller = self.service.identify(ask, headers.get("authorization"))
            if path.startswith(ADMIN):
                caller.require_admin()
                await self.service.noted(ask, reason=path[:200])
        scope[ASK] = ask
        return await _body(headers, receive, self.service.settings.max_body_bytes)


async def broken(service: Service, ask: Ask) -> Response:
    """Log a request that met a bug, and answer it."""
    message = f"internal error; tell the server's owner the request's id {ask.request_id}"
    return error_response(await service.refused(ask, Refusal(message, status=500, field="request")))


def _check_local(headers: dict[str, str]) -> None:
    """Where nobody needs a key, a page of another site must not reach the server through a person's browser."""
    host = headers.get("host", "")
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    if name.strip("[]") not in LOOPBACK:
        raise Refusal(f"Host: {host[:80]!r} is not this machine; call http://localhost", status=403, field="host")
    if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        raise Refusal("another site's page asks; only this server's own may", status=403, field="sec-fetch-site")


async def _body(headers: dict[str, str], receive: Receive, most: int) -> bytes:
    """The whole body, which must come within half a minute. Raises Refusal 413 or 408."""
    too_large = Refusal(f"the body is longer than {most:,} bytes; send less", status=413, field="body")
    length = headers.get("content-length", "")
    if length.isdigit() and int(length[:20]) > most:
        raise too_large
    parts, n = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refusal("the client went before it sent the body", status=499, field="body")
                part = message.get("body", b"")
                n += len(part)
                if n > most:
                    raise too_large
                parts.append(part)
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        raise Refusal(f"the body didn't come within {BODY_SECONDS:g} s", status=408, field="body") from None


def _replayed(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def again() -> Any:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _route(path: str) -> str:
    """A path as a label of few values."""
    known = ("/sample", "/impute", "/model", "/reference", "/metrics", "/", "/openapi.json")
    if path in known:
        return path
    return next((p for p in (ADMIN.rstrip("/"), "/v2") if path.startswith(p)), "other")

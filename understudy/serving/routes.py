"""The plain HTTP routes: POST /sample and /impute, GET /model, /reference, /metrics, /openapi.json and the page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from understudy.errors import UnderstudyError
from understudy.serving import metrics, openapi, page
from understudy.serving.formats import MEDIA, Encoder, negotiated
from understudy.serving.request import Format, ImputeRequest, SampleRequest, parse
from understudy.serving.responses import Streamed, error_response
from understudy.serving.sampling import BATCH
from understudy.serving.served import Served
from understudy.serving.service import Ask, Service, reference_summary

ASK = "understudy.ask"
"""The key of the ASGI scope under which the edge notes the request and who asks."""


class Routes:
    """The routes of one service."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._reference: tuple[Served, list[dict[str, Any]]] | None = None

    def all(self) -> list[Route]:
        return [
            Route("/", self.page, methods=["GET"]),
            Route("/sample", self._guarded(self.sample), methods=["POST"]),
            Route("/impute", self._guarded(self.impute), methods=["POST"]),
            Route("/reference", self._guarded(self.reference), methods=["GET"]),
            Route("/model", self._guarded(self.model), methods=["GET"]),
            Route("/metrics", self.metrics, methods=["GET"]),
            Route("/openapi.json", self.openapi, methods=["GET"]),
        ]

    def _guarded(
        self, handler: Callable[[Request, Ask], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """The handler, with every refusal logged and answered as JSON."""

        async def endpoint(request: Request) -> Response:
            ask: Ask = request.scope[ASK]
            try:
                return await handler(request, ask)
            except UnderstudyError as e:
                return error_response(await self.service.refused(ask, e))

        return endpoint

    async def sample(self, request: Request, ask: Ask) -> Response:
        wanted = parse(SampleRequest, await request.body())
        ask.format = fmt = wanted.format or negotiated(request.headers.get("accept"))
        encoder = Encoder(fmt, self.service.model().schema)
        parts = self.service.sampled(ask, wanted, encoder.encode, self.service.settings.max_rows)
        return await _answer(ask, parts, encoder, many=wanted.n_rows > BATCH)

    async def impute(self, request: Request, ask: Ask) -> Response:
        wanted = parse(ImputeRequest, await request.body())
        ask.format = fmt = wanted.format or negotiated(request.headers.get("accept"))
        encoder = Encoder(fmt, self.service.model().schema)
        return await _answer(ask, self.service.imputed(ask, wanted, encoder.encode), encoder, many=False)

    async def reference(self, request: Request, ask: Ask) -> Response:
        """The margins of the reference sample; it is drawn once a model."""
        ask.served = served = self.service.model()
        if self._reference is None or self._reference[0] is not served:
            summary = await self.service.sampling.run(lambda: reference_summary(served), ask.deadline)
            self._reference = served, summary
        await self.service.noted(ask)
        metrics.ended(ask.route, 200, ask.seconds())
        facts = served.facts
        return JSONResponse({"model": facts.name, "version": facts.version, "columns": self._reference[1]})

    async def model(self, request: Request, ask: Ask) -> Response:
        """What is served: facts, schema, limits."""
        served = self.service.model()
        settings = self.service.settings
        return JSONResponse(
            {
                **asdict(served.facts),
                "schema": served.schema.model_dump(mode="json", exclude_defaults=True),
                "imputes": hasattr(served.generator, "impute"),
                "limits": {"max_rows": settings.max_rows, "rows_per_day": settings.rows_per_day},
            }
        )

    async def metrics(self, request: Request) -> Response:
        return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)

    async def openapi(self, request: Request) -> Response:
        served = self.service.current
        return JSONResponse(openapi.document(served.schema if served else None, self.service.settings.max_rows))

    async def page(self, request: Request) -> Response:
        return Response(page.HTML, media_type="text/html", headers=page.HEADERS)


async def _answer(ask: Ask, parts: AsyncGenerator[bytes, None], encoder: Encoder, many: bool) -> Response:
    """The first part is made here, so that what can't be answered is an error and not a broken stream."""
    first = await anext(parts)
    facts = ask.served.facts if ask.served else None
    headers = _headers(encoder.fmt) | {
        "X-Understudy-Model": facts.name if facts else "",
        "X-Understudy-Version": facts.version if facts else "",
        "X-Request-Id": ask.request_id,
    }
    if not many:
        async for _ in parts:  # there is no more; it counts the request
            pass
        return Response(first + encoder.finish(), headers=headers)
    return Streamed(_whole(first, parts, encoder), headers, ask.deadline)


async def _whole(first: bytes, parts: AsyncGenerator[bytes, None], encoder: Encoder) -> AsyncGenerator[bytes, None]:
    try:
        yield first
        async for part in parts:
            yield part
        yield await asyncio.to_thread(encoder.finish)
    finally:
        await parts.aclose()


def _headers(fmt: Format) -> dict[str, str]:
    charset = "; charset=utf-8" if fmt in ("csv", "jsonl") else ""
    return {"Content-Type": MEDIA[fmt] + charset, "Content-Disposition": f'attachment; filename="sample.{fmt}"',
            "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}  # fmt: skip

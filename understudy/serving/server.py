"""The server: MLServer with our runtime, routes and edge, over REST and gRPC, on one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from fastapi.exceptions import RequestValidationError
from mlserver import MLServer
from mlserver import Settings as MLServerSettings
from mlserver.errors import MLServerError
from mlserver.registry import MultiModelRegistry
from mlserver.rest import RESTServer
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from understudy import __version__
from understudy.errors import ConfigError
from understudy.serving.edge import Edge, broken
from understudy.serving.grpc_server import KeyedGRPCServer
from understudy.serving.refusal import Refusal
from understudy.serving.repository import Repository, watch
from understudy.serving.responses import Interrupted, error_response
from understudy.serving.routes import ASK, Routes
from understudy.serving.runtime import V2Refusal
from understudy.serving.served import find_source
from understudy.serving.service import Service
from understudy.serving.settings import ServeSettings

STOP_SECONDS = 10
Ready = Callable[[dict[str, Any]], None]


def serve(settings: ServeSettings, ready: Ready) -> None:
    """Serve until a signal ends it; calls `ready` with the addresses and the model when requests are taken.

    Raises UnderstudyError for a model that can't be served, a port that is taken, keys or a log that can't be used.
    """
    import uvloop

    _quiet()
    for port in (settings.port, settings.grpc_port):
        _check_port(settings.host, port)
    _check_tls(settings)
    source = find_source(settings.model, settings.tracking_uri)
    first = source.load(allow_unaudited=settings.allow_unaudited)
    service = Service(settings)

    async def main() -> None:
        await Server(service, Repository(service, source, first), ready).run()

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())
    finally:
        service.close()


class Server(MLServer):  # type: ignore[misc]
    """MLServer, whose models come from `repository` and whose doors are ours."""

    def __init__(self, service: Service, repository: Repository, ready: Ready) -> None:
        self.service, self.repository, self._ready = service, repository, ready
        super().__init__(
            MLServerSettings(
                debug=False, parallel_workers=0, host=service.settings.host, http_port=service.settings.port,
                grpc_port=service.settings.grpc_port, metrics_endpoint=None, gzip_enabled=False,
                server_name="understudy", server_version=__version__, load_models_at_startup=False, extensions=[],
            )  # fmt: skip
        )
        self._model_repository_handlers._repository = repository

    def _create_model_registry(self) -> MultiModelRegistry:
        return MultiModelRegistry(model_initialiser=self.repository.runtime)

    def _configure_logger(self) -> None:
        """`understudy serve` has configured logging."""

    def _create_servers(self) -> None:
        planes = (self._settings, self._data_plane, self._model_repository_handlers)
        self._kafka_server = None
        self._rest_server = EdgedRESTServer(*planes)
        self._rest_server.attach(self.service)
        self._grpc_server = None
        if self.service.settings.grpc_port:
            self._grpc_server = KeyedGRPCServer(*planes)
            self._grpc_server.service = self.service

    async def run(self) -> None:
        """Until a signal stops it."""
        await self._model_registry.load(self.repository.present())
        await self.repository.changed()
        served = self.service.model()
        await asyncio.to_thread(lambda: served.reference())  # compiles what sampling needs
        servers = [asyncio.ensure_future(self._rest_server.start())]
        if self._grpc_server:
            servers.append(asyncio.ensure_future(self._grpc_server.start()))
        load = self._model_repository_handlers.load
        watching = asyncio.ensure_future(watch(self.repository, load, self.service.settings.poll_s))
        announcing = asyncio.ensure_future(self._announce())
        try:
            await asyncio.gather(*servers)
        finally:
            for task in (watching, announcing):
                task.cancel()
            if self._grpc_server:
                await self._grpc_server.stop()

    async def _announce(self) -> None:
        while not self._rest_server.started:
            await asyncio.sleep(0.01)
        settings, facts = self.service.settings, self.service.model().facts
        scheme = "https" if settings.tls_cert else "http"
        verdict = f"{facts.verdict}, signed off" if facts.signed_off else facts.verdict
        self._ready(
            {
                "model": f"{facts.name} version {facts.version} ({facts.generator}, audit: {verdict})",
                "url": f"{scheme}://{settings.host}:{settings.port}",
                "grpc": f"{settings.host}:{settings.grpc_port}" if settings.grpc_port else "off",
                "audit log": str(settings.audit_log),
            }
        )


class EdgedRESTServer(RESTServer):  # type: ignore[misc]
    """MLServer's REST server with our routes before its own, behind the edge."""

    def attach(self, service: Service) -> None:
        self._service = service
        self._server: _Server | None = None
        self._app.router.routes[:0] = Routes(service).all()
        self._app.openapi_url = None
        handlers = {MLServerError: self._refused, RequestValidationError: self._malformed, HTTPException: self._http}
        self._app.exception_handlers.update({**handlers, Exception: self._broken})

    @property
    def started(self) -> bool:
        return self._server is not None and self._server.started

    async def start(self) -> None:
        settings = self._service.settings
        self._server = server = _Server(
            uvicorn.Config(
                Edge(self._app, self._service), host=settings.host, port=settings.port, log_config=None,
                access_log=False, server_header=False, lifespan="off", ws="none",
                timeout_graceful_shutdown=STOP_SECONDS, ssl_certfile=settings.tls_cert, ssl_keyfile=settings.tls_key,
            )  # fmt: skip
        )
        await server.serve()

    async def _broken(self, request: Request, e: Exception) -> Response:
        """The edge logs the trace."""
        if isinstance(e, Interrupted):  # the answer has begun, and this one isn't sent
            return Response()
        return await broken(self._service, request.scope[ASK])

    async def _refused(self, request: Request, e: MLServerError) -> Response:
        if isinstance(e, V2Refusal):
            return error_response(e.refused)
        return await self._answer(request, Refusal(str(e), status=e.status_code, field="model"))

    async def _malformed(self, request: Request, e: RequestValidationError) -> Response:
        error = e.errors()[0]
        field = ".".join(str(p) for p in error["loc"] if p != "body")[:200] or "body"
        return await self._answer(request, Refusal(f"{field}: {error['msg']}", status=422, field=field))

    async def _http(self, request: Request, e: HTTPException) -> Response:
        field = {404: "path", 405: "method"}.get(e.status_code, "body")
        refused = Refusal(f"{request.method} {request.url.path[:200]}: {e.detail}", status=e.status_code, field=field)
        answer = await self._answer(request, refused)
        answer.headers.update(e.headers or {})
        return answer

    async def _answer(self, request: Request, refused: Refusal) -> Response:
        return error_response(await self._service.refused(request.scope[ASK], refused))


class _Server(uvicorn.Server):
    """MLServer handles the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Expected(logging.Filter):
    """Drops traces of refusals, which MLServer logs as if they were faults, and of streams that broke off."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, MLServerError | Interrupted)


def _quiet() -> None:
    logging.basicConfig(level=logging.WARNING, format="understudy serve: %(levelname)s %(message)s")
    for name in ("mlserver", "mlserver.grpc", "uvicorn", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.WARNING)
        logging.getLogger(name).addFilter(_Expected())


def _check_port(host: str, port: int) -> None:
    """Raises ConfigError where nothing can listen."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(found[0], socket.SOCK_STREAM) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(found[4])
    except OSError as e:
        raise ConfigError(f"{host} port {port}: can't listen ({e.strerror}); give another --host or --port") from None


def _check_tls(settings: ServeSettings) -> None:
    if settings.tls_cert is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as e:
        raise ConfigError(f"TLS {settings.tls_cert}: can't be used ({e}); give PEM files of one pair") from None

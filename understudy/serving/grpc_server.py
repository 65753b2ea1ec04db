"""MLServer's gRPC server with TLS, keys and roles, and a limit on messages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from mlserver.grpc import GRPCServer
from mlserver.grpc import utils as grpc_utils
from mlserver.grpc.dataplane_pb2_grpc import add_GRPCInferenceServiceServicer_to_server
from mlserver.grpc.model_repository import ModelRepositoryServicer
from mlserver.grpc.model_repository_pb2_grpc import add_ModelRepositoryServiceServicer_to_server
from mlserver.grpc.servicers import InferenceServicer

from understudy.errors import UnderstudyError
from understudy.serving.refusal import Refusal
from understudy.serving.service import Service

MOST_SENT_BYTES = 256 << 20
OPEN = ("ServerLive", "ServerReady", "ModelReady", "ServerMetadata")
CODES = {
    401: grpc.StatusCode.UNAUTHENTICATED, 403: grpc.StatusCode.PERMISSION_DENIED,
    409: grpc.StatusCode.FAILED_PRECONDITION, 413: grpc.StatusCode.OUT_OF_RANGE,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED, 503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED, 507: grpc.StatusCode.UNAVAILABLE,
}  # fmt: skip


class KeyInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Refuses calls without a known key, and repository calls of who isn't an admin."""

    def __init__(self, service: Service) -> None:
        self.service = service

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        method = details.method.rsplit("/", 1)[-1]
        if method in OPEN:
            return await continuation(details)
        sent = dict(details.invocation_metadata or ())
        repository = method.startswith("Repository")
        ask = self.service.ask("/v2/repository" if repository else "/v2")
        try:
            caller = self.service.identify(ask, sent.get("authorization"))
            if repository:
                caller.require_admin()
                await self.service.noted(ask, reason=method)
        except UnderstudyError as e:
            return _refusing(await self.service.refused(ask, e), method == "ModelStreamInfer")
        return await continuation(details)


def _refusing(refused: Refusal, streaming: bool) -> Any:
    """A handler that answers nothing but the refusal."""
    code = CODES.get(refused.http_status, grpc.StatusCode.INVALID_ARGUMENT)

    async def abort(_: Any, context: grpc.aio.ServicerContext) -> None:
        await context.abort(code, str(refused))

    return (grpc.stream_stream_rpc_method_handler if streaming else grpc.unary_unary_rpc_method_handler)(abort)


class KeyedGRPCServer(GRPCServer):  # type: ignore[misc]
    """The service must be given before `start`."""

    service: Service

    def _create_server(self) -> grpc.aio.Server:
        settings = self.service.settings
        # MLServer knows codes for few statuses, and has UNKNOWN for the others.
        grpc_utils.STATUS_CODE_MAPPING.update(CODES)
        self._server = grpc.aio.server(
            interceptors=[KeyInterceptor(self.service)],
            options=[
                ("grpc.max_receive_message_length", settings.max_body_bytes),
                ("grpc.max_send_message_length", MOST_SENT_BYTES),
                ("grpc.so_reuseport", 0),  # else a second server would share the port in silence
            ],
        )
        inference = InferenceServicer(self._data_plane, self._model_repository_handlers)
        add_GRPCInferenceServiceServicer_to_server(inference, self._server)
        repository = ModelRepositoryServicer(self._model_repository_handlers)
        add_ModelRepositoryServiceServicer_to_server(repository, self._server)
        address = f"{settings.host}:{settings.grpc_port}"
        if settings.tls_cert and settings.tls_key:
            pair = (settings.tls_key.read_bytes(), settings.tls_cert.read_bytes())
            self._server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
        else:
            self._server.add_insecure_port(address)
        return self._server

"""The MLServer runtime: a generator behind the V2 (Open Inference) protocol, over REST and gRPC.

With `understudy serve` it shares the server's service. A stock `mlserver start` loads it too, from a
model-settings.json with "implementation": "understudy.serving.runtime.SyntheticModel"; the model is `parameters.uri`,
relative to that file, and `parameters.extra` takes the names of `ServeSettings`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

import pyarrow as pa
from mlserver import MLModel, ModelSettings
from mlserver.errors import MLServerError
from mlserver.types import InferenceRequest, InferenceResponse, MetadataModelResponse, Parameters, ResponseOutput
from mlserver.utils import to_absolute_path

from understudy.errors import UnderstudyError
from understudy.registered import REGISTERED
from understudy.serving.refusal import Refusal
from understudy.serving.request import SampleRequest
from understudy.serving.served import Served, find_source
from understudy.serving.service import Ask, Service
from understudy.serving.settings import serve_settings
from understudy.serving.tensors import file_tensor, input_metadata, output_metadata, read_request, tensors

STREAMED_ROWS = 8192
"""Rows of one response of a stream."""


class V2Refusal(MLServerError):
    """A refusal, logged already, as MLServer passes it on."""

    def __init__(self, refused: Refusal) -> None:
        super().__init__(str(refused), refused.http_status)
        self.refused = refused


class SyntheticModel(MLModel):
    """One loaded version. `service` and `served` come from `understudy serve`; without them `load` makes its own."""

    def __init__(self, settings: ModelSettings, service: Service | None = None, served: Served | None = None) -> None:
        super().__init__(settings)
        self._service, self._served = service, served
        self._own = service is None

    async def load(self) -> bool:
        """Raises MLServerError for a model that can't be served."""
        if self._served is None:
            try:
                self._service, self._served = await asyncio.to_thread(self._stand_alone)
            except UnderstudyError as e:
                raise MLServerError(str(e), e.http_status) from None
        self.inputs, self.outputs = input_metadata(), output_metadata(self.served.schema)
        self.service.serve(self.served)
        return True

    async def unload(self) -> bool:
        """Requests in progress keep the model until they end."""
        if self._service is None:
            return True
        if self._service.current is self._served:
            self._service.serve(None)
        if self._own:
            self._service.close()
        return True

    async def metadata(self) -> MetadataModelResponse:
        """V2 metadata; the parameters tell the model's facts."""
        served = self.served
        facts = {k: v for k, v in asdict(served.facts).items() if v not in (None, "")}
        return MetadataModelResponse(
            name=self.name, platform="understudy", versions=[served.facts.version], inputs=self.inputs,
            outputs=self.outputs,
            parameters=Parameters(**facts, schema=served.schema.model_dump_json(exclude_defaults=True)),
        )  # fmt: skip

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Rows as tensors, at most `max_tensor_rows`. Raises V2Refusal."""
        ask = self.service.ask("/v2")
        try:
            request = self._request(ask, payload)
            most = self.service.settings.max_tensor_rows
            parts = self.service.sampled(ask, request, self._encoding(request), most, self.served)
            found = [outputs async for outputs in parts]
        except UnderstudyError as e:
            raise V2Refusal(await self.service.refused(ask, e)) from None
        return self._response(found[0])

    async def predict_stream(self, payloads: AsyncIterator[InferenceRequest]) -> AsyncIterator[InferenceResponse]:
        """For each request, responses of at most `STREAMED_ROWS` rows. Raises V2Refusal."""
        async for payload in payloads:
            ask = self.service.ask("/v2/stream")
            try:
                request = self._request(ask, payload)
                if request.format:
                    raise Refusal("format: a V2 stream has tensors; leave it out, or POST /sample", field="format")
                most = self.service.settings.max_rows
                async with aclosing(self.service.sampled(ask, request, self._split, most, self.served)) as parts:
                    async for several in parts:
                        for outputs in several:
                            yield self._response(outputs)
            except UnderstudyError as e:
                raise V2Refusal(await self.service.refused(ask, e)) from None

    @property
    def service(self) -> Service:
        if self._service is None:
            raise AttributeError("no service before load")  # MLServer looks at all attributes before it loads
        return self._service

    @property
    def served(self) -> Served:
        if self._served is None:
            raise AttributeError("no model before load")
        return self._served

    def _request(self, ask: Ask, payload: InferenceRequest) -> SampleRequest:
        headers = (payload.parameters.headers if payload.parameters else None) or {}
        self.service.identify(ask, headers.get("authorization"))
        request = read_request(payload)
        ask.format = request.format or "tensors"
        return request

    def _encoding(self, request: SampleRequest) -> Any:
        schema, fmt = self.served.schema, request.format
        if fmt is None:
            return lambda table: tensors(table, schema)
        return lambda table: file_tensor(table, schema, fmt)

    def _split(self, table: pa.Table) -> list[list[ResponseOutput]]:
        starts = range(0, len(table), STREAMED_ROWS)
        return [tensors(table.slice(a, STREAMED_ROWS), self.served.schema) for a in starts]

    def _response(self, outputs: list[ResponseOutput]) -> InferenceResponse:
        return InferenceResponse(
            model_name=self.name, model_version=self.served.facts.version, outputs=outputs,
            parameters=Parameters(content_type="pd"),
        )  # fmt: skip

    def _stand_alone(self) -> tuple[Service, Served]:
        parameters = self.settings.parameters
        extra = dict((parameters.extra if parameters else None) or {})
        if parameters and (uri := parameters.uri):
            extra.setdefault("model", uri if uri.startswith(REGISTERED) else to_absolute_path(self.settings, uri))
        settings = serve_settings(**extra)
        source = find_source(settings.model, settings.tracking_uri)
        return Service(settings), source.load(allow_unaudited=settings.allow_unaudited)

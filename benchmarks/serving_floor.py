"""The floor that `benchmarks.serving` compares with: a plain MLServer model that sums the columns it is sent."""

from __future__ import annotations

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class SumOfColumns(MLModel):
    """One tensor in, (rows, columns); its sums out, (columns,)."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        table = NumpyCodec.decode_input(payload.inputs[0])
        sums = NumpyCodec.encode_output("sums", table.sum(axis=0))
        return InferenceResponse(model_name=self.name, outputs=[sums])

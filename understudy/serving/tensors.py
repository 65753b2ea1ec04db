"""V2 tensors: a request in them, and rows as them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from mlserver.codecs import Base64Codec, PandasCodec
from mlserver.types import InferenceRequest, MetadataTensor, Parameters, ResponseOutput, TensorData

from understudy.schema import Column, TableSchema
from understudy.serving.formats import MEDIA, Encoder, plain
from understudy.serving.refusal import Refusal
from understudy.serving.request import Format, SampleRequest, checked, parse_json

_FIELDS = tuple(SampleRequest.model_fields)
_PROTOCOL = {"content_type", "headers", "binary_data_output", "sequence_id", "sequence_start", "sequence_end",
             "priority", "timeout"}  # fmt: skip
"""Parameters that stock clients send and that say nothing about the rows."""


def read_request(payload: InferenceRequest) -> SampleRequest:
    """The request in the parameters and inputs of a V2 call. Raises Refusal that names the field.

    Inputs: n_rows and seed, one whole number each; where, one JSON text; columns, texts; format, one text.
    Parameters: the same, as numbers and texts; columns as a JSON list.
    """
    given: dict[str, Any] = {}
    parameters = payload.parameters.model_extra if payload.parameters else None
    for name, value in (parameters or {}).items():
        if name in _FIELDS:
            given[name] = parse_json(value, name) if name in ("where", "columns") and isinstance(value, str) else value
        elif name not in _PROTOCOL:
            raise Refusal(f"parameter {name[:80]!r} is not known; there are: {', '.join(_FIELDS)}", field=name[:200])
    for tensor in payload.inputs:
        if tensor.name not in _FIELDS:
            raise Refusal(
                f"input {tensor.name[:80]!r} is not known; there are: {', '.join(_FIELDS)}", field=tensor.name[:200]
            )
        values = [_text(v, tensor.name) for v in _flat(tensor.data.root)]
        if tensor.name == "columns":
            given["columns"] = values
        elif len(values) != 1:
            raise Refusal(f"input {tensor.name} has {len(values)} values; give one", field=tensor.name)
        elif tensor.name == "where" and isinstance(values[0], str):
            given["where"] = parse_json(values[0], "where") if values[0] else None
        else:
            given[tensor.name] = _whole(values[0])
    return checked(SampleRequest, given)


def tensors(table: pa.Table, schema: TableSchema) -> list[ResponseOutput]:
    """One output a column, which MLServer's pandas codec decodes. A missing number is NaN, which gRPC can carry and
    JSON has as null. Another column that may have missing values holds JSON texts (content type `pd_json`)."""
    table = plain(table, schema)
    return [_output(name, table.column(name), schema.column(name).nullable) for name in table.column_names]


def _output(name: str, values: pa.ChunkedArray, nullable: bool) -> ResponseOutput:
    number = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
    if pa.types.is_temporal(values.type):
        values = values.cast(pa.string())
    if nullable and not number:  # the codec can't: it takes text for a number and looks for NaN
        data = [json.dumps(x, ensure_ascii=False).encode() for x in values.to_pylist()]
        parameters = Parameters(content_type=PandasCodec.JsonContentType)
        return ResponseOutput(name=name, shape=[len(data), 1], datatype="BYTES", data=data, parameters=parameters)
    frame = pd.DataFrame({name: values.to_pandas()})  # whole numbers beside missing ones become floats
    output: ResponseOutput = PandasCodec.encode_outputs(frame)[0]
    if frame[name].dtype.kind == "f":
        output.data = TensorData(frame[name].tolist())  # the codec has None for NaN, which gRPC can't carry
    return output


def file_tensor(table: pa.Table, schema: TableSchema, fmt: Format) -> list[ResponseOutput]:
    """One output `table` with a whole file in base64."""
    encoder = Encoder(fmt, schema)
    data = encoder.encode(table) + encoder.finish()
    output = Base64Codec.encode_output("table", [data])
    output.parameters = Parameters(content_type=Base64Codec.ContentType, media_type=MEDIA[fmt])
    return [output]


def input_metadata() -> list[MetadataTensor]:
    return [
        MetadataTensor(name=name, datatype="INT64" if name in ("n_rows", "seed") else "BYTES", shape=[1])
        for name in _FIELDS if name != "columns"
    ] + [MetadataTensor(name="columns", datatype="BYTES", shape=[-1])]  # fmt: skip


def output_metadata(schema: TableSchema) -> list[MetadataTensor]:
    return [MetadataTensor(name=c.name, datatype=_datatype(c), shape=[-1, 1]) for c in schema.released]


def _datatype(column: Column) -> str:
    if column.kind == "numerical":
        return "INT64" if column.integer and not column.nullable else "FP64"
    return "BOOL" if column.kind == "boolean" and not column.nullable else "BYTES"


def _flat(data: Any) -> list[Any]:
    if isinstance(data, np.ndarray):
        data = data.tolist()
    if not isinstance(data, list | tuple):
        return [data]
    return [x for part in data for x in (_flat(part) if isinstance(part, list | tuple) else [part])]


def _text(value: Any, name: str) -> Any:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Refusal(f"input {name} is not UTF-8 text", field=name) from None


def _whole(value: Any) -> Any:
    """A float without a fraction as the whole number it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value

"""Calls of a stock V2 client; prints what it got as JSON. Arguments: gRPC address, HTTP address, two keys."""

import json
import sys

import numpy as np
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from tritonclient.utils import InferenceServerException

grpc_address, http_address, ann, root = sys.argv[1:]
grpc_client, http_client = over_grpc.InferenceServerClient(grpc_address), over_http.InferenceServerClient(http_address)


def key(value: str) -> dict[str, str]:
    return {"authorization": f"Bearer {value}"}


def inputs(module, n_rows: int):
    found = []
    for name, value in (("n_rows", n_rows), ("seed", 7)):
        tensor = module.InferInput(name, [1], "INT64")
        array = np.array([value])
        tensor.set_data_from_numpy(array) if module is over_grpc else tensor.set_data_from_numpy(array, binary_data=False)
        found.append(tensor)
    return found


def lists(result) -> dict[str, list]:
    names = ("age", "region", "children")
    columns = {n: result.as_numpy(n).ravel().tolist() for n in names}
    return {n: [x.decode() if isinstance(x, bytes) else x for x in c] for n, c in columns.items()}


def code(call) -> str:
    try:
        call()
    except InferenceServerException as e:
        return str(e.status())
    return ""


assert grpc_client.is_server_ready() and grpc_client.is_model_ready("model")
metadata = grpc_client.get_model_metadata("model", headers=key(ann))
assert [t.name for t in metadata.inputs] == ["n_rows", "seed", "where", "format", "columns"]
print(
    json.dumps(
        {
            "grpc": lists(grpc_client.infer("model", inputs(over_grpc, 40), headers=key(ann))),
            "http": lists(http_client.infer("model", inputs(over_http, 40), headers=key(ann))),
            "errors": {
                "no key": code(lambda: grpc_client.infer("model", inputs(over_grpc, 4))),
                "a sampler loads": code(lambda: grpc_client.load_model("model", headers=key(ann))),
                "an admin loads": code(lambda: grpc_client.load_model("model", headers=key(root))),
                "no rows": code(lambda: grpc_client.infer("model", inputs(over_grpc, 0), headers=key(ann))),
                "too many": code(lambda: grpc_client.infer("model", inputs(over_grpc, 50_001), headers=key(ann))),
                "unknown model": code(lambda: grpc_client.infer("other", inputs(over_grpc, 4), headers=key(ann))),
            },
        }
    )
)

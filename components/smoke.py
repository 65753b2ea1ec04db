"""`python -m components.smoke TARGET`: can this image do its work, as this user, with what it may write?

    cpu      a KFP step runs, a generator fits and samples, the registry's server and clients are there
    gpu      the same, and torch is a CUDA build; multiplies on a GPU if there is one
    serve    `understudy serve` answers V2 health and a sample
    seldon   the Seldon Core v1 wrapper samples, without mlflow or kfp

Ends with 0 and one line, or with what went wrong. Runs in a minute on one core.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROWS = 200


def cpu(folder: Path) -> str:
    # Artifacts in S3, signatures, MLflow's basic-auth and its database, the cluster.
    needed = "boto3, cryptography, cyclonedx, flask_wtf, kubernetes, mlflow.server.auth, psycopg2"
    _run(sys.executable, "-c", f"import {needed}")
    generator = _fitted(folder)
    drawn = folder / "drawn"
    artifact = {"name": "x", "uri": str(generator), "metadata": {}}
    step = {
        "inputs": {
            "parameterValues": {"sample_options": '{"n_rows": 50, "seed": 0}'},
            "artifacts": {
                "model": {"artifacts": [artifact | {"type": {"schemaTitle": "system.Model"}}]},
                "tables": {"artifacts": [artifact | {"uri": str(folder), "type": {"schemaTitle": "system.Dataset"}}]},
            },
        },
        "outputs": {
            "artifacts": {
                "synthetic": {
                    "artifacts": [artifact | {"uri": str(drawn), "type": {"schemaTitle": "system.Dataset"}}]
                }
            },
            "outputFile": str(folder / "output.json"),
        },
    }
    module = Path(__file__).with_name("sample.py")
    _run(
        sys.executable, "-m", "kfp.dsl.executor_main", "--component_module_path", str(module),
        "--function_to_execute", "sample", "--executor_input", json.dumps(step),
    )  # fmt: skip
    import pyarrow.parquet as pq

    rows = pq.read_metadata(drawn / "synthetic.parquet").num_rows
    assert rows == 50, f"the step wrote {rows} rows instead of 50"
    return "a KFP step sampled 50 rows"


def gpu(folder: Path) -> str:
    said = cpu(folder)
    build = _run(sys.executable, "-c", "import torch; print(torch.version.cuda or '')").strip()
    assert build, "torch is no CUDA build; build the image on an index that has one"
    multiply = "import torch; a = torch.ones(64, 64, device='cuda'); print(float((a @ a).sum()))"
    if not int(_run(sys.executable, "-c", "import torch; print(torch.cuda.device_count())")):
        return f"{said}; torch for CUDA {build}, no GPU here"
    assert float(_run(sys.executable, "-c", multiply)) == 64.0**3
    return f"{said}; torch for CUDA {build}, a GPU multiplies"


def serve(folder: Path) -> str:
    port = 18080
    command = [
        "understudy", "serve", str(_fitted(folder)), "--allow-unaudited", "--port", str(port),
        "--grpc-port", "0", "--audit-log", str(folder / "audit.jsonl"),
    ]  # fmt: skip
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # what it says when it is ready isn't this line
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                _get(f"http://localhost:{port}/v2/health/ready")
                break
            except OSError:
                assert server.poll() is None, f"the server ended with {server.returncode}"
                assert time.monotonic() < deadline, "the server isn't ready after 90 s"
                time.sleep(0.2)
        rows = _get(f"http://localhost:{port}/sample", {"n_rows": 50, "format": "csv"}).splitlines()
        assert len(rows) == 51, f"{len(rows)} lines of CSV instead of 51"
    finally:
        server.terminate()
        server.wait(30)
    return "the server gave 50 rows"


def seldon(folder: Path) -> str:
    from understudy.serving.seldon import SyntheticSampler

    sampler = SyntheticSampler(model_uri=str(_fitted(folder)))
    sampler.load()
    rows = sampler.predict([[50]], names=["n_rows"]).data
    assert len(rows) == 50, f"{len(rows)} rows instead of 50"
    return "the Seldon wrapper gave 50 rows"


def _fitted(folder: Path) -> Path:
    """A generator of a small table, made by the image's own command."""
    lines = ["age,income"] + [f"{20 + i % 50},{'high' if i % 3 else 'low'}" for i in range(ROWS)]
    (folder / "table.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _run("understudy", "fit", str(folder / "table.csv"), "-o", str(folder / "model"), "--generator", "independent")
    return folder / "model"


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr[-2000:]}"
    return done.stdout


def _get(url: str, body: dict[str, object] | None = None) -> str:
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.read().decode())


TARGETS = {"cpu": cpu, "gpu": gpu, "serve": serve, "seldon": seldon}


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in TARGETS:
        print(f"usage: python -m components.smoke {'|'.join(TARGETS)}", file=sys.stderr)
        return 2
    if os.getuid() == 0:
        print("smoke: runs as root; the image's user is 10001", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        print(f"smoke {arguments[0]}: {TARGETS[arguments[0]](Path(folder))}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

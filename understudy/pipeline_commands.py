"""`understudy pipeline compile|submit|schedule`: the pipelines on a cluster."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from understudy import console

if TYPE_CHECKING:
    from pipelines.cluster import Cluster
    from pipelines.submit import Server

app = typer.Typer(no_args_is_help=True, help="The pipelines, on Kubeflow.")

Name = Annotated[str, typer.Argument(help="training, sampling, leaderboard or monitoring.")]
Image = Annotated[str | None, typer.Option("--image", help="The steps' image, NAME@sha256:DIGEST.")]
GpuImage = Annotated[str | None, typer.Option("--gpu-image", help="The image of steps that train on a GPU.")]
Gpus = Annotated[int, typer.Option("--gpus", help="GPUs of a step that trains; 0: it trains on CPU.")]
Retries = Annotated[int, typer.Option("--retries", help="Retries of a failed step.")]
Pvc = Annotated[str, typer.Option("--pvc", help="A volume claim to mount at /understudy in every step.")]
Root = Annotated[str, typer.Option("--root", help="Where artifacts go, s3://BUCKET/PREFIX.")]
Host = Annotated[str, typer.Option("--host", envvar="KF_PIPELINES_ENDPOINT", help="The KFP server's URL.")]
Token = Annotated[
    str, typer.Option("--token", envvar="KF_PIPELINES_TOKEN", show_envvar=True, help="Better as the variable.")
]
Namespace = Annotated[str, typer.Option("-n", "--namespace", help="Of a multi-user installation.")]
CaFile = Annotated[str, typer.Option("--ca-file", help="Certificates to trust.")]
Account = Annotated[str, typer.Option("--service-account", help="The Kubernetes account that steps run as.")]
Package = Annotated[Path | None, typer.Option("--package", help="A compiled pipeline; none: compiled now.")]
ParamsFile = Annotated[Path, typer.Option("--params", help="The configuration of training and leaderboard.")]
DataUri = Annotated[str, typer.Option("--data", help="Where the steps find the raw table, s3://BUCKET/FILE.")]
DataMd5 = Annotated[str, typer.Option("--data-md5", help="Its MD5; none: that of data.path, where it is here.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="A parameter, key=value (may be repeated).")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
PARAMS = Path("params.yaml")


@app.command("compile")
def compile_pipeline(
    name: Name = "training",
    out: Annotated[Path | None, typer.Option("-o", "--out", help="The file; none: out/NAME.yaml.")] = None,
    image: Image = None,
    gpu_image: GpuImage = None,
    gpus: Gpus = 1,
    retries: Retries = 2,
    pvc: Pvc = "",
    root: Root = "",
    as_json: Json = False,
) -> None:
    """Compile a pipeline to KFP's IR YAML; the same input gives the same bytes."""
    from pipelines.compile import compile_pipeline as compile_

    made = compile_(name, out or Path("out") / f"{name}.yaml", _cluster(image, gpu_image, gpus, retries, pvc, root))
    console.show({"pipeline": made}, as_json=as_json)


@app.command()
def submit(
    name: Name = "training",
    host: Host = "",
    data: DataUri = "",
    data_md5: DataMd5 = "",
    params: ParamsFile = PARAMS,
    settings: Settings = None,
    image: Image = None,
    gpu_image: GpuImage = None,
    gpus: Gpus = 1,
    retries: Retries = 2,
    pvc: Pvc = "",
    root: Root = "",
    package: Package = None,
    token: Token = "",
    namespace: Namespace = "",
    ca_file: CaFile = "",
    service_account: Account = "",
    wait: Annotated[bool, typer.Option("--wait", help="Until it ends; exit code 1 unless it passes.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait.")] = 86_400,
    every: Annotated[float, typer.Option(help="Seconds between looks.", min=0.01)] = 10,
    as_json: Json = False,
) -> None:
    """Upload a pipeline and run it. Exit code 0: started, or with --wait, succeeded; 1: failed, or the verdict isn't
    PASS; 2: bad input, or no server."""
    from pipelines import submit as submitting

    cluster, server = _cluster(image, gpu_image, gpus, retries, pvc, root), _server(host, token, namespace, ca_file)
    arguments = _arguments(name, data, data_md5, params, settings)
    with tempfile.TemporaryDirectory() as folder:
        made = submitting.submit(
            package or _compiled(name, folder, cluster), server, arguments=arguments, job=name,
            service_account=service_account,
        )  # fmt: skip
    if wait:
        with console.progress(name, quiet=as_json) as progress:
            made = submitting.wait(server, made, timeout=timeout, every=every, progress=progress)
    console.show(asdict(made), as_json=as_json)


@app.command()
def schedule(
    cron: Annotated[str, typer.Option("--cron", help="Six fields, seconds first: '0 0 3 * * *' is 3 o'clock.")],
    name: Name = "monitoring",
    job: Annotated[str, typer.Option(help="The schedule's name; one of the same name is replaced.")] = "",
    host: Host = "",
    data: DataUri = "",
    data_md5: DataMd5 = "",
    params: ParamsFile = PARAMS,
    settings: Settings = None,
    image: Image = None,
    gpu_image: GpuImage = None,
    gpus: Gpus = 1,
    retries: Retries = 2,
    pvc: Pvc = "",
    root: Root = "",
    package: Package = None,
    token: Token = "",
    namespace: Namespace = "",
    ca_file: CaFile = "",
    service_account: Account = "",
    as_json: Json = False,
) -> None:
    """Upload a pipeline and have it run again and again, one run at a time (KFP's RecurringRun)."""
    from pipelines import submit as submitting

    cluster, server = _cluster(image, gpu_image, gpus, retries, pvc, root), _server(host, token, namespace, ca_file)
    arguments = _arguments(name, data, data_md5, params, settings)
    with tempfile.TemporaryDirectory() as folder:
        made = submitting.schedule(
            package or _compiled(name, folder, cluster), server, arguments=arguments, job=job or name, cron=cron,
            service_account=service_account,
        )  # fmt: skip
    console.show({k: v for k, v in asdict(made).items() if v}, as_json=as_json)


def _cluster(image: str | None, gpu_image: str | None, gpus: int, retries: int, pvc: str, root: str) -> Cluster:
    from pipelines.cluster import Cluster

    images = {k: v for k, v in (("image", image), ("gpu_image", gpu_image)) if v}
    return Cluster(gpus=gpus, retries=retries, pvc=pvc, root=root, **images)


def _server(host: str, token: str, namespace: str, ca_file: str) -> Server:
    from pipelines.submit import Server

    return Server(host, token, namespace, ca_file)


def _compiled(name: str, folder: str, cluster: Cluster) -> Path:
    from pipelines.compile import compile_pipeline as compile_

    return compile_(name, Path(folder) / f"{name}.yaml", cluster)


def _arguments(name: str, data: str, data_md5: str, params: Path, settings: list[str] | None) -> dict[str, Any]:
    """What the params file, the code and the options say of a pipeline's parameters."""
    from pipelines.arguments import pipeline_arguments
    from understudy.errors import ConfigError

    stated = {}
    for setting in settings or []:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {setting!r}: give key=value")
        stated[key] = value
    return pipeline_arguments(name, params, data=data, data_md5=data_md5) | stated

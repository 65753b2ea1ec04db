"""`understudy deploy`: a registered generator behind an endpoint on Kubernetes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from understudy import console

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module to the main application."""
    app.command()(deploy)


def deploy(
    model: Annotated[str, typer.Argument(help="models:/NAME@ALIAS or models:/NAME/VERSION.")],
    kind: Annotated[str, typer.Option(help="deployment, seldon (Seldon Core v1) or kserve.")] = "deployment",
    name: Annotated[str, typer.Option(help="The endpoint's name.")] = "serving",
    namespace: Annotated[str, typer.Option("-n", "--namespace", help="Where.")] = "understudy",
    image: Annotated[str | None, typer.Option(help="The server's image, NAME@sha256:DIGEST.")] = None,
    replicas: Annotated[int | None, typer.Option(help="How many; none: an autoscaler's business, or one.")] = None,
    mlflow: Annotated[str | None, typer.Option(help="The tracking server, as the pods reach it.")] = None,
    audit_claim: Annotated[str, typer.Option(help="A volume claim that keeps the audit log.")] = "",
    context: Annotated[str, typer.Option(help="A context of the kubeconfig; none: its current one.")] = "",
    timeout: Annotated[int, typer.Option(help="Seconds until it must be ready.")] = 600,
    every: Annotated[float, typer.Option(help="Seconds between looks.", min=0.01)] = 2,
    force: Annotated[bool, typer.Option("--force", help="Take fields over from other owners.")] = False,
    render: Annotated[
        Path | None, typer.Option("--render", help="Write the manifests to this file and leave the cluster alone.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Serve a registered generator on Kubernetes; if it doesn't become ready, what was there before comes back.

    Exit code 1: its audit didn't pass, or it didn't become ready; 2: bad input, or the cluster refuses.
    """
    from understudy.deployment import Target, rollout
    from understudy.deployment.kube import Kube
    from understudy.errors import ConfigError

    if not model.startswith("models:/"):
        raise ConfigError(f"{model}: only a registered version is deployed; give models:/NAME@champion")
    chosen: dict[str, Any] = {k: v for k, v in (("kind", kind), ("image", image), ("mlflow", mlflow)) if v}
    target = Target(
        name=name, namespace=namespace, replicas=replicas, audit_claim=audit_claim, timeout=timeout, **chosen
    )
    if render:
        console.show({"manifests": rollout.write_manifests(model, target, render)}, as_json=as_json)
        return
    with console.progress("deploy", quiet=as_json) as progress:
        made = rollout.deploy(model, target, Kube(context), force=force, every=every, progress=progress)
    console.show(asdict(made), as_json=as_json, title="Ready")

"""What is to be deployed where, as manifests: a Deployment with its Service, a SeldonDeployment or an
InferenceService, which all run `understudy serve` in the same pod."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from understudy.errors import ConfigError
from understudy.images import check_image
from understudy.registered import RegisteredVersion

Kind = Literal["deployment", "seldon", "kserve"]
IMAGE = "understudy-serve:0.1.0"
MLFLOW = "http://mlflow:5000"
MODEL = "understudy/model"
"""The annotation that says which version is served."""
_PORTS = {"deployment": (8080, 8081), "seldon": (9000, 9500), "kserve": (8080, 8081)}
_CONTAINER = {"deployment": "serving", "seldon": "sampler", "kserve": "kserve-container"}
_NAME = r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"


@dataclass(frozen=True)
class Target:
    """Where and how.

    Attributes:
        kind: deployment, seldon (SeldonDeployment, Seldon Core v1) or kserve (InferenceService).
        name, namespace: of the objects.
        image: of the server, by digest.
        replicas: None leaves their number to whoever sets it, an autoscaler or the default.
        mlflow: the tracking server, as the pods reach it.
        audit_claim: a volume claim for the audit log; "": it is lost with the pod.
        timeout: seconds until it must be ready.
    """

    kind: Kind = "deployment"
    name: str = "serving"
    namespace: str = "understudy"
    image: str = IMAGE
    replicas: int | None = None
    mlflow: str = MLFLOW
    audit_claim: str = ""
    timeout: int = 600

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ConfigError(f"kind {self.kind!r} is not known; choose one of: {', '.join(get_args(Kind))}")
        for what in ("name", "namespace", "audit_claim"):
            value = getattr(self, what)
            if (value or what != "audit_claim") and not re.fullmatch(_NAME, value):
                raise ConfigError(f"{what} {value!r} is no Kubernetes name; give lower-case letters, digits and dashes")
        if self.replicas is not None and self.replicas < 1:
            raise ConfigError(f"replicas is {self.replicas}; give a whole number from 1, or none")
        if self.timeout < 1:
            raise ConfigError(f"timeout is {self.timeout}; give seconds from 1")
        check_image(self.image)

    def manifests(self, version: RegisteredVersion) -> list[dict[str, Any]]:
        """The objects that serve `version`, in the order in which they are applied."""
        import yaml
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

        templates = FileSystemLoader(Path(__file__).parent)
        environment = Environment(loader=templates, undefined=StrictUndefined, autoescape=False, trim_blocks=False)
        uri = f"models:/{version.name}/{version.version}"
        port, grpc_port = _PORTS[self.kind]
        labels = {"app.kubernetes.io/name": self.name, "app.kubernetes.io/part-of": "understudy"}
        text = environment.get_template(f"{self.kind}.yaml.j2").render(
            name=self.name,
            namespace=self.namespace,
            image=self.image,
            replicas=self.replicas,
            mlflow=self.mlflow,
            audit_claim=self.audit_claim,
            timeout=self.timeout,
            model=uri,
            port=port,
            grpc_port=grpc_port,
            container=_CONTAINER[self.kind],
            labels=labels | {"understudy/registry-client": "true"},
            annotations={MODEL: uri, "understudy/generator": version.tags.get("generator.name", "")},
        )
        return list(yaml.safe_load_all(text))

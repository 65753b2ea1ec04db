"""Where a pipeline's steps run on a cluster: images, resources, GPU, retries, secrets, volumes.

A pipeline is built with a function that places its tasks: `here` leaves them as they are, for KFP's local runner;
`Cluster.place` says what Kubernetes needs to know. Steps ask for what `STEPS` says, by their component's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from kfp.dsl import PipelineTask

from components.image import GPU_IMAGE, IMAGE
from understudy.errors import ConfigError
from understudy.images import check_image

Place = Callable[[PipelineTask], PipelineTask]

GPU = "nvidia.com/gpu"
USER = 10001
"""The user of the images; see components/Dockerfile."""
VOLUME = "/understudy"
"""Where a claim given with `pvc` is mounted in every step."""

OBJECT_STORE = ("understudy-object-store", ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
REGISTRY = ("understudy-mlflow", ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"))
SIGNING = ("understudy-signing-key", ("UNDERSTUDY_SIGNING_KEY",))
VERIFYING = ("understudy-public-key", ("UNDERSTUDY_PUBLIC_KEY",))
"""Secrets by name, and their keys, which become environment variables. One that isn't there is left out."""
MLFLOW = "http://mlflow.understudy:5000"
"""The tracking server of manifests/, unless the pipeline's parameter `tracking_uri` names another."""


@dataclass(frozen=True)
class Step:
    """What a step asks for.

    Attributes:
        cpu, memory: (request, limit) in Kubernetes' units.
        trains: whether it uses a GPU where the cluster has one.
        seconds: after which it is ended.
        secrets: those it reads; see above.
        retried: whether another try may end otherwise.
    """

    cpu: tuple[str, str] = ("250m", "1")
    memory: tuple[str, str] = ("512Mi", "2Gi")
    trains: bool = False
    seconds: int = 3600
    secrets: tuple[tuple[str, tuple[str, ...]], ...] = ()
    retried: bool = True


STEPS = {
    "preprocess": Step(cpu=("1", "2"), memory=("4Gi", "16Gi"), seconds=6 * 3600),
    "train": Step(cpu=("2", "8"), memory=("8Gi", "32Gi"), trains=True, seconds=24 * 3600),
    "sample": Step(cpu=("1", "4"), memory=("4Gi", "16Gi"), seconds=6 * 3600),
    "evaluate": Step(cpu=("1", "4"), memory=("4Gi", "16Gi"), seconds=6 * 3600),
    "audit": Step(cpu=("1", "4"), memory=("4Gi", "16Gi"), seconds=6 * 3600),
    "gate": Step(),
    "record": Step(memory=("1Gi", "4Gi"), secrets=(REGISTRY, OBJECT_STORE)),
    "register": Step(memory=("1Gi", "4Gi"), secrets=(REGISTRY, OBJECT_STORE, SIGNING)),
    "candidates": Step(),
    "promote": Step(memory=("1Gi", "4Gi"), secrets=(REGISTRY, OBJECT_STORE, SIGNING)),
    "fetch": Step(memory=("1Gi", "4Gi"), secrets=(REGISTRY, OBJECT_STORE, VERIFYING)),
    "shards": Step(),
    "sample-shard": Step(cpu=("1", "2"), memory=("2Gi", "8Gi"), seconds=6 * 3600, secrets=(OBJECT_STORE,)),
    "join-shards": Step(secrets=(OBJECT_STORE,)),
    "monitor": Step(cpu=("1", "2"), memory=("2Gi", "8Gi"), secrets=(REGISTRY, OBJECT_STORE)),
    "alarm": Step(retried=False),
}


def here(task: PipelineTask) -> PipelineTask:
    """Place a step on this machine: nothing to say."""
    return task


@dataclass(frozen=True)
class Cluster:
    """A cluster's side of a pipeline.

    Attributes:
        image, gpu_image: what steps run in, and those that train; by digest, so that a run can be repeated.
        gpus: how many a step that trains asks for; 0: it trains on CPU, in `image`.
        retries: of a step that failed, half a minute and then twice as long apart.
        pvc: a claim to mount at `VOLUME`, for tables and artifacts outside an object store.
        root: where artifacts go (s3://, gs://, minio://); "": where the installation puts them.
    """

    image: str = IMAGE
    gpu_image: str = GPU_IMAGE
    gpus: int = 1
    retries: int = 2
    pvc: str = ""
    root: str = ""

    def __post_init__(self) -> None:
        for image in (self.image, self.gpu_image):
            check_image(image)
        if self.gpus < 0 or self.retries < 0:
            raise ConfigError(f"gpus is {self.gpus} and retries {self.retries}; give whole numbers from 0")
        if self.pvc and not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", self.pvc):
            raise ConfigError(f"pvc {self.pvc!r} is no name of a claim; give lower-case letters, digits and dashes")
        if self.root and not re.match(r"(s3|gs|minio|oci)://[^/]", self.root):
            raise ConfigError(f"root {self.root!r} is no place for artifacts; give s3://BUCKET/PREFIX, gs:// or minio://")

    def place(self, task: PipelineTask) -> PipelineTask:
        """Say what `task` needs. Raises KeyError for a component that `STEPS` doesn't know."""
        from kfp import kubernetes

        step = STEPS[task.component_spec.name]
        on_gpu = step.trains and self.gpus > 0
        task.set_container_image(self.gpu_image if on_gpu else self.image)
        task.set_cpu_request(step.cpu[0]).set_cpu_limit(step.cpu[1])
        task.set_memory_request(step.memory[0]).set_memory_limit(step.memory[1])
        if self.retries and step.retried:
            task.set_retry(self.retries, backoff_duration="30s", backoff_factor=2.0, backoff_max_duration="600s")
        if on_gpu:
            task.set_accelerator_type(GPU).set_accelerator_limit(self.gpus)
            kubernetes.add_toleration(task, key=GPU, operator="Exists", effect="NoSchedule")
        for name, keys in step.secrets:
            kubernetes.use_secret_as_env(task, name, {key: key for key in keys}, optional=True)
        if REGISTRY in step.secrets:
            task.set_env_variable("MLFLOW_TRACKING_URI", MLFLOW)
            kubernetes.add_pod_label(task, "understudy/registry-client", "true")  # lets it through to MLflow
        if self.pvc:
            kubernetes.mount_pvc(task, self.pvc, VOLUME)
        kubernetes.set_timeout(task, step.seconds)
        kubernetes.set_security_context(task, run_as_user=USER, run_as_group=USER, run_as_non_root=True)
        return task

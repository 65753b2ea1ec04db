from kfp.dsl import Artifact, Input

from components.image import component


@component
def alarm(monitored: Input[Artifact], verdict: str) -> None:
    """A verdict other than ok ends the run as failed; see `monitoring_stages.alarm`."""
    from understudy import monitoring_stages

    monitoring_stages.alarm(monitored=monitored.path, verdict=verdict)

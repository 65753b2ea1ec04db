"""The monitoring pipeline: new real rows against what a registered version learnt. The run fails on drift.

    importer -> monitor -> alarm
"""

from kfp import dsl
from kfp.dsl.base_component import BaseComponent

from components.alarm import alarm
from components.monitor import monitor
from pipelines.cluster import Place, here

NAME = "understudy-monitoring"


def build(place: Place = here) -> BaseComponent:
    """The pipeline, with its steps placed by `place`."""

    @dsl.pipeline(name=NAME, description="New rows against what a registered generator learnt; fails on drift")
    def monitoring(data: str, model: str = "", n_rows: int = 5000, seed: int = 0, tracking_uri: str = "") -> None:
        raw = dsl.importer(artifact_uri=data, artifact_class=dsl.Dataset, reimport=True)
        # The rows behind the URI and the version behind an alias may be others tomorrow.
        found = place(
            monitor(data=raw.output, model_uri=model, n_rows=n_rows, seed=seed, tracking_uri=tracking_uri)
        ).set_caching_options(False)
        raised = place(alarm(monitored=found.outputs["monitored"], verdict=found.outputs["Output"]))
        raised.set_caching_options(False)

    return monitoring

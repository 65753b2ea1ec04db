from kfp.dsl import Model, Output

from components.image import component


@component
def fetch(model: Output[Model], model_uri: str, tracking_uri: str) -> None:
    """A registered generator -> its artifact, of one version for all shards; see `sampling_stages.fetch`."""
    from understudy import sampling_stages

    made = sampling_stages.fetch(model_uri=model_uri, model_dir=model.path, tracking_uri=tracking_uri)
    model.metadata.update(made)

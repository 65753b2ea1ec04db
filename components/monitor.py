from kfp.dsl import HTML, Artifact, Dataset, Input, Output

from components.image import component


@component
def monitor(
    data: Input[Dataset],
    monitored: Output[Artifact],
    report: Output[HTML],
    model_uri: str,
    n_rows: int,
    seed: int,
    tracking_uri: str,
) -> str:
    """New rows against what a version learnt -> ok, drift or broken; see `monitoring_stages.monitor`."""
    from understudy import monitoring_stages
    from understudy.progress import to_log

    return monitoring_stages.monitor(
        data=data.path,
        model_uri=model_uri,
        out_dir=monitored.path,
        report=report.path,
        n_rows=n_rows,
        seed=seed,
        tracking_uri=tracking_uri,
        progress=to_log,
    )

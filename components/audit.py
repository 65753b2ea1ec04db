from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Model, Output

from components.image import component


@component
def audit(
    tables: Input[Dataset],
    model: Input[Model],
    synthetic: Input[Dataset],
    audited: Output[Artifact],
    report: Output[HTML],
    metrics: Output[Metrics],
    gate_options: str,
    evaluate_options: str,
) -> None:
    """A synthetic table -> the privacy audit; see `understudy.stages.audit`.

    The model is for the white-box attack alone.
    """
    import shutil

    from understudy import stages
    from understudy.config import Params
    from understudy.progress import to_log

    params = Params.from_json(gate=gate_options, evaluate=evaluate_options)
    made = stages.audit(
        members=f"{tables.path}/members.parquet",
        nonmembers=f"{tables.path}/nonmembers.parquet",
        reference=f"{tables.path}/reference.parquet",
        synthetic=f"{synthetic.path}/synthetic.parquet",
        schema=f"{tables.path}/schema.json",
        out_dir=audited.path,
        gate=params.gate,
        seed=params.evaluate.seed,
        generator=model.path,
        progress=to_log,
    )
    shutil.copyfile(made.paths["report"], report.path)  # KFP's page shows a single HTML file
    for name, value in made.metrics.items():
        metrics.log_metric(name, value)

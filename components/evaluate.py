from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Output

from components.image import component


@component
def evaluate(
    tables: Input[Dataset],
    synthetic: Input[Dataset],
    evaluation: Output[Artifact],
    report: Output[HTML],
    metrics: Output[Metrics],
    evaluate_options: str,
) -> None:
    """A synthetic table -> its report and metrics; see `understudy.stages.evaluate`."""
    import shutil

    from understudy import stages
    from understudy.config import Params
    from understudy.progress import to_log

    chosen = Params.from_json(evaluate=evaluate_options).evaluate
    made = stages.evaluate(
        train=f"{tables.path}/train.parquet",
        holdout=f"{tables.path}/holdout.parquet",
        synthetic=f"{synthetic.path}/synthetic.parquet",
        schema=f"{tables.path}/schema.json",
        out_dir=evaluation.path,
        seed=chosen.seed,
        sensitive=chosen.sensitive,
        progress=to_log,
    )
    shutil.copyfile(made.paths["report"], report.path)  # KFP's page shows a single HTML file
    for name, value in made.metrics.items():
        metrics.log_metric(name, value)

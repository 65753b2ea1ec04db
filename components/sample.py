from kfp.dsl import Dataset, Input, Model, Output

from components.image import component


@component
def sample(
    model: Input[Model],
    tables: Input[Dataset],
    synthetic: Output[Dataset],
    sample_options: str,
) -> None:
    """A generator -> a synthetic table, by default as long as train; see `understudy.stages.sample`."""
    from understudy import stages
    from understudy.config import Params
    from understudy.progress import to_log

    chosen = Params.from_json(sample=sample_options).sample
    made = stages.sample(
        model_dir=model.path,
        out=f"{synthetic.path}/synthetic.parquet",
        n_rows=chosen.n_rows,
        like=f"{tables.path}/train.parquet",
        seed=chosen.seed,
        balance=chosen.balance,
        progress=to_log,
    )
    synthetic.metadata.update({**made.metrics, **made.facts})

from kfp.dsl import Dataset, Input, Model, Output

from components.image import component


@component
def train(tables: Input[Dataset], model: Output[Model], generator_options: str) -> None:
    """The train table -> a generator's artifact; see `understudy.stages.train`."""
    from understudy import stages
    from understudy.config import Params
    from understudy.progress import to_log

    chosen = Params.from_json(generator=generator_options).generator
    made = stages.train(
        train=f"{tables.path}/train.parquet",
        schema=f"{tables.path}/schema.json",
        model_dir=model.path,
        generator=chosen.name,
        config=chosen.config,
        seed=chosen.seed,
        balance=chosen.balance,
        progress=to_log,
    )
    model.metadata.update({**made.metrics, **made.facts})

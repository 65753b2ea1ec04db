from kfp.dsl import Dataset, Input, Output

from components.image import component


@component
def preprocess(
    data: Input[Dataset],
    tables: Output[Dataset],
    data_options: str,
    preprocess_options: str,
    data_md5: str,
    code_sha256: str,
) -> None:
    """Raw table -> the split tables and their schema; see `understudy.stages.preprocess`.

    `code_sha256` is in the signature to be in the cache key: KFP doesn't look into images.
    """
    from understudy import stages
    from understudy.config import Params
    from understudy.progress import to_log

    made = stages.preprocess(
        data=data.path,
        out_dir=tables.path,
        params=Params.from_json(data=data_options, preprocess=preprocess_options),
        data_md5=data_md5,
        progress=to_log,
    )
    tables.metadata.update(made.metrics)

from kfp.dsl import Input, Model

from components.image import component


@component
def sample_shard(
    model: Input[Model], shard: int, out: str, n_rows: int, n_shards: int, seed: int, code_sha256: str
) -> str:
    """One shard of a large table -> a Parquet file in `out`; see `sampling_stages.sample_shard`.

    `code_sha256` is in the signature to be in the cache key: KFP doesn't look into images.
    """
    from understudy import sampling_stages
    from understudy.progress import to_log

    return sampling_stages.sample_shard(
        model_dir=model.path, out=out, shard=shard, n_rows=n_rows, n_shards=n_shards, seed=seed, progress=to_log
    ).to_json()

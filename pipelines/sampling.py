"""The sampling pipeline: a registered generator -> a table of any size, as one Parquet file a shard.

    fetch ----+
    shards ---+-> (each shard) sample-shard -> join-shards

`out` is a directory that all steps reach: s3://BUCKET/PREFIX, or a path on a mounted claim.
"""

from kfp import dsl
from kfp.dsl.base_component import BaseComponent

from components.fetch import fetch
from components.join_shards import join_shards
from components.sample_shard import sample_shard
from components.shards import shards
from pipelines.cluster import Place, here

NAME = "understudy-sampling"
AT_ONCE = 64
"""Shards that are sampled at the same time, at most."""


def build(place: Place = here) -> BaseComponent:
    """The pipeline, with its steps placed by `place`."""

    @dsl.pipeline(name=NAME, description="From a registered generator to a table of any size, in shards")
    def sampling(
        model: str,
        out: str,
        n_rows: int = 1_000_000,
        n_shards: int = 10,
        seed: int = 0,
        code_sha256: str = "",
        tracking_uri: str = "",
    ) -> None:
        # An alias may name another version tomorrow.
        fetched = place(fetch(model_uri=model, tracking_uri=tracking_uri)).set_caching_options(False)
        numbers = place(shards(n_rows=n_rows, n_shards=n_shards))
        with dsl.ParallelFor(numbers.output, name="each shard", parallelism=AT_ONCE) as shard:
            part = place(
                sample_shard(
                    model=fetched.outputs["model"],
                    shard=shard,
                    out=out,
                    n_rows=n_rows,
                    n_shards=n_shards,
                    seed=seed,
                    code_sha256=code_sha256,
                )
            )
            part.set_caching_options(False)  # what it makes lies outside KFP's artifacts, and may be gone
        joined = join_shards(
            parts=dsl.Collected(part.output), out=out, n_rows=n_rows, n_shards=n_shards, seed=seed
        )
        place(joined).set_caching_options(False)

    return sampling

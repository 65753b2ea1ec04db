from typing import List  # noqa: UP035 - KFP reads this one

from components.image import component


@component
def join_shards(parts: List[str], out: str, n_rows: int, n_shards: int, seed: int) -> str:  # noqa: UP006
    """All shards are there -> manifest.json beside them; see `sampling_stages.join_shards`."""
    from understudy import sampling_stages

    return sampling_stages.join_shards(parts=parts, out=out, n_rows=n_rows, n_shards=n_shards, seed=seed)

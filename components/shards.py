from typing import List  # noqa: UP035 - KFP reads this one

from components.image import component


@component
def shards(n_rows: int, n_shards: int) -> List[int]:  # noqa: UP006
    """The numbers of a table's shards; see `sampling_stages.shards`.

    A single return value: a loop over a named output fails.
    """
    from understudy import sampling_stages

    return sampling_stages.shards(n_rows=n_rows, n_shards=n_shards)

"""A run's pipeline arguments from `params.yaml` and the code at hand; the same here and on a cluster."""

from __future__ import annotations

from typing import get_args

from understudy.config import Params, SectionName
from understudy.provenance import code_commit, code_sha256


def arguments(params: Params, *, data: str, data_md5: str, tracking_uri: str = "") -> dict[str, str]:
    """The arguments of `training`. `data` is a URI or a path that the first step can read."""
    # The name must not depend on where the table lies on this machine or in a bucket.
    named = params.model_copy(
        update={"registration": params.registration.model_copy(update={"name": params.model_name()})}
    )
    stated = named.data.model_copy(update={"path": named.data.public_path})
    return {
        "data": data,
        "data_md5": data_md5,
        "code_sha256": code_sha256(),
        "code_commit": code_commit(),
        "tracking_uri": tracking_uri,
        **{f"{s}_options": named.section_json(s) for s in get_args(SectionName)},
        "data_options": named.model_copy(update={"data": stated}).section_json("data"),
    }

"""A run's pipeline arguments from `params.yaml` and the code at hand; the same here and on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from understudy.config import Params, SectionName
from understudy.errors import ConfigError
from understudy.provenance import code_commit, code_sha256, file_md5


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


def pipeline_arguments(name: str, params_file: Path, *, data: str = "", data_md5: str = "") -> dict[str, str]:
    """The arguments that pipeline `name` has from a params file and the code at hand, for a cluster.

    `data` is where the steps find the table; its MD5 is that of the params file's own table, if that is here, unless
    it is given. Raises ConfigError when a pipeline that learns has no table.
    """
    if name == "monitoring":
        return {"data": data} if data else {}
    if name not in ("training", "leaderboard"):
        return {"code_sha256": code_sha256()}
    if not data:
        raise ConfigError("no table is named that the cluster can read; give --data s3://BUCKET/FILE")
    if "://" not in data:
        raise ConfigError(f"--data {data!r} is a path of this machine; give a URI that the cluster can read, s3://...")
    params = Params.read(params_file)
    local = Path(params.source())
    if not data_md5 and local.is_file():
        data_md5 = file_md5(local)
    made = arguments(params, data=data, data_md5=data_md5)
    del made["tracking_uri"]  # the cluster's own, unless --set says another
    if name == "leaderboard":
        del made["generator_options"]
    return made

"""What the stages would have written about a small model, for tests of the registry."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.people import conformed_people
from understudy.config import Params
from understudy.evidence import Evidence
from understudy.generators import create
from understudy.tables import write_table

GOOD = {"c2st_auc": 0.55, "c2st_auc_se": 0.01, "tstr_gap": 0.01, "tstr_gap_se": 0.01}


def evidence(
    root: Path, *, verdict: str = "PASS", seed: int = 0, drop: str = "", path: str = "people.csv", **metrics: float
) -> Evidence:
    """Evidence in `root`: an `independent` generator fitted on 200 people, and reports that say what is given."""
    table, schema = conformed_people(200, seed)
    if drop:
        schema = schema.model_copy(update={"columns": tuple(c for c in schema.columns if c.name != drop)})
        table = table.drop(columns=drop)
    tables, evaluation, audit = (root / n for n in ("preprocess", "evaluation", "audit"))
    for directory in (tables, evaluation, audit):
        directory.mkdir(parents=True, exist_ok=True)
    write_table(table, tables / "train.parquet")
    write_table(table, tables / "holdout.parquet")
    (tables / "schema.json").write_text(schema.to_json())
    (evaluation / "metrics.json").write_text(json.dumps(GOOD | metrics))
    (evaluation / "report.html").write_text("<p>report</p>")
    (audit / "audit.json").write_text(json.dumps({"verdict": verdict, "reasons": []}))
    (audit / "metrics.json").write_text(json.dumps({"mia_auc": 0.5}))
    (audit / "audit.html").write_text("<p>audit</p>")
    rng = np.random.default_rng(seed)
    generator = create("independent").fit(table, schema=schema, rng=rng)
    generator.save(root / "model")
    write_table(generator.sample(200, rng=rng), root / "synthetic.parquet")
    return Evidence(
        model_dir=root / "model",
        tables=tables,
        evaluation=evaluation,
        audit=audit,
        synthetic=root / "synthetic.parquet",
        params=Params.of({"data": {"path": path, "split_seed": 7}, "register": {"name": "people"}}),
        data_md5=f"{seed:032x}",
        code_commit="abc",
    )

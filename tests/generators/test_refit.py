"""Fitting generators of a saved one's kind."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.people import conformed_people
from understudy.errors import ArtifactError, SchemaError
from understudy.generators import create
from understudy.generators.refit import refit_of
from understudy.schema import Column, TableSchema


@pytest.fixture(scope="module")
def table() -> tuple[pd.DataFrame, TableSchema]:
    return conformed_people(400)


def test_a_refit_is_the_same_fit(table, tmp_path: Path) -> None:
    frame, schema = table
    once = create("forest", n_trees=3, min_leaf=30).fit(frame, schema=schema, rng=np.random.default_rng(1))
    once.save(tmp_path / "m")
    again = refit_of(tmp_path / "m", schema)(frame, np.random.default_rng(1))
    assert again.name == "forest" and again.config == once.config
    drawn = [g.sample(300, rng=np.random.default_rng(2)) for g in (once, again)]
    pd.testing.assert_frame_equal(*drawn)


def test_without_a_model_a_forest_stands_in(table) -> None:
    frame, schema = table
    assert refit_of(None, schema)(frame, np.random.default_rng(1)).name == "forest"


def test_tables_put_together_of_several_are_fitted(table) -> None:
    frame, schema = table
    other = conformed_people(300, seed=1)[0]
    joined = pd.concat([frame, other.astype(object)])  # categories and nullable integers become objects
    assert joined["plan"].dtype == object
    drawn = refit_of(None, schema)(joined, np.random.default_rng(1)).sample(50, rng=np.random.default_rng(2))
    assert drawn.dtypes["plan"] == "category" and len(drawn) == 50


def test_the_privacy_unit_is_used_where_it_is_there(table) -> None:
    frame, plain = table
    schema = TableSchema(columns=(*plain.columns, Column(name="who", kind="id")), unit="who")
    refit = refit_of(None, schema)
    rows = frame.assign(plan=np.where(np.arange(400) < 100, "rare", "basic"))
    one_person = refit(rows.assign(who=np.where(np.arange(400) < 100, 0, np.arange(400))), np.random.default_rng(1))
    apart = refit(rows, np.random.default_rng(1))
    drawn = [g.sample(500, rng=np.random.default_rng(2))["plan"] == "rare" for g in (one_person, apart)]
    assert drawn[0].sum() == 0 and drawn[1].sum() > 50  # one person's category isn't emitted, a hundred's is


def test_bad_input_is_one_line(table, tmp_path: Path) -> None:
    frame, schema = table
    with pytest.raises(ArtifactError, match="no generator here"):
        refit_of(tmp_path, schema)
    with pytest.raises(SchemaError, match="learnt column 'plan'"):
        refit_of(None, schema)(frame.drop(columns="plan"), np.random.default_rng(0))
    create("independent").fit(frame, schema=schema, rng=np.random.default_rng(0)).save(tmp_path / "m")
    for change in ({"name": "unheard_of"}, {"config": {"no_such": 1}}, {"config": None}):
        manifest = json.loads((tmp_path / "m" / "generator.json").read_text()) | change
        (tmp_path / "d").mkdir(exist_ok=True)
        (tmp_path / "d" / "generator.json").write_text(json.dumps(manifest))
        with pytest.raises(ArtifactError):
            refit_of(tmp_path / "d", schema)

"""What may be published of an audit holds no figure of the real table; and the commands that write it."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from understudy.audit import Policy, audit
from understudy.audit.public import Statement
from understudy.audit.report import render_public
from understudy.auditing import without, write_pages
from understudy.cli import app
from understudy.errors import TableError
from understudy.schema import Column, TableSchema


@pytest.fixture(scope="module")
def leaked(population, schema):
    """An audit of 300 a side with members' rows in S, by subgroup."""
    rng = np.random.default_rng(0)
    tables = {n: population(k, rng) for n, k in {"members": 300, "nonmembers": 300, "reference": 600}.items()}
    synthetic = pd.concat([population(500, rng), tables["members"].iloc[:100]], ignore_index=True)
    policy = Policy(subgroups=("region",), rare_support=5)
    report = audit(**tables, synthetic=synthetic, schema=schema, policy=policy, rng=rng)
    return report.model_copy(update={"altered": "balanced: region altered to a half each"})


def test_the_statement_gives_outcomes_and_no_estimates(leaked):
    statement = Statement.of(leaked)
    assert statement.verdict == "FAIL" and statement.about_units == 600
    outcomes = {part.name: part.outcome for part in statement.parts}
    assert outcomes["Copies and direct identifiers"] == "beyond the limit"
    assert set(outcomes) >= {"Membership inference", "Singling out", "Linkability", "Attribute inference"}
    text = statement.to_json() + render_public(statement)
    figures = [f"{r.auc:.3f}" for r in leaked.risks] + [f"{c.rate_in:.1%}" for c in leaked.criteria if c.rate_in > 0]
    assert not [f for f in figures if f in text]
    assert "region" not in re.sub("balanced: region altered", "", text)  # no subgroup
    assert text.count("balanced: region altered to a half each") == 2 and "rare_support is 5" in text
    assert Statement.model_validate_json(statement.to_json()) == statement


def test_a_significant_attempt_does_not_make_a_pass_look_like_a_fail(leaked):
    passed = leaked.model_copy(update={"verdict": "PASS", "reasons": ()})
    assert "beyond the limit" not in {part.outcome for part in Statement.of(passed).parts}


def test_the_pages_load_nothing_from_elsewhere(leaked):
    html = render_public(Statement.of(leaked))
    assert "http" not in html and "<script" not in html and len(html) < 30_000


def test_privacy_report_writes_pages_beside_what_is_there(leaked, tmp_path, capsys):
    write_pages(leaked, tmp_path / "audit")
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages/mine.txt").write_text("kept")
    app(["privacy-report", str(tmp_path / "audit"), "-o", str(tmp_path / "pages"), "--public", "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["verdict"] == "FAIL"
    assert sorted(p.name for p in (tmp_path / "pages").iterdir()) == ["mine.txt", "public.html", "public.json"]
    with pytest.raises(TableError, match="nowhere: can't be read"):
        app(["privacy-report", str(tmp_path / "nowhere"), "-o", str(tmp_path / "pages")], standalone_mode=False)


def test_what_trained_besides_the_members():
    schema = TableSchema(columns=(Column(name="a", kind="numerical"), Column(name="who", kind="id")), unit="who")
    train = pd.DataFrame({"a": [1, 1, 2, 3], "who": [7, 8, 8, 9]})
    assert without(train, train[train["who"] == 8], schema)["who"].tolist() == [7, 9]
    rows = schema.model_copy(update={"unit": None})
    assert without(train, pd.DataFrame({"a": [1, 3]}), rows)["a"].tolist() == [1, 2]

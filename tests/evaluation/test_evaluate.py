from __future__ import annotations

import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from understudy.errors import StorageError
from understudy.evaluation import Evaluation, evaluate
from understudy.evaluation.report import render, write_report
from understudy.schema import Column, TableSchema

People = Callable[[int, int], pd.DataFrame]
NAMES = {
    "shape_error", "trend_error", "trend_error_fixed", "shape_error_holdout", "trend_error_holdout",
    "c2st_auc", "c2st_auc_se", "tstr", "trtr", "tstr_gap", "tstr_gap_se", "dcr_share", "dcr_share_se",
    "exact_copies", "exact_copies_holdout", "alpha_precision", "beta_recall", "category_coverage", "range_coverage",
    "fairness_dp_difference_added_max", "fairness_dp_difference_added_low", "fairness_eo_difference_added_max",
    "fairness_eo_difference_added_low", "fairness_worst_group_gap", "fairness_worst_group_gap_low",
    "fairness_worst_group_shape_excess",
}  # fmt: skip
OF_QUANTITIES = {f"fairness_{x}_difference_added_{y}" for x in ("prediction", "error") for y in ("max", "low")}


def _evaluate(
    train: pd.DataFrame, holdout: pd.DataFrame, synthetic: pd.DataFrame, schema: TableSchema, **options: object
) -> Evaluation:
    rng = np.random.default_rng(0)
    return evaluate(train=train, holdout=holdout, synthetic=synthetic, schema=schema, rng=rng, **options)  # type: ignore[arg-type]


class _Page(HTMLParser):
    """Collects what a browser would make of the page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [v or "" for k, v in attrs if k in ("src", "href", "xlink:href", "action")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_fresh_rows_pass_every_test_and_the_same_seed_gives_the_same_figures(
    people: People, schema: TableSchema
) -> None:
    tables = people(1500, 0), people(1000, 1), people(1500, 2)
    told: list[tuple[float, str]] = []
    e = _evaluate(*tables, schema, progress=lambda share, message: told.append((share, message)))
    m = e.metrics
    assert set(m) == NAMES
    assert m["shape_error"] < 4 and m["trend_error_fixed"] < 8
    assert abs(m["c2st_auc"] - 0.5) < 4 * m["c2st_auc_se"]
    assert abs(m["dcr_share"] - 0.5) < 0.08
    assert m["exact_copies"] == 0
    assert 0.3 < m["beta_recall"] < 0.7
    assert e.utility_metric == "auc"
    shares = [s for s, _ in told]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    again = _evaluate(*tables, schema)
    assert again.metrics == m
    assert json.loads(e.to_json())["metrics"] == m


def test_a_bootstrap_is_caught_by_distances_only(people: People, schema: TableSchema) -> None:
    train = people(1000, 0)
    picked = np.random.default_rng(1).integers(1000, size=1000)
    m = _evaluate(train, people(1000, 1), train.iloc[picked].reset_index(drop=True), schema).metrics
    assert m["shape_error"] < 3
    assert m["exact_copies"] == 1 and m["exact_copies_holdout"] == 0
    assert m["dcr_share"] > 0.75


def _hostile(shape: str, people: People, schema: TableSchema) -> tuple[list[pd.DataFrame], TableSchema]:
    tables = [people(n, s) for n, s in ((200, 0), (100, 1), (200, 2))]
    columns = {c.name: c for c in schema.columns}
    if shape == "constant":
        tables = [t.assign(age=30, city=pd.Categorical(["Rome"] * len(t))) for t in tables]
    elif shape == "null in synthetic":
        gone = {"pay": np.nan, "city": pd.Categorical([None] * 200), "since": pd.NaT, "age": pd.NA, "member": pd.NA}
        tables[2] = tables[2].assign(**gone).astype({"age": "Int64", "member": "boolean", "since": "datetime64[ns]"})
    elif shape == "null everywhere":
        tables = [t.assign(pay=np.nan, city=pd.Categorical([None] * len(t)), since=pd.NaT) for t in tables]
        tables = [t.astype({"since": "datetime64[ns]"}) for t in tables]
    elif shape == "one numerical":
        return tables, TableSchema(columns=(columns["pay"],))
    elif shape == "one boolean":
        return tables, TableSchema(columns=(columns["member"],), target="member")
    elif shape == "numerical only":
        return tables, TableSchema(columns=(columns["age"], columns["pay"], columns["since"]), target="pay")
    elif shape == "categorical only":
        return tables, TableSchema(columns=(columns["city"], columns["member"], columns["buys"]), target="buys")
    elif shape == "nullable":
        for t in tables:
            t["age"] = t["age"].astype("Int64").where(t.index % 7 > 0)
            t["member"] = t["member"].astype("boolean").where(t.index % 5 > 0)
    elif shape == "two rows":
        tables = [t.iloc[:2].reset_index(drop=True) for t in tables]
    elif shape == "one row":
        tables[2] = tables[2].iloc[:1]
    elif shape == "every row a category":
        tables = [t.assign(city=pd.Categorical([f"c{i}-{k}" for i in range(len(t))])) for k, t in enumerate(tables)]
    elif shape == "huge numbers":
        tables = [t.assign(pay=t["pay"] * 1e300, age=t["age"] + 2**53) for t in tables]
    return tables, schema


SHAPES = [
    "constant", "null in synthetic", "null everywhere", "one numerical", "one boolean", "numerical only",
    "categorical only", "nullable", "two rows", "one row", "every row a category", "huge numbers",
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_hostile_shapes_are_measured_and_rendered(shape: str, people: People, schema: TableSchema) -> None:
    tables, schema = _hostile(shape, people, schema)
    e = _evaluate(*tables, schema)
    assert set(e.metrics) <= NAMES | OF_QUANTITIES | {"dependencies_kept"}
    assert np.isfinite(list(e.metrics.values())).all()
    json.loads(e.to_json())
    page = _Page(render(e))
    assert page.open == [] and page.links == []
    if shape == "null in synthetic":
        assert any("no value at all" in n for n in e.notes)
        assert {c.name: c.score for c in e.fidelity.columns}["pay"] == 0
    if shape == "one numerical":
        assert "trend_error" not in e.metrics and "tstr" not in e.metrics
        assert any("no target" in n for n in e.notes) and any("no pairs" in n for n in e.notes)
    if shape == "two rows":
        assert "c2st_auc" not in e.metrics and any("fewer than ten" in n for n in e.notes)


@pytest.mark.slow
def test_a_hundred_thousand_categories() -> None:
    schema = TableSchema(columns=(Column(name="c", kind="categorical"), Column(name="n", kind="numerical")), target="c")
    rng = np.random.default_rng(0)

    def table(n: int) -> pd.DataFrame:
        return pd.DataFrame({"c": pd.Categorical([f"c{i}" for i in range(n)]), "n": rng.random(n)})

    e = _evaluate(table(100_000), table(50_000), table(100_000), schema)
    assert e.metrics["category_coverage"] == 1
    assert len(render(e)) < 200_000


def test_the_report_is_one_small_offline_file(people: People, schema: TableSchema, tmp_path: Path) -> None:
    evil = '<script>alert("x")</script>&'
    columns = (*schema.columns[1:], Column(name=evil, kind="categorical"))
    schema = TableSchema(columns=columns, target="buys")
    tables = []
    for seed, n in ((0, 300), (1, 200), (2, 300)):
        rare = np.where(np.arange(n) < 5, "secret <b>diagnosis</b>", np.where(np.arange(n) % 2, evil, "plain"))
        tables.append(people(n, seed).assign(**{evil: pd.Categorical(rare)}))
    path = tmp_path / "out" / "report.html"
    write_report(_evaluate(*tables, schema), path)
    html = path.read_text(encoding="utf-8")
    page = _Page(html)
    assert page.open == []
    assert "script" not in page.tags and page.links == []  # nothing is loaded, nothing runs
    assert "http" not in html and "url(" not in html and "@import" not in html
    assert "&lt;script&gt;" in html
    assert "diagnosis" not in html  # fewer than 11 rows know it
    assert "Internal." in html
    assert html.count("<svg ") == html.count("aria-label=") >= len(columns) + 4
    assert len(html.encode()) < 500_000
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_a_wide_table_draws_its_worst_columns_and_stays_small() -> None:
    rng = np.random.default_rng(0)
    names = [f"x{i}" for i in range(150)]
    schema = TableSchema(columns=tuple(Column(name=n, kind="numerical") for n in names))
    tables = [pd.DataFrame(rng.normal(size=(n, 150)), columns=names) for n in (120, 60, 120)]
    tables[2]["x149"] += 5
    e = _evaluate(*tables, schema)
    html = render(e)
    assert "x149" in [m.name for m in e.marginals] and len(e.marginals) == 60
    assert any("60 least well kept of 150" in n for n in e.notes)
    assert len(html.encode()) < 2_000_000


def test_a_report_that_cannot_be_written_leaves_nothing(people: People, schema: TableSchema, tmp_path: Path) -> None:
    e = _evaluate(people(60, 0), people(60, 1), people(60, 2), schema)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        write_report(e, tmp_path / "file" / "report.html")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]

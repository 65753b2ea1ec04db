"""The whole audit on generators whose leaks are known. Seeds are fixed; see the comments for the odds."""

import numpy as np
import pandas as pd
import pytest

from understudy.audit import AuditReport, Policy, audit
from understudy.audit.report import render
from understudy.errors import ArtifactError, SchemaError, TableError
from understudy.generators.base import create
from understudy.schema import Column, TableSchema


@pytest.fixture(scope="module")
def split(population):
    """1,000 a side, 2,000 reference rows, 5,000 rows that train."""
    rng = np.random.default_rng(11)
    members, nonmembers, reference = (population(n, rng) for n in (1_000, 1_000, 2_000))
    train = pd.concat([members, population(4_000, rng)], ignore_index=True)
    return {"members": members, "nonmembers": nonmembers, "reference": reference}, train


@pytest.fixture(scope="module")
def fresh(split, population, schema):
    """The audit of an independent sample of the population."""
    return audit(**split[0], synthetic=population(4_000, np.random.default_rng(12)), schema=schema, rng=np.random.default_rng(0))


def test_an_independent_sample_passes(fresh):
    # a leak-free generator passes in more than 90 % of audits of this size (benchmarks.audit_calibration)
    assert fresh.verdict == "PASS", fresh.reasons
    assert fresh.reasons == () and all(c.passed for c in fresh.controls)
    assert max(r.auc for r in fresh.risks if r.stratum == "all") < 0.53
    assert {r.level for r in fresh.risks} == {0.02, 0.1}
    assert fresh.detectable[0].auc == pytest.approx(0.532, abs=0.001)


def test_a_bootstrap_fails(split, schema):
    tables, train = split
    synthetic = train.iloc[np.random.default_rng(1).integers(0, len(train), 4_000)].reset_index(drop=True)
    report = audit(**tables, synthetic=synthetic, schema=schema, rng=np.random.default_rng(0))
    assert report.verdict == "FAIL"
    assert report.metrics()["mia_auc"] > 0.7
    assert report.copies[0].hits_in > 500 and report.copies[0].hits_out == 0


def test_the_independent_generator_passes(split, schema):
    # the same odds as an independent sample
    tables, train = split
    model = create("independent").fit(train, schema=schema, rng=np.random.default_rng(2))
    synthetic = model.sample(4_000, rng=np.random.default_rng(3))
    report = audit(**tables, synthetic=synthetic, schema=schema, model=model, rng=np.random.default_rng(0))
    assert report.verdict == "PASS", report.reasons


def test_columns_shuffled_by_themselves_single_people_out_by_exact_values(split, schema):
    # no row, no pair of values is anyone's, but an income to the cent is
    tables, train = split
    rng = np.random.default_rng(3)
    synthetic = pd.DataFrame({c: train[c].to_numpy()[rng.permutation(len(train))[:4_000]] for c in train})
    synthetic = synthetic.astype(train.dtypes.to_dict())
    report = audit(**tables, synthetic=synthetic, schema=schema, rng=np.random.default_rng(0))
    assert report.verdict == "FAIL" and "Singling out" in report.reasons[0]


def test_five_percent_of_real_rows_fail(split, population, schema):
    # 50 of 1,000 members copied against none: p < 1e-14
    tables, _ = split
    rng = np.random.default_rng(4)
    synthetic = pd.concat([population(950, rng), tables["members"].sample(50, random_state=0)], ignore_index=True)
    report = audit(**tables, synthetic=synthetic, schema=schema, rng=np.random.default_rng(0))
    assert report.verdict == "FAIL"
    assert report.copies[0].hits_in == 50


def test_two_hundred_rows_are_inconclusive_and_say_so(population, schema):
    rng = np.random.default_rng(5)
    sizes = {"members": 30, "nonmembers": 30, "reference": 60, "synthetic": 200}
    tables = {name: population(n, rng) for name, n in sizes.items()}
    report = audit(**tables, schema=schema, rng=rng)
    assert report.verdict == "INCONCLUSIVE"
    assert any("250 a side" in reason for reason in report.reasons)


def test_a_bootstrap_of_a_hundred_a_side_fails_all_the_same(population, schema):
    rng = np.random.default_rng(6)
    tables = {name: population(n, rng) for name, n in {"members": 100, "nonmembers": 100, "reference": 200}.items()}
    report = audit(**tables, synthetic=tables["members"], schema=schema, rng=rng)
    assert report.verdict == "FAIL"


def test_unequal_sides_are_inconclusive(split, schema, population):
    # members are the older half: the exchangeability control must notice
    rng = np.random.default_rng(7)
    people = population(1_200, rng).sort_values("age")
    tables = {"members": people.iloc[600:].reset_index(drop=True), "nonmembers": people.iloc[:600].reset_index(drop=True)}
    tables["reference"] = population(1_200, rng)
    report = audit(**tables, synthetic=population(1_200, rng), schema=schema, rng=rng)
    assert report.verdict == "INCONCLUSIVE"
    assert "exchangeable control failed" in report.reasons[0]


def _persons(population, n, first, rng):
    """`n` persons of one to five rows: constant traits, yearly weight and visits."""
    person = np.repeat(np.arange(n), rng.integers(1, 6, n))
    table = population(n, rng).iloc[person].reset_index(drop=True)
    table["weight"] = (table["weight"] + rng.normal(scale=1.5, size=len(table))).round(1)
    table["visits"] = pd.Series(rng.poisson(2, len(table))).astype("Int64")
    return table.assign(person=person + first)


@pytest.fixture(scope="module")
def persons(population, schema):
    rng = np.random.default_rng(8)
    sizes = {"members": 1_000, "nonmembers": 1_000, "reference": 2_000}
    tables = {k: _persons(population, n, 10_000 * i, rng) for i, (k, n) in enumerate(sizes.items())}
    by_person = TableSchema(columns=(*schema.columns, Column(name="person", kind="id")), unit="person")
    return tables, _persons(population, 1_500, 0, rng).drop(columns="person"), by_person


def test_a_person_of_several_rows_is_one_unit(persons):
    tables, synthetic, schema = persons
    report = audit(**tables, synthetic=synthetic, schema=schema, rng=np.random.default_rng(0))
    assert (report.unit, report.n_in, report.n_out) == ("person", 1_000, 1_000)
    assert report.copies[0].n_in == 1_000 and report.rows["members"] == len(tables["members"])
    assert report.verdict == "PASS", report.reasons


def test_leaked_persons_fail(persons):
    tables, synthetic, schema = persons
    leaked = tables["members"][tables["members"]["person"] < 60].drop(columns="person")
    mixed = pd.concat([synthetic.iloc[len(leaked) :], leaked], ignore_index=True)
    report = audit(**tables, synthetic=mixed, schema=schema, rng=np.random.default_rng(0))
    assert report.verdict == "FAIL"
    assert report.copies[0].hits_in == 60


SMALL = {"members": 80, "nonmembers": 80, "reference": 160, "synthetic": 160}


@pytest.mark.parametrize(
    "keep",
    [["region", "job", "smoker"], ["age", "income", "weight", "since"], ["smoker"], ["visits"]],
    ids=["no-numbers", "only-numbers", "one-flag", "one-nullable-integer"],
)
def test_tables_of_few_kinds_of_columns(population, schema, keep):
    rng = np.random.default_rng(9)
    tables = {name: population(n, rng)[keep] for name, n in SMALL.items()}
    part = TableSchema(columns=tuple(c for c in schema.columns if c.name in keep))
    assert audit(**tables, schema=part, rng=rng).verdict == "INCONCLUSIVE"


def test_constant_and_empty_columns(population, schema):
    rng = np.random.default_rng(10)
    tables = {name: population(n, rng).assign(age=30, weight=np.nan) for name, n in SMALL.items()}
    assert audit(**tables, schema=schema, rng=rng).verdict == "INCONCLUSIVE"
    nothing = TableSchema(columns=tuple(c for c in schema.columns if c.name in ("age", "weight")))
    report = audit(**tables, schema=nothing, rng=rng)
    assert report.verdict == "INCONCLUSIVE" and {r.auc for r in report.risks} == {0.5}


def test_bad_input_is_one_line(population, schema):
    rng = np.random.default_rng(11)
    tables = {name: population(n, rng) for name, n in SMALL.items()}
    with pytest.raises(TableError, match="synthetic table has no rows"):
        audit(**{**tables, "synthetic": tables["synthetic"].iloc[:0]}, schema=schema, rng=rng)
    with pytest.raises(SchemaError, match="synthetic table lacks column 'income'"):
        audit(**{**tables, "synthetic": tables["synthetic"].drop(columns="income")}, schema=schema, rng=rng)
    with pytest.raises(TableError, match="members table has 1 privacy unit"):
        audit(**{**tables, "members": tables["members"].iloc[:1]}, schema=schema, rng=rng)
    unit = TableSchema(columns=(*schema.columns, Column(name="who", kind="id")), unit="who")
    with pytest.raises(SchemaError, match="lacks the privacy unit 'who'"):
        audit(**tables, schema=unit, rng=rng)


def test_larger_tables_are_sampled_and_noted(population, schema):
    rng = np.random.default_rng(12)
    tables = {name: population(n, rng) for name, n in SMALL.items()}
    said = []
    policy = Policy(max_units=50, max_rows=100)
    report = audit(**tables, schema=schema, policy=policy, rng=rng, progress=lambda share, text: said.append((share, text)))
    assert (report.n_in, report.n_out) == (50, 50) and report.rows["synthetic"] == report.rows["reference"] == 100
    assert len(report.notes) == 4 and "50 of the members table's 80 rows" in report.notes[0]
    assert [s for s, _ in said] == sorted(s for s, _ in said) and said[-1] == (1.0, report.verdict)


def test_same_seed_same_report(population, schema):
    rng = np.random.default_rng(13)
    tables = {name: population(n, rng) for name, n in SMALL.items()}
    once, twice = (audit(**tables, schema=schema, rng=np.random.default_rng(1)) for _ in range(2))
    assert once.model_copy(update={"seconds": 0.0}) == twice.model_copy(update={"seconds": 0.0})


class Knowing:
    """A model whose density tells members from others, though its rows tell nothing."""

    def __init__(self, members, density=True):
        self.known, self.density = set(members["weight"]), density

    def log_density(self, table):
        return np.where(table["weight"].isin(self.known), 0.0, -np.inf) if self.density else None


def test_the_white_box_attack_is_reported_and_decides_if_asked(population, schema):
    rng = np.random.default_rng(14)
    sizes = {"members": 300, "nonmembers": 300, "reference": 600, "synthetic": 900}
    tables = {name: population(n, rng) for name, n in sizes.items()}

    def verdict(**more):
        return audit(**tables, schema=schema, model=Knowing(tables["members"]), rng=np.random.default_rng(0), **more)

    kept = verdict()
    (white_box,) = [r for r in kept.risks if r.attack == "white_box" and r.stratum == "all"]
    assert white_box.auc > 0.7 and not white_box.gated and kept.verdict != "FAIL"
    assert kept.metrics()["mia_auc"] < 0.6 < kept.metrics()["auc_white_box"]
    handed_out = verdict(policy=Policy(white_box=True))
    assert handed_out.verdict == "FAIL" and "white-box" in handed_out.reasons[0]
    without = audit(**tables, schema=schema, model=Knowing(tables["members"], density=False), rng=rng)
    assert all(r.attack != "white_box" for r in without.risks)


def test_json_round_trip(fresh):
    text = fresh.to_json()
    assert AuditReport.from_json(text) == fresh and '"format": 2' in text
    with pytest.raises(ArtifactError, match="other.json: not an audit of format 2"):
        AuditReport.from_json(text.replace('"format": 2', '"format": 1'), "other.json")
    metrics = fresh.metrics()
    assert all(isinstance(v, float) for v in metrics.values())
    assert {"mia_auc", "mia_tpr", "mia_auc_vulnerable", "copies_in", "controls_failed"} <= set(metrics)


def test_report_is_self_contained(fresh):
    html = render(fresh)
    assert len(html) < 200_000
    assert "PASS" in html and "What was not tested" in html and "What it could have detected" in html
    assert "http" not in html and "<script" not in html and html.count("<svg") == 3
    assert "does not make the table anonymous" in html


def test_report_of_an_inconclusive_audit_escapes_names(population, schema):
    rng = np.random.default_rng(15)
    names = {"age": "<b>age</b>"}
    tables = {name: population(n, rng).rename(columns=names) for name, n in SMALL.items()}
    odd = TableSchema(columns=tuple(c.model_copy(update={"name": names.get(c.name, c.name)}) for c in schema.columns))
    html = render(audit(**tables, schema=odd, rng=rng))
    assert "INCONCLUSIVE" in html and "<b>age" not in html

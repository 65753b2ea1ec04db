"""Effects, thresholds and verdicts: what is caught, what isn't, and how often by chance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.people import conformed_people
from understudy.errors import ConfigError
from understudy.generators import create
from understudy.monitoring import job
from understudy.monitoring.bins import Bins, ColumnBins
from understudy.monitoring.reference import Reference
from understudy.monitoring.shift import DRAWS, compare
from understudy.monitoring.verdict import Verdict, judge
from understudy.monitoring.windows import Window
from understudy.schema import Column, TableSchema

REFERENCE, SCHEMA = conformed_people(6000, 1)


def verdict(raw: pd.DataFrame, *, seed: int = 0, n_rows: int = 3000, **options: Any) -> Verdict:
    rng = np.random.default_rng(seed)
    schema = options.pop("schema", SCHEMA)
    reference = options.pop("reference", REFERENCE)
    window = Window.of(raw, schema, list(reference.columns), n_rows, rng)
    effects = compare(window.table, reference, schema, rng=rng, units=window.units, **options)
    rows = {"window": len(window.table), "given": window.n_given, "reference": len(reference)}
    return judge("served", effects, window.table, reference, faults=window.faults, rows=rows)


def alarms(found: Verdict) -> set[str]:
    return {c.column for c in found.columns if c.alarm}


@pytest.fixture(scope="module")
def clean() -> pd.DataFrame:
    return conformed_people(3000, 2)[0]


def test_a_clean_window_is_ok(clean: pd.DataFrame) -> None:
    found = verdict(clean)
    assert found.overall == "ok" and not found.alarm and found.drift_share == 0 and not found.reasons
    assert len(found.columns) == 11 and found.false_alarm == 1 / (DRAWS + 1) == 0.005


def test_a_shuffled_column_is_named_though_its_own_values_are_as_they_were(clean: pd.DataFrame) -> None:
    order = np.random.default_rng(0).permutation(len(clean))
    found = verdict(clean.assign(region=clean["region"].to_numpy()[order]))
    assert found.overall == "drift" and alarms(found) == {"region"}
    region = next(c for c in found.columns if c.column == "region")
    assert region.effect < region.threshold and region.dependence is not None
    assert region.partner == "region_code" and "relation to 'region_code'" in found.reasons[0]


def test_ten_percent_of_the_rows_in_one_category_are_caught(clean: pd.DataFrame) -> None:
    changed = clean.copy()
    others = np.flatnonzero((clean["grade"] == "b").to_numpy())[:300]  # 10 % of 3,000 rows
    changed.loc[others, "grade"] = "a"
    found = verdict(changed)
    assert alarms(found) == {"grade"} and found.overall == "drift"
    grade = next(c for c in found.columns if c.column == "grade")
    assert 0.08 < grade.effect < 0.13


def test_of_two_faults_both_are_named(clean: pd.DataFrame) -> None:
    """The shuffled column and the one that moved, though the pairs of the two and of region_code moved too."""
    rng = np.random.default_rng(0)
    changed = clean.assign(score=clean["score"].to_numpy()[rng.permutation(len(clean))])
    others = np.flatnonzero((clean["region"] != "north").to_numpy())
    changed.loc[rng.choice(others, 300, replace=False), "region"] = "north"
    assert alarms(verdict(changed)) == {"region", "score"}


def test_another_generator_is_broken() -> None:
    other = conformed_people(2000, 9)[0]
    other["pay"] *= 2
    other["age"] += 15
    other["score"] -= 1
    other["region"] = "east"
    other["children"] = 4
    other["joined"] += pd.Timedelta(days=700)
    swapped = create("independent").fit(other, schema=SCHEMA, rng=np.random.default_rng(0))
    found = verdict(swapped.sample(3000, rng=np.random.default_rng(1)))
    assert found.overall == "broken" and found.drift_share >= 0.5


def test_missing_unreadable_and_dead_columns_are_broken(clean: pd.DataFrame) -> None:
    raw = clean.drop(columns="age").assign(pay="much", children=None)
    found = verdict(raw)
    assert found.overall == "broken" and found.drift_share == pytest.approx(3 / 11, abs=1e-4)
    text = " ".join(found.reasons)
    assert "'age' is missing" in text and "'pay' doesn't hold numerical" in text and "'children' has only missing" in text


def test_what_was_there_already_is_no_alarm(clean: pd.DataFrame) -> None:
    moved = clean.assign(score=clean["score"] + 0.2)
    assert alarms(verdict(moved)) == {"score"}
    known = {e.key: e.beyond_chance for e in compare(moved, REFERENCE, SCHEMA, rng=np.random.default_rng(0))}
    assert verdict(conformed_people(3000, 5)[0].assign(score=lambda t: t["score"] + 0.2), baseline=known).overall == "ok"


def test_the_verdict_does_not_depend_on_the_size_of_the_table() -> None:
    """A shift of 1 % of the rows is too small to matter: a p-value of a million rows would say it is there."""
    small, large = (conformed_people(n, 3)[0] for n in (3000, 60_000))
    for table in (small, large):
        others = np.flatnonzero((table["region"] != "north").to_numpy())[: len(table) // 100]
        table.loc[others, "region"] = "north"
        found = verdict(table)
        assert "region" not in alarms(found) and found.rows["window"] == 3000


def test_rows_of_one_person_are_not_independent(tmp_path: Path) -> None:
    """Twenty rows a person, all alike: 150 persons, not 3,000, and so wider thresholds and no alarm."""
    schema = TableSchema(
        columns=(Column(name="who", kind="id"), Column(name="sex", kind="categorical"), Column(name="age", kind="numerical")),
        unit="who",
    )

    def visits(n_persons: int, seed: int) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        person = np.repeat(np.arange(n_persons), 20)
        sex, age = rng.choice(["f", "m"], n_persons), rng.integers(20, 80, n_persons)
        return pd.DataFrame({"who": person, "sex": pd.Categorical(sex[person]), "age": age[person]})

    reference = visits(5000, 0).drop_duplicates("who").drop(columns="who").reset_index(drop=True)
    by_person = [verdict(visits(150, s), schema=schema, reference=reference).overall for s in range(1, 6)]
    by_row = [
        verdict(visits(150, s).drop(columns="who"), schema=schema, reference=reference).overall for s in range(1, 6)
    ]
    assert by_person == ["ok"] * 5
    assert by_row.count("ok") < 5
    known = Reference(reference, schema, {})
    with_unit, without = (
        job.check_data(known, t, out_dir=tmp_path, n_rows=3000).note for t in (visits(150, 1), visits(150, 1).drop(columns="who"))
    )
    assert with_unit == "" and "without the column 'who'" in without


def test_a_column_that_the_reference_never_has_and_a_constant_one_are_fine(clean: pd.DataFrame) -> None:
    schema = TableSchema(columns=(Column(name="a", kind="numerical"), Column(name="b", kind="categorical", nullable=True)))
    table = pd.DataFrame({"a": np.ones(500), "b": pd.Categorical([None] * 500, categories=["x"])})
    assert verdict(table, schema=schema, reference=table, n_rows=500).overall == "ok"
    changed = table.assign(b="x")
    assert alarms(verdict(changed, schema=schema, reference=table, n_rows=500)) == {"b"}


@pytest.mark.parametrize(("rows", "wanted"), [(199, "199 rows"), (0, "0 rows")])
def test_too_few_rows_are_refused(clean: pd.DataFrame, rows: int, wanted: str) -> None:
    with pytest.raises(ConfigError, match=wanted):
        verdict(clean.iloc[:rows])


def test_bins_come_from_the_reference_alone() -> None:
    column = Column(name="x", kind="numerical")
    bins = ColumnBins.of(pd.Series(np.arange(100.0)), column, 4)
    assert bins.edges is not None and list(bins.edges) == [25, 50, 75] and bins.size == 6
    assert list(bins.codes(pd.Series([-5, 24, 25, 99, 1e9, None]))) == [0, 0, 1, 3, 3, 5]
    assert list(bins.text(pd.Series([-5, 60, None]))) == ["< 25", "50 to 75", "missing"]
    labels = ColumnBins.of(pd.Series(["a", "b", "a", "c"]), Column(name="y", kind="categorical"), 2)
    assert list(labels.codes(pd.Series(["a", "b", "new", None]))) == [0, 1, 2, 3]
    wide = Bins.of(REFERENCE, SCHEMA, 5)
    assert np.array_equal(wide.one_hot(REFERENCE).sum(axis=1), np.full(len(REFERENCE), 11))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fifty_clean_windows_are_silent() -> None:
    """Each alarms with probability 0.005, so more than 2 of 50 (5 %) with 0.2 %."""
    generator = create("independent").fit(REFERENCE, schema=SCHEMA, rng=np.random.default_rng(0))
    reference = generator.sample(10_000, rng=np.random.default_rng(1))
    found = [
        verdict(generator.sample(5000, rng=np.random.default_rng(100 + s)), reference=reference, n_rows=5000, seed=s)
        for s in range(50)
    ]
    assert sum(v.alarm for v in found) <= 2

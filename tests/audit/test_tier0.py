"""Copies, identifiers and flags."""

import numpy as np
import pandas as pd
import pytest

from understudy.audit import rare, tier0
from understudy.audit.policy import Policy
from understudy.audit.tables import build
from understudy.schema import Column, TableSchema

POLICY = Policy()


@pytest.fixture
def four(population):
    rng = np.random.default_rng(0)
    sizes = {"members": 300, "nonmembers": 300, "reference": 600, "synthetic": 600}
    return {name: population(n, rng) for name, n in sizes.items()}


def test_copies_of_members_are_counted(four, schema):
    four["synthetic"] = pd.concat([four["synthetic"], four["members"].iloc[:30]], ignore_index=True)
    tests = tier0.copies(build(four, schema), POLICY, np.random.default_rng(0))
    assert tests[0].kind == "rows" and (tests[0].hits_in, tests[0].hits_out) == (30, 0)
    assert tests[0].p_value < 1e-8 and tests[0].exceeds(POLICY)


def test_a_changed_column_is_found_by_the_subsets(four, schema):
    changed = four["members"].iloc[:60].assign(smoker=~four["members"]["smoker"].iloc[:60])
    four["synthetic"] = pd.concat([four["synthetic"], changed], ignore_index=True)
    whole, *subsets = tier0.copies(build(four, schema), POLICY, np.random.default_rng(0))
    assert whole.hits_in == 0
    assert any(t.hits_in == 60 and t.hits_out == 0 and "smoker" not in t.columns for t in subsets)


def test_missing_values_copy_too_and_zero_equals_minus_zero():
    schema = TableSchema(columns=(Column(name="x", kind="numerical", nullable=True), Column(name="y", kind="numerical")))
    real = pd.DataFrame({"x": [np.nan, 0.0], "y": [1.5, 0.0]})
    other = pd.DataFrame({"x": [7.0, np.nan], "y": [7.0, 8.0]})
    synthetic = pd.DataFrame({"x": [np.nan, -0.0], "y": [1.5, 0.0]})
    tables = build({"members": real, "nonmembers": other, "reference": other, "synthetic": synthetic}, schema)
    whole = tier0.copies(tables, POLICY, np.random.default_rng(0))[0]
    assert (whole.hits_in, whole.hits_out) == (2, 0)


def test_coincidences_in_a_small_table_are_no_copies():
    rng = np.random.default_rng(1)
    schema = TableSchema(columns=(Column(name="a", kind="boolean"), Column(name="b", kind="boolean")))
    four = {
        name: pd.DataFrame({"a": rng.random(300) < 0.5, "b": rng.random(300) < 0.5})
        for name in ("members", "nonmembers", "reference", "synthetic")
    }
    whole, rare_values = tier0.copies(build(four, schema), POLICY, rng)
    assert rare_values.kind == "rare" and rare_values.hits_in == rare_values.hits_out == 0
    assert whole.hits_in == whole.hits_out == 300
    assert whole.p_value == 1 and not whole.exceeds(POLICY)


def test_one_exact_value_is_no_copied_row(four, schema):
    # an exact income in every synthetic row, the other columns independent of it
    rng = np.random.default_rng(2)
    rows = rng.integers(0, 300, 600)
    four["synthetic"] = four["synthetic"].assign(income=four["members"]["income"].to_numpy()[rows])
    tests = tier0.copies(build(four, schema), POLICY, rng)
    assert len(tests) > 1 and all(t.p_value > 0.01 for t in tests)


@pytest.mark.parametrize(
    ("synthetic", "leaked"),
    [
        (["m1@x.org", "new@x.org"], True),  # one member's address, nobody else's
        (["n1@x.org", "m1@x.org", "r1@x.org", "r2@x.org"], False),  # coincidences on both sides
        (["new@x.org", None], False),
        ([f"m{i}@x.org" for i in range(40)] + ["n1@x.org"], True),  # far more members than others
    ],
)
def test_real_identifiers(synthetic, leaked):
    schema = TableSchema(columns=(Column(name="mail", kind="id", action="replace"), Column(name="x", kind="boolean")))

    def table(values):
        return pd.DataFrame({"mail": values, "x": True})

    four = {
        "members": table([f"m{i}@x.org" for i in range(50)]),
        "nonmembers": table([f"n{i}@x.org" for i in range(50)]),
        "reference": table([f"r{i}@x.org" for i in range(100)]),
        "synthetic": table(synthetic),
    }
    (match,) = tier0.identifiers(four, schema)
    assert match.leaked is leaked
    assert tier0.identifiers({**four, "synthetic": four["synthetic"][["x"]]}, schema) == []


def test_flags_count_and_never_tell():
    columns = (
        Column(name="who", kind="categorical"),
        Column(name="x", kind="numerical", nullable=True),
        Column(name="when", kind="datetime"),
    )
    day = pd.Timestamp("2020-01-01")
    real = pd.DataFrame(
        {"who": pd.Categorical(["common"] * 99 + ["hermit"]), "x": [*range(99), 500.0], "when": [day] * 100}
    )
    plain = real.iloc[:99].assign(x=range(99))
    synthetic = pd.DataFrame(
        {"who": pd.Categorical(["hermit", "common", None]), "x": [500.0, 3.0, np.nan], "when": [day, day, day]}
    )
    four = {"members": real, "nonmembers": plain, "reference": plain, "synthetic": synthetic}
    found = rare.flags(four, TableSchema(columns=columns), 11)
    assert [(f.column, f.count) for f in found] == [("who", 1), ("x", 1), (None, 1)]
    assert "hermit" not in str(found) and "500" not in str(found)

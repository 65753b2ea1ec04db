"""Fairness by subgroup: fairlearn's figures, planted biases, suppressed groups, honest intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference

from understudy.errors import ConfigError, SchemaError
from understudy.evaluation.aligned import align
from understudy.evaluation.fairness import ColumnFairness, Fairness, Subgroup, measure_fairness
from understudy.evaluation.fairness_section import headline, section
from understudy.evaluation.parity import Groups, _cells, _differences, _rates, _usable, half_width, measure_parity
from understudy.evaluation.predictions import Predictions, predict
from understudy.evaluation.subgroups import check_sensitive, divide, is_protected
from understudy.schema import Column, TableSchema

People = Callable[[int, int], pd.DataFrame]
SCHEMA = TableSchema(
    columns=(
        Column(name="sex", kind="categorical"),
        Column(name="skill", kind="numerical"),
        Column(name="years", kind="numerical"),
        Column(name="hired", kind="boolean"),
    ),
    target="hired",
)


def workers(n: int, seed: int, against: float = 0.0, noise: float = 0.0, share: float = 0.3) -> pd.DataFrame:
    """Hiring by skill; `against` is taken from the odds of the smaller sex, of whom a share `noise` are hired by a coin."""
    rng = np.random.default_rng(seed)
    small = rng.random(n) < share
    skill, years = rng.normal(size=n), rng.gamma(2, 3, n)
    odds = 2.5 * skill + 0.05 * years - against * small
    hired = rng.random(n) < 1 / (1 + np.exp(-odds))
    coin = small & (rng.random(n) < noise)
    hired[coin] = rng.random(coin.sum()) < 0.5
    return pd.DataFrame({"sex": pd.Categorical(np.where(small, "f", "m")), "skill": skill, "years": years, "hired": hired})


def _fair(
    train: pd.DataFrame, holdout: pd.DataFrame, synthetic: pd.DataFrame, schema: TableSchema, sensitive: Sequence[str] = ()
) -> Fairness:
    data = align({"train": train, "holdout": holdout, "synthetic": synthetic}, schema)
    made = predict(data, schema.target, np.random.default_rng(0)) if schema.target else None
    found = measure_fairness(data, schema, made, sensitive, np.random.default_rng(0))
    assert found is not None
    return found


def _group(column: ColumnFairness, name: str) -> Subgroup:
    return next(g for g in column.groups if g.name == name)


def test_parities_are_fairlearns_and_resamples_follow_the_same_definition() -> None:
    rng = np.random.default_rng(0)
    n = 900
    schema = TableSchema(columns=(Column(name="c", kind="categorical"), Column(name="y", kind="categorical")), target="y")
    table = pd.DataFrame({"c": pd.Categorical(rng.choice(["a", "b", "d"], n)), "y": pd.Categorical(rng.choice(["no", "yes"], n, p=[0.6, 0.4]))})
    data = align({"train": table, "holdout": table, "synthetic": table}, schema)
    real, made = rng.random((2, n, 21))
    real[:, 2:] = made[:, 2:] = 0
    truth = data.views[1].codes["y"]
    found = Predictions("y", "auc", data.views[1], truth, made, real, n, data.views[0], learn=lambda view, seed: rng.random((n, 21)))
    groups = Groups(("a", "b", "d"), data.views[1].codes["c"])
    dp, eo = measure_parity(found, found.refits(rng), [groups], rng, 0.95)[0]
    for scores, dp_is, eo_is in ((real, dp.real, eo.real), (made, dp.synthetic, eo.synthetic)):
        given = scores.argmax(1)
        assert dp_is == pytest.approx(demographic_parity_difference(truth, given, sensitive_features=groups.codes))
        assert eo_is == pytest.approx(equalized_odds_difference(truth, given, sensitive_features=groups.codes))
    assert dp.added == pytest.approx(dp.synthetic - dp.real)
    assert dp.low < dp.added < dp.high

    weights = np.bincount(rng.integers(n, size=n), minlength=n)
    totals = (weights[None].astype(float) @ _cells(found, groups)).reshape(1, 3, -1)
    drawn = _differences(_rates(totals, found), _usable(found, groups))[0]  # (2 models, 2 measures)
    rows = np.repeat(np.arange(n), weights)
    for m, scores in enumerate((made, real)):
        given = scores.argmax(1)[rows]
        assert drawn[m, 0] == pytest.approx(demographic_parity_difference(truth[rows], given, sensitive_features=groups.codes[rows]))
        assert drawn[m, 1] == pytest.approx(equalized_odds_difference(truth[rows], given, sensitive_features=groups.codes[rows]))


def test_a_bias_that_synthesis_adds_is_found() -> None:
    fair = _fair(workers(4000, 0), workers(4000, 1), workers(4000, 2, against=2.0), SCHEMA, ["sex"])
    dp, eo = fair.columns[0].parities
    assert (dp.measure, eo.measure) == ("demographic_parity", "equalised_odds")
    assert dp.real < 0.08 and dp.low > 0.05 and eo.low > 0
    assert fair.metrics["fairness_dp_difference_added_max"] == dp.added
    assert fair.metrics["fairness_eo_difference_added_low"] == eo.low
    small = _group(fair.columns[0], "f")
    assert small.rate_real is not None and small.rate_synthetic is not None
    assert abs(small.rate_synthetic - small.rate_real) > 0.15
    said = section(fair)
    assert any("sex: synthetic rows make a model treat the groups less alike" in f for f in said.findings)
    card = headline(fair)
    assert card is not None and card[0] == "Bias added" and card[1].startswith("+")


def test_a_group_that_synthesis_blurs_loses_and_the_other_does_not() -> None:
    fair = _fair(workers(4000, 0), workers(6000, 1), workers(4000, 2, noise=0.9), SCHEMA, ["sex"])
    small, large = _group(fair.columns[0], "f"), _group(fair.columns[0], "m")
    assert small.gap_low is not None and large.gap_low is not None
    assert small.gap_low > 0 > large.gap_low
    assert fair.metrics["fairness_worst_group_gap"] == small.gap
    assert any("sex, f: a model does worse" in f for f in section(fair).findings)


@pytest.mark.slow
def test_fresh_real_rows_add_nothing() -> None:
    """30 runs, each with a simultaneous interval of 95 % for the parities and one for the gaps; with at most 5 % of
    either false, more than 6 runs of 30 are wrong with probability .0003."""
    wrong = np.zeros(2)
    for seed in range(30):
        tables = [workers(700, 3 * seed + k) for k in range(3)]
        m = _fair(tables[0], tables[1], tables[2], SCHEMA, ["sex", "years"]).metrics
        wrong += [m["fairness_dp_difference_added_low"] > 0, m["fairness_worst_group_gap_low"] > 0]
    assert wrong.max() <= 6


def test_shapes_within_a_group_are_compared_with_as_many_fresh_rows() -> None:
    made = workers(3000, 2)
    made.loc[made["sex"] == "f", "skill"] += 1.0
    fair = _fair(workers(3000, 0), workers(800, 1), made, SCHEMA, ["sex"])
    small, large = _group(fair.columns[0], "f"), _group(fair.columns[0], "m")
    # a shift of one standard deviation is a KS distance of .38, in one of three columns: 12.8 points on average
    assert small.shape_error is not None and small.shape_error_holdout is not None
    assert small.shape_error - small.shape_error_holdout == pytest.approx(12.8, abs=3)
    assert large.shape_error is not None and large.shape_error_holdout is not None
    assert abs(large.shape_error - large.shape_error_holdout) < 3
    assert fair.metrics["fairness_worst_group_shape_excess"] == pytest.approx(small.shape_error - small.shape_error_holdout)
    assert small.share_train == small.rows_train / 3000 == pytest.approx(0.3, abs=0.04)


def _regions(sizes: dict[str, int], units: int | None = None) -> pd.DataFrame:
    region = np.repeat(list(sizes), list(sizes.values()))
    table = pd.DataFrame({"region": pd.Categorical(region), "x": np.arange(len(region)) % 7 + 0.5})
    return table if units is None else table.assign(person=np.arange(len(region)) // units)


REGION = TableSchema(columns=(Column(name="region", kind="categorical"), Column(name="x", kind="numerical")))


def test_small_groups_are_merged_or_left_out() -> None:
    def divided(sizes: dict[str, int], units: int | None = None) -> tuple[tuple[str, ...], int, int]:
        schema = REGION if units is None else TableSchema(columns=(*REGION.columns, Column(name="person", kind="id")), unit="person")
        table = _regions(sizes, units)
        d = divide(align({"train": table, "holdout": table, "synthetic": table}, schema), schema.column("region"))
        assert (np.bincount(d.codes[0][d.codes[0] >= 0]) >= 30).all()
        return d.labels, d.merged, d.hidden

    assert divided({"n": 50, "s": 40, "e": 29, "w": 12}) == (("n", "s", "other groups"), 2, 0)
    assert divided({"n": 50, "s": 40, "e": 29}) == (("n", "s"), 0, 1)  # one alone would not be hidden by merging
    assert divided({"n": 50, "s": 40, "e": 14, "w": 12}) == (("n", "s"), 0, 2)
    assert divided({"n": 500, "s": 400, "e": 200}, units=10) == (("n", "s"), 0, 1)  # 20 persons
    many = {f"r{i}": 60 - i for i in range(30)}
    labels, merged, hidden = divided(many)
    assert labels == (*(f"r{i}" for i in range(11)), "other groups") and (merged, hidden) == (19, 0)


def test_a_group_that_synthetic_lacks_is_shown_with_what_is_known() -> None:
    train, holdout = workers(2000, 0), workers(2000, 1)
    made = workers(2000, 2).query("sex == 'm'").reset_index(drop=True)
    fair = _fair(train, holdout, made, SCHEMA, ["sex"])
    small = _group(fair.columns[0], "f")
    assert small.rows_synthetic == 0 and small.shape_error is None and small.tstr is not None
    assert any("0% of the synthetic ones" in f for f in section(fair).findings)


def test_numbers_and_dates_are_cut_at_quartiles_and_missing_is_a_group(people: People, schema: TableSchema) -> None:
    data = align({"train": people(1000, 0), "holdout": people(1000, 1), "synthetic": people(1000, 2)}, schema)
    age = divide(data, schema.column("age"))
    assert len(age.labels) == 4 and age.labels[0].startswith("up to") and age.labels[3].startswith("above")
    assert np.bincount(age.codes[0]).min() > 200
    pay = divide(data, schema.column("pay"))
    assert pay.labels[-1] == "(missing)" and np.bincount(pay.codes[0])[-1] == pytest.approx(100, abs=40)
    assert divide(data, schema.column("since")).labels[0].startswith("up to 201")


@pytest.mark.parametrize("target", ["pay", "age", "city", None])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_quantities_many_classes_and_no_target(people: People, schema: TableSchema, target: str | None) -> None:
    schema = schema.model_copy(update={"target": target})
    fair = _fair(people(900, 0), people(900, 1), people(900, 2), schema, ["member", "buys"])
    measures = {p.measure for c in fair.columns for p in c.parities}
    if target is None:
        assert not measures and fair.metric is None and set(fair.metrics) == {"fairness_worst_group_shape_excess"}
    elif target == "city":
        assert measures == {"demographic_parity", "equalised_odds"} and fair.favoured is None
    else:
        assert measures == {"mean_prediction", "mean_error"}
        assert {"fairness_prediction_difference_added_max", "fairness_error_difference_added_max"} <= set(fair.metrics)
    assert np.isfinite(list(fair.metrics.values())).all()
    assert section(fair).tables[0].title == "member"


def test_a_mean_that_synthesis_shifts_in_one_group_is_found(people: People, schema: TableSchema) -> None:
    schema = schema.model_copy(update={"target": "pay"})
    made = people(3000, 2)
    made.loc[made["member"], "pay"] *= 2
    fair = _fair(people(3000, 0), people(3000, 1), made, schema, ["member"])
    prediction = fair.columns[0].parities[0]
    assert prediction.low > 0.2  # standard deviations
    assert _group(fair.columns[0], "True").gap_low > 0  # type: ignore[operator]


def test_columns_are_chosen_by_name_then_by_what_the_real_model_does() -> None:
    rng = np.random.default_rng(0)
    names = [f"c{i}" for i in range(8)]
    columns = (*(Column(name=n, kind="categorical") for n in (*names, "gender", "zip")), Column(name="y", kind="boolean"))
    schema = TableSchema(columns=columns, target="y")

    def table(n: int) -> pd.DataFrame:
        made = pd.DataFrame({n_: pd.Categorical(rng.choice(["a", "b"], n)) for n_ in (*names, "gender")})
        made["zip"] = pd.Categorical(rng.integers(0, 40, n).astype(str))  # too many levels to be tried
        return made.assign(y=rng.random(n) < np.where(made["c5"] == "a", 0.8, 0.2))

    fair = _fair(table(800), table(800), table(800), schema)
    assert [c.column for c in fair.columns][:2] == ["gender", "c5"] and len(fair.columns) == 6
    assert [c.chosen for c in fair.columns][:2] == ["by name", "by disparity"]
    assert is_protected("marital-status") and not is_protected("sextant")


def test_what_cannot_be_sensitive_is_refused(schema: TableSchema) -> None:
    assert check_sensitive(["city", "city"], schema) == ("city",)
    with pytest.raises(SchemaError, match="did you mean 'city'"):
        check_sensitive(["citi"], schema)
    with pytest.raises(SchemaError, match="'person' is of kind id"):
        check_sensitive(["person"], schema)
    with pytest.raises(ConfigError, match="'buys' is the target"):
        check_sensitive(["buys"], schema)


def test_the_interval_is_wider_the_less_is_known_of_the_training_rows() -> None:
    assert half_width(0.04, 0.0, 0.95) == pytest.approx(1.96 * 0.2, rel=1e-3)
    assert half_width(0.0, 0.02, 0.95) == pytest.approx(2.365 * 0.2, rel=1e-3)  # Student's t, 7 degrees of freedom
    assert half_width(0.0, 0.0, 0.95) == 0

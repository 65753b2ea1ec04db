import numpy as np
import pandas as pd
import pytest

from tests.people import conformed_people
from understudy.encoding import CategoricalCodec, NumericalCodec, fit_codec
from understudy.encoding.codec import TableCodec
from understudy.errors import ConfigError
from understudy.schema import Column

ONE = np.ones


def number(values: np.ndarray, min_units: int = 11, **column) -> NumericalCodec:
    series = pd.Series(values)
    return NumericalCodec.fit(
        series,
        Column(name="x", kind="numerical", nullable=bool(series.isna().any()), **column),
        ONE(len(series)),
        min_units,
    )


def category(values: list, **column) -> CategoricalCodec:
    series = pd.Series(values, dtype="category")
    return CategoricalCodec.fit(
        series,
        Column(name="x", kind="categorical", nullable=bool(series.isna().any()), **column),
        ONE(len(series)),
        11,
    )


def test_every_value_comes_back_in_its_own_token() -> None:
    table, schema = conformed_people(3000)
    codec = fit_codec(table, schema, min_units=1)
    tokens = codec.encode(table)
    rng = np.random.default_rng(0)
    for j, c in enumerate(codec.codecs):
        again = c.to_series(c.decode(tokens[j], rng.random(len(table))))
        assert (c.encode(again) == tokens[j]).mean() > 0.999, (
            c.column.name
        )  # a bin's rounded edge may move a hair
        assert (again.isna() == table[c.column.name].isna()).all()


def test_a_spike_is_exact_and_bins_follow_the_data() -> None:
    rng = np.random.default_rng(1)
    x = np.where(rng.random(20_000) < 0.6, 0.0, rng.lognormal(8, 1, 20_000))
    codec = number(x)
    zero = codec.encode(pd.Series([0.0]))[0]
    assert codec.exact[zero] and codec.exact.sum() == 1
    drawn = codec.decode(codec.encode(pd.Series(x)), rng.random(len(x)))
    assert (drawn == 0).mean() == pytest.approx((x == 0).mean())
    # Kolmogorov-Smirnov distance of two samples of 8,000 is .0215 at 5 %; sharing tokens makes it far smaller.
    a, b = np.sort(x[x > 0]), np.sort(drawn[drawn > 0])
    grid = np.quantile(a, np.linspace(0.01, 0.99, 99))
    assert np.abs(np.searchsorted(a, grid) / len(a) - np.searchsorted(b, grid) / len(b)).max() < 0.005


@pytest.mark.parametrize(("decimals", "step", "unit"), [(0, 1, 1.0), (0, 10_000, 10_000.0), (2, 5, 0.05)])
def test_values_keep_their_precision_and_step(decimals: int, step: int, unit: float) -> None:
    rng = np.random.default_rng(2)
    x = np.round(np.round(rng.normal(50, 20, 5000)) * unit, decimals)
    codec = number(x, decimals=decimals, step=step)
    drawn = codec.decode(codec.encode(pd.Series(x)), rng.random(len(x)))
    assert np.allclose(drawn / unit, np.round(drawn / unit), atol=1e-6)
    assert np.array_equal(drawn, np.round(drawn, decimals))


def test_extremes_are_approached_but_never_repeated() -> None:
    x = np.random.default_rng(3).lognormal(10, 1, 20_000)
    codec = number(x)
    tokens = codec.encode(pd.Series(x))
    drawn = np.concatenate([codec.decode(tokens, np.random.default_rng(s).random(len(x))) for s in range(20)])
    assert not np.isin(np.sort(x)[[*range(10), *range(-10, 0)]], drawn).any()
    # The expected maximum of a sample is that of train within a fifth, not the supported end (a third of it).
    tops = drawn.reshape(20, -1).max(axis=1)
    assert np.median(tops) == pytest.approx(x.max(), rel=0.2)
    assert codec.low > 0
    assert codec.high == np.ceil(x.max() / 1e5) * 1e5
    assert np.quantile(drawn, 0.998) == pytest.approx(np.quantile(x, 0.998), rel=0.1)


def test_one_outlier_does_not_stretch_the_column() -> None:
    x = np.concatenate([np.random.default_rng(3).normal(0, 1, 5000), [1e6]])
    codec = number(x)
    drawn = codec.decode(codec.encode(pd.Series(x)), np.random.default_rng(0).random(len(x)))
    assert (drawn > 5).sum() <= 6
    assert 1e6 not in drawn


def test_public_bounds_are_kept() -> None:
    codec = number(np.random.default_rng(3).normal(50, 20, 5000), minimum=0.0, maximum=100.0)
    assert (codec.low, codec.high) == (0.0, 100.0)


def test_rare_categories_are_never_emitted_and_common_ones_always() -> None:
    codec = category(["a"] * 500 + ["b"] * 11 + ["c"] * 10)
    assert codec.labels == ("a", "b")
    assert not codec.emittable()[codec.encode(pd.Series(["c"], dtype="category"))[0]]
    assert not codec.emit_other  # 2 % of the column are left out of samples
    mostly_rare = category(["a"] * 500 + [f"r{i}" for i in range(100)])
    assert mostly_rare.emit_other
    drawn = mostly_rare.to_series(
        mostly_rare.decode(np.array([mostly_rare.other], dtype=np.uint8), np.zeros(1))
    )
    assert drawn.tolist() == ["OTHER"]


def test_units_are_counted_not_rows() -> None:
    values = pd.Series(["a"] * 500 + ["b"] * 30, dtype="category")
    units = np.concatenate([ONE(500), np.full(30, 1 / 30)])  # one person has all the b
    codec = CategoricalCodec.fit(values, Column(name="x", kind="categorical"), units, 11)
    assert codec.labels == ("a",)


def test_thousands_of_categories_share_tokens_and_keep_their_frequencies() -> None:
    rng = np.random.default_rng(4)
    p = 1 / np.arange(1, 3001)
    values = rng.choice([f"c{i}" for i in range(3000)], 200_000, p=p / p.sum())
    codec = category(list(values))
    assert codec.n_tokens <= 256
    tokens = codec.encode(pd.Series(values, dtype="category"))
    drawn = codec.to_series(codec.decode(tokens, rng.random(len(tokens))))
    real, synthetic = pd.Series(values).value_counts(normalize=True), drawn.value_counts(normalize=True)
    shared = real.index.intersection(synthetic.index)
    assert len(shared) > 2000
    assert (real[shared] - synthetic[shared]).abs().sum() / 2 < 0.05


def test_mass_within_sums_to_one_over_the_grid() -> None:
    rng = np.random.default_rng(5)
    x = np.round(rng.normal(1000, 300, 20_000))
    codec = number(x, decimals=0)
    p = np.bincount(codec.encode(pd.Series(x)), minlength=codec.n_tokens) / len(x)
    grid = pd.Series(np.arange(codec.low, codec.high + 1))
    total = sum(p[tokens] * mass for tokens, mass in codec.parts(grid))
    assert total.sum() == pytest.approx(1, abs=2e-3)  # what a bin puts beyond its rounded ends is lost


def test_conditions_keep_the_allowed_part_of_a_bin() -> None:
    rng = np.random.default_rng(6)
    codec = number(rng.normal(0, 1, 20_000))
    share, span = codec.allow({"min": 0.1, "max": 0.2})
    tokens = np.repeat(np.flatnonzero(share), 200).astype(np.uint8)
    drawn = codec.restricted(span).decode(tokens, rng.random(len(tokens)))
    assert drawn.min() >= 0.1 - 1e-9 and drawn.max() <= 0.2 + 1e-9


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("abc", "is not a number"),
        (1e9, "lies outside"),
        ({"low": 1}, "unknown key 'low'"),
        (None, "no missing values"),
        (np.inf, "not finite"),
    ],
)
def test_impossible_conditions_say_why(condition: object, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        number(np.random.default_rng(0).normal(0, 1, 500)).allow(condition)


def test_state_round_trip() -> None:
    table, schema = conformed_people(1000)
    codec = fit_codec(table, schema)
    metas, arrays = codec.state()
    again = TableCodec.from_state(schema.modelled, metas, arrays)
    assert np.array_equal(codec.encode(table), again.encode(table))


@pytest.mark.parametrize(
    "values",
    [
        [1.0] * 50,
        [1.0, 2.0] * 30,
        [np.nan] * 60,
        list(np.arange(60.0)),
        [0.0] * 59 + [5.0],
        [1e300, -1e300] * 40,
        [1e-300] * 30 + [2e-300] * 30,
    ],
)
def test_odd_numbers_survive(values: list[float]) -> None:
    codec = number(np.array(values))
    drawn = codec.decode(codec.encode(pd.Series(values)), np.linspace(0, 0.999, len(values)))
    assert len(drawn) == len(values)
    assert not np.isinf(drawn).any()

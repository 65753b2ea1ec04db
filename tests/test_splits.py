import numpy as np
import pandas as pd
import pytest

from understudy.config import Preprocess
from understudy.errors import TableError
from understudy.splits import Split, sizes, split, unit_codes


def people(n_units: int, rng: np.random.Generator) -> pd.DataFrame:
    """A panel: 1 to 6 consecutive rows for each of `n_units` persons."""
    years = rng.integers(1, 7, n_units)
    person = np.repeat([f"P{i:05d}" for i in range(n_units)], years)
    return pd.DataFrame({"person": person, "row": np.arange(len(person))})


def parts(s: Split) -> list[pd.DataFrame]:
    return [s.train, s.nonmembers, s.reference, s.test]


@pytest.mark.parametrize(
    ("units", "pool", "share_trained"),
    [
        (400, 120, 0.49),
        (5_294, 1_588, 0.49),
        (12_500, 2_000, 0.70),
        (40_000, 6_400, 0.70),
        (1_000_000, 10_000, 0.925),
    ],
)
def test_sizes_follow_the_documented_rule(units: int, pool: int, share_trained: float) -> None:
    s = sizes(units, Preprocess())
    assert (s.pool, s.reference) == (pool, pool)
    assert s.test == round(0.06 * units)
    # All units but the reference, the test table and (about) half the pool train.
    assert (s.rest + s.pool / 2) / units == pytest.approx(share_trained, abs=0.01)


def test_every_row_lands_once_and_units_stay_whole() -> None:
    rng = np.random.default_rng(3)
    table = people(600, rng)
    s = split(table, "person", Preprocess(), rng)
    assert sorted(pd.concat(parts(s))["row"]) == list(table["row"])
    sides = [set(p["person"]) for p in parts(s)]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 600
    assert set(s.members["person"]) <= set(s.train["person"])
    assert s.members["row"].isin(s.train["row"]).all()
    assert len(sides[2]) == 180 == len(set(s.members["person"])) + len(sides[1])
    assert len(sides[3]) == 36
    for p in [*parts(s), s.members]:
        assert isinstance(p.index, pd.RangeIndex)
        assert p["row"].is_monotonic_increasing


def test_the_coin_is_fair_and_independent_of_order() -> None:
    # 200 splits of 300 rows, a pool of 90: heads ~ Bin(18,000, 1/2), sd 67; 4.4 sd is p < 1e-5.
    rng = np.random.default_rng(11)
    table = pd.DataFrame({"row": np.arange(300)})
    members, positions, counts = 0, [], []
    for _ in range(200):
        s = split(table, None, Preprocess(), rng)
        members += len(s.members)
        counts.append(len(s.members))
        positions.append(s.members["row"].mean())
    assert abs(members - 9_000) < 295
    # The number of heads varies as Bin(90, 1/2) does (sd 4.74): it is no fixed half. chi2(199) at 1e-4.
    assert 150 < np.var(counts) * 200 / 22.5 < 260
    # The mean position of members is that of all rows: sd of the mean of means is about .91.
    assert abs(np.mean(positions) - 149.5) < 4


def test_a_seed_repeats_the_split_and_os_entropy_does_not() -> None:
    table = pd.DataFrame({"row": np.arange(500)})

    def members(seed: int | None) -> list[int]:
        return split(table, None, Preprocess(), np.random.default_rng(seed)).members["row"].tolist()

    assert members(5) == members(5)
    assert members(5) != members(6)
    assert members(None) != members(None)  # equal with probability < 2**-150


def test_a_missing_unit_is_a_unit_of_its_own() -> None:
    codes, n = unit_codes(pd.DataFrame({"u": ["a", None, "a", None, "b"]}), "u")
    assert n == 4
    assert codes[0] == codes[2]
    assert len(set(codes)) == 4


def test_too_few_units_is_one_line() -> None:
    table = pd.DataFrame({"person": ["a"] * 60 + ["b"] * 60})
    with pytest.raises(TableError, match="has 2 privacy units; the split needs at least 50"):
        split(table, "person", Preprocess(), np.random.default_rng(0))

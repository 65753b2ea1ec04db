"""The demo's table: built the same each time, with what docs/data.md says."""

import hashlib
from pathlib import Path

import pandas as pd
import pytest

from pipelines.demo_data import build

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    pytest.importorskip("statsmodels")
    path = build(tmp_path_factory.mktemp("data") / "rand_hie.csv")
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    assert md5 in (ROOT / "docs/data.md").read_text()
    assert (ROOT / "dvc-remote/files/md5" / md5[:2] / md5[2:]).exists()
    return pd.read_csv(path)


def test_shape_and_values(table: pd.DataFrame) -> None:
    assert table.shape == (20_190, 9)
    assert sorted(table["coinsurance"].unique()) == [0, 25, 50, 95, 100]
    assert set(table["health"]) == {"excellent", "good", "fair", "poor"}
    assert set(table["physical_limitation"].dropna()) == {"yes", "no"}
    assert table["physical_limitation"].isna().mean() == pytest.approx(0.052, abs=0.001)
    assert table["chronic_diseases"].isna().mean() == pytest.approx(0.396, abs=0.001)
    assert table["chronic_diseases"].nunique() == 27
    assert table.drop(columns=["physical_limitation", "chronic_diseases"]).notna().all().all()


def test_a_person_is_a_run_of_rows_that_differ_in_visits_only(table: pd.DataFrame) -> None:
    assert table["person"].nunique() == 5_294
    assert table["person"].is_monotonic_increasing
    fixed = table.drop(columns="visits").drop_duplicates()
    assert len(fixed) == 5_294
    assert table.groupby("person").size().median() == 3

from pathlib import Path

import pandas as pd
import pytest

from understudy.labels import read_label
from understudy.tables import read_table, write_batches, write_table

LABEL = "balanced: altered to sex: F 50%, M 50%; not the real distribution"


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.jsonl", "t.parquet", "t.arrow"])
def test_a_label_travels_with_the_table_and_goes_with_it(tmp_path: Path, name: str) -> None:
    table, path = pd.DataFrame({"sex": ["F", "M"], "n": [1, 2]}), tmp_path / name
    write_batches(iter([table, table]), path, LABEL)
    assert read_label(path) == LABEL
    assert read_table(path).to_dict("list") == {"sex": ["F", "M"] * 2, "n": [1, 2] * 2}
    write_table(table, path)  # an unaltered table in its place
    assert read_label(path) == ""
    assert [p.name for p in tmp_path.iterdir()] == [name]

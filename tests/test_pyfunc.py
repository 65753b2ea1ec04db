from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.people import conformed_people
from understudy.errors import UnderstudyError
from understudy.generators import create
from understudy.pyfunc import Sampler, _load_pyfunc


@pytest.fixture(scope="module")
def sampler(tmp_path_factory: pytest.TempPathFactory) -> Sampler:
    table, schema = conformed_people(300)
    path = tmp_path_factory.mktemp("model") / "m"
    create("independent").fit(table, schema=schema, rng=np.random.default_rng(0)).save(path)
    return _load_pyfunc(str(path))


def test_one_request_a_row(sampler: Sampler, tmp_path: Path) -> None:
    requests = pd.DataFrame({"n_rows": [3, 4], "seed": [1, None], "where": [None, '{"region": "west"}']})
    rows = sampler.predict(requests)
    assert len(rows) == 7
    assert (rows["region"][3:] == "west").all()
    seeded = sampler.predict(pd.DataFrame({"n_rows": [3], "seed": [1]}))
    pd.testing.assert_frame_equal(rows[:3].astype(seeded.dtypes), seeded)


def test_without_a_seed_rows_differ(sampler: Sampler) -> None:
    request = pd.DataFrame({"n_rows": [20]})
    assert not sampler.predict(request).equals(sampler.predict(request))


@pytest.mark.parametrize(
    "request_",
    [
        pd.DataFrame({"rows": [1]}),
        pd.DataFrame({"n_rows": []}),
        pd.DataFrame({"n_rows": [-1]}),
        pd.DataFrame({"n_rows": [1.5]}),
        pd.DataFrame({"n_rows": [1], "where": ["[1]"]}),
        pd.DataFrame({"n_rows": [1], "where": ["{"]}),
        pd.DataFrame({"n_rows": [1], "where": ['{"nowhere": 1}']}),
        pd.DataFrame({"n_rows": [1], "seed": [-5]}),
    ],
)
def test_a_request_that_cant_be_met_is_one_line(request_: pd.DataFrame, sampler: Sampler) -> None:
    with pytest.raises(UnderstudyError) as e:
        sampler.predict(request_)
    assert "\n" not in str(e.value)

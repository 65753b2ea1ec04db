"""Write the golden artifacts of the present format: `python -m tests.generators.make_golden`.

Run it when the format number goes up; the artifacts of older formats stay and must go on loading.
"""

from pathlib import Path

import numpy as np

from tests.people import conformed_people
from understudy.generators import REGISTRY, create
from understudy.generators.base import FORMAT
from understudy.tables import write_table

SETTINGS = {"forest": {"n_trees": 2}, "autoregressive": {"steps": 60, "width": 8}}


def main() -> None:
    for name in REGISTRY:
        table, schema = conformed_people(250)
        path = Path(__file__).parent / "golden" / f"{name}-format-{FORMAT}"
        generator = create(name, **SETTINGS.get(name, {})).fit(table, schema=schema, rng=np.random.default_rng(0))
        generator.save(path)
        write_table(generator.sample(20, rng=np.random.default_rng(0)), path / "sample.csv")


if __name__ == "__main__":
    main()

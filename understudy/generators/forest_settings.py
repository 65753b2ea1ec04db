"""Settings of `forest`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from understudy.encoding.codec import MIN_UNITS


class ForestConfig(BaseModel):
    """Settings of `forest`.

    Attributes:
        n_trees: trees a column; a row's token is drawn from one of them at random.
        min_leaf: the least number of privacy units in a leaf.
        penalty: nats a split must gain per group of tokens in the node, and per row that a unit has on average.
        shrinkage: the weight of the parent node in a leaf's distribution over coarse groups, in units; each node
            takes .1 to 3 times that, whichever makes its rows most likely.
        shrinkage_within: the same for finer groups within coarse ones, and tokens within those.
        subsample: the share of rows that shape each tree; all rows count in its leaves.
        max_depth: the most splits from root to leaf.
        min_units: privacy units that a category, exact value or extreme needs to be emitted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_trees: int = Field(24, ge=1, le=256)
    min_leaf: float = Field(60, ge=1)
    penalty: float = Field(1.0, ge=0)
    shrinkage: float = Field(60, ge=0)
    shrinkage_within: float = Field(30, gt=0)
    subsample: float = Field(0.5, gt=0, le=1)
    max_depth: int = Field(40, ge=1, le=200)
    min_units: int = Field(MIN_UNITS, ge=1)

"""Columns of many categories, and many columns."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from understudy.canonical import conform
from understudy.dependencies import functional_dependencies
from understudy.encoding import CategoricalCodec, fit_codec
from understudy.encoding.similar import buckets
from understudy.generators import create, load
from understudy.inference import infer_schema
from understudy.quality import check
from understudy.schema import TableSchema


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def shop(n_rows: int, n_products: int, seed: int = 0) -> tuple[pd.DataFrame, TableSchema]:
    """Sales of products of Zipf-like frequency, each with its price level, class and share of returns."""
    own = rng(seed)
    product = (own.pareto(0.9, n_rows) * 200).astype(int) % n_products
    level = own.normal(size=n_products)[product]
    raw = pd.DataFrame(
        {
            "product": np.char.add("p", product.astype(str)),
            "price": np.round(np.exp(3 + level + 0.2 * own.normal(size=n_rows)), 2),
            "class": np.array([f"class {k}" for k in range(12)])[np.clip(level * 3 + 6, 0, 11).astype(int)],
            "noise": own.normal(size=n_rows),
            "returned": own.random(n_rows) < 1 / (1 + np.exp(2 - level)),
        }
    )
    schema = infer_schema(raw, target="returned")
    return conform(raw, schema), schema


def explained(product: pd.Series, value: pd.Series, means: pd.Series) -> float:
    """R2 of `value` by the true mean of each product."""
    at = product.astype(str).map(means)
    known = at.notna()
    return float(np.corrcoef(at[known], value[known])[0, 1] ** 2)


def test_categories_that_share_a_token_are_alike() -> None:
    """Of 4,000 products most share tokens: drawn anew within their token they keep the price of their product (R2 of
    the log price at least .8, where buckets of like frequency leave less than .5), and their frequency."""
    table, schema = shop(60_000, 4_000)
    codec = fit_codec(table, schema).codecs[0]
    assert isinstance(codec, CategoricalCodec) and len(codec.labels) > 800 and codec.n_tokens <= 256
    tokens = codec.encode(table["product"])
    kept = np.isin(tokens, np.flatnonzero(codec.emittable())) & (tokens != codec.other)
    again = codec.to_series(codec.decode(tokens, rng(1).random(len(table))))[kept].reset_index(drop=True)
    price = np.log(table["price"])
    means = price.groupby(table["product"].astype(str)).mean()
    assert explained(table["product"], price, means) > 0.9
    assert explained(again, price[kept].reset_index(drop=True), means) > 0.8
    blind = CategoricalCodec.fit(table["product"], schema.column("product"), np.ones(len(table)), 11)
    mixed = blind.to_series(blind.decode(blind.encode(table["product"]), rng(1).random(len(table))))
    assert explained(mixed[kept].reset_index(drop=True), price[kept].reset_index(drop=True), means) < 0.5
    counts = table["product"].value_counts()
    assert counts[again.unique().tolist()].min() >= 11  # rare ones are never emitted
    share, made = counts[list(codec.labels)] / kept.sum(), again.value_counts()
    expected = share * kept.sum()
    z = (made.reindex(share.index, fill_value=0) - expected) / np.sqrt(expected)
    assert np.abs(z).max() < 5.5  # about a thousand Poisson-like counts: error probability 1e-4


def test_buckets_survive_the_artifact_and_count_units(tmp_path: Path) -> None:
    table, schema = shop(40_000, 3_000)
    made = create("independent").fit(table, schema=schema, rng=rng())
    made.save(tmp_path / "m")
    again = load(tmp_path / "m").sample(2_000, rng=rng(1))
    pd.testing.assert_frame_equal(made.sample(2_000, rng=rng(1)), again)
    # One unit that holds all rows of a product is one unit, so the product is rare.
    table["who"] = np.where(table["product"] == "p5", 10**6, np.arange(len(table)))
    with_unit = infer_schema(table, target="returned", unit="who")
    codec = fit_codec(table, with_unit).codecs[0]
    assert isinstance(codec, CategoricalCodec)
    assert "p5" not in codec.labels and "p6" in codec.labels


def test_unrelated_categories_keep_buckets_of_equal_frequency() -> None:
    """Features of pure noise are told from signal (five standard errors: error probability 3e-7 each)."""
    own = rng(4)
    label = own.integers(0, 2_000, 50_000)
    assert buckets(label, 2_000, [own.normal(size=50_000)], np.ones(50_000), 40) is None
    told = buckets(label, 2_000, [own.normal(size=50_000) + label % 5], np.ones(50_000), 5)
    assert told is not None
    inside = pd.crosstab(told, np.arange(2_000) % 5).max(axis=1).sum() / 2_000
    assert inside > 0.95


@pytest.mark.slow
def test_a_hundred_thousand_categories_in_a_million_rows() -> None:
    own = rng()
    raw = pd.DataFrame({"key": np.char.add("k", own.integers(0, 100_000, 1_000_000).astype(str)), "x": own.random(1_000_000)})
    raw["y"] = raw["x"] > 0.5
    started = time.perf_counter()
    schema = infer_schema(raw, target="y")
    table = conform(raw, schema)
    check(table, schema)
    assert functional_dependencies(table, schema) == []
    codec = fit_codec(table, schema)
    tokens = codec.encode(table)
    key = codec.codecs[0]
    assert isinstance(key, CategoricalCodec)
    values = key.to_series(key.decode(tokens[0], own.random(1_000_000)))
    seconds = time.perf_counter() - started
    assert 30_000 < len(key.labels) < 100_000 and values.nunique() > 30_000
    assert seconds < 30  # 5 s when nothing else runs


def test_dependencies_among_hundreds_of_columns() -> None:
    own = rng()
    n = 4_000
    table = pd.DataFrame({f"v{j}": own.integers(0, 3 + j % 40, n) for j in range(300)})
    table["double"] = table["v39"] * 2
    table["half"] = pd.Categorical((table["v39"] // 2).map(lambda v: None if v == 3 else f"h{v}"))
    table["nearly"] = (table["v39"] // 2).where(table.index != 1_234, 99)
    schema = infer_schema(table)
    started = time.perf_counter()
    found = functional_dependencies(conform(table, schema), schema)
    assert time.perf_counter() - started < 5
    assert {(d.determinant, d.dependent) for d in found} == {
        ("v39", "double"), ("v39", "half"), ("double", "v39"), ("double", "half"),
        ("nearly", "half"),
    }  # fmt: skip
    half = next(d for d in found if (d.determinant, d.dependent) == ("v39", "half"))
    assert (half.mapping["7.0"], half.mapping["2.0"]) == (None, "h1")

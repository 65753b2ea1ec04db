import numpy as np
import pandas as pd
import pytest

from understudy.canonical import conform
from understudy.config import Pii
from understudy.generators import create, load
from understudy.generators.output import sample_batches
from understudy.inference import infer_schema
from understudy.pii import contact, national, payment
from understudy.pii.replace import surrogates
from understudy.schema import Column, TableSchema

KINDS = ("name", "first name", "last name", "email", "phone", "national id", "iban", "card", "address", "ip address", "uuid", "key", "passport")


def columns(*kinds: str, locale: str | None = None) -> list[Column]:
    return [Column(name=k, kind="id", identifier=k, action="replace", locale=locale) for k in kinds]


def test_surrogates_are_valid_seeded_and_fit_together() -> None:
    made = surrogates(columns(*KINDS), 500, np.random.default_rng(1))
    again = surrogates(columns(*KINDS), 500, np.random.default_rng(1))
    other = surrogates(columns(*KINDS), 500, np.random.default_rng(2))
    for kind in KINDS:
        assert made[kind].equals(again[kind]) and len(made[kind]) == 500
        assert kind in ("key", "passport") or not made[kind].equals(other[kind])
    assert (made["name"] == made["first name"] + " " + made["last name"]).all()
    for kind, valid in (("email", contact.email), ("iban", payment.iban), ("national id", national.us_ssn), ("uuid", contact.uuid)):
        assert made[kind].map(valid).all(), kind
    assert made["email"].is_unique and made["email"].str.endswith("@example.org").all()
    assert made["key"].tolist() == list(range(1, 501))


def test_the_locale_is_the_columns() -> None:
    german = surrogates(columns("name", "iban", locale="de_DE"), 50, np.random.default_rng(0))
    assert german["iban"].str.startswith("DE").all()
    japanese = surrogates(columns("name", "email", locale="ja_JP"), 50, np.random.default_rng(0))
    assert japanese["email"].map(contact.email).all() and not any(map(str.isascii, japanese["name"]))


@pytest.fixture(scope="module")
def table() -> tuple[pd.DataFrame, TableSchema]:
    rng = np.random.default_rng(0)
    n = 400
    raw = pd.DataFrame({
        "id": np.arange(7000, 7000 + n), "copy_id": np.arange(7000, 7000 + n),
        "mail": [f"real{i}@example.com" for i in range(n)], "x": rng.normal(0, 1, n), "y": rng.choice(["a", "b"], n),
    })  # fmt: skip
    schema = infer_schema(raw, pii=Pii(action="replace"))
    return conform(raw, schema), schema


@pytest.mark.parametrize("name", ["forest", "independent", "bootstrap"])
def test_every_generator_releases_invented_values(table: tuple[pd.DataFrame, TableSchema], name: str, tmp_path) -> None:
    raw, schema = table
    generator = create(name).fit(raw, schema=schema, rng=np.random.default_rng(0))
    drawn = generator.sample(300, rng=np.random.default_rng(1))
    assert list(drawn) == ["id", "copy_id", "mail", "x", "y"]
    assert drawn["mail"].is_unique and not set(drawn["mail"]) & set(raw["mail"])
    assert (drawn["id"] == drawn["copy_id"]).all()  # keys that were equal row by row stay so
    generator.save(tmp_path / "m")
    pd.testing.assert_frame_equal(load(tmp_path / "m").sample(300, rng=np.random.default_rng(1)), drawn)
    # What is invented doesn't change what is drawn.
    dropped = schema.model_copy(update={"columns": tuple(c for c in schema.columns if c.modelled)})
    alone = create(name).fit(raw, schema=dropped, rng=np.random.default_rng(0)).sample(300, rng=np.random.default_rng(1))
    pd.testing.assert_frame_equal(drawn[["x", "y"]], alone)


def test_numbers_go_on_from_batch_to_batch(table: tuple[pd.DataFrame, TableSchema]) -> None:
    raw, schema = table
    generator = create("independent").fit(raw, schema=schema, rng=np.random.default_rng(0))
    drawn = pd.concat(sample_batches(generator, 300_000, rng=np.random.default_rng(0)), ignore_index=True)
    assert drawn["id"].is_unique and drawn["mail"].is_unique


def test_a_schema_keeps_the_hash_it_had_before_there_were_locales() -> None:
    schema = TableSchema(columns=(Column(name="a", kind="numerical", decimals=0),))
    assert schema.sha256() == "99b8f722dcc06992e2e56edc6860c48cb3e8a6d13e89b566cc45b8a158139cda"
    changed = TableSchema(columns=(Column(name="a", kind="numerical", decimals=0), Column(name="b", kind="id", locale="de_DE")))
    assert changed.sha256() != TableSchema(columns=(*schema.columns, Column(name="b", kind="id"))).sha256()

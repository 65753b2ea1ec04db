import hashlib
import hmac
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from understudy.config import Data, Params
from understudy.errors import ConfigError
from understudy.files import write_text
from understudy.pii.tokens import TOKEN_BITS, TokenKey, tokenise
from understudy.preparation import prepare

KEY = hashlib.sha256(b"a test's key").hexdigest()
OTHER = hashlib.sha256(b"another").hexdigest()


def key(text: str = KEY) -> TokenKey:
    return TokenKey.parse(text, "test")


def test_a_token_is_the_stated_hmac() -> None:
    message = b"understudy token v1" + (5).to_bytes(4, "big") + b"users" + b"42"
    expected = hmac.new(bytes.fromhex(KEY), message, hashlib.sha256).hexdigest()[:32]
    assert key().token("42", "users") == expected and TOKEN_BITS == 128


def test_equal_values_join_and_nothing_else_does() -> None:
    ids = pd.Series([3, 1, 3, None], name="id")
    tokens = tokenise(ids, key(), "users")
    assert tokens[0] == tokens[2] != tokens[1] and pd.isna(tokens[3]) and tokens.name == "id"
    assert tokenise(pd.Series(["3"]), key(), "users")[0] == tokens[0]  # 3, 3.0 and "3" are one
    assert tokenise(ids, key(), "orders")[0] != tokens[0]
    assert tokenise(ids, key(OTHER), "users")[0] != tokens[0]
    # ("ab", "c") and ("a", "bc") are different messages
    assert key().token("c", "ab") != key().token("bc", "a")


def test_no_two_of_100_000_values_share_a_token() -> None:
    assert tokenise(pd.Series(np.arange(100_000)), key(), "x").is_unique


def test_keys_are_told_apart_without_being_shown() -> None:
    assert key().key_id == key().key_id != key(OTHER).key_id
    assert KEY not in repr(key()) and key().secret.hex() not in str(key()) and key().key_id not in KEY


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has 0 bytes"),
        ("correct horse battery staple", "must be hexadecimal or base64"),
        ("ab" * 31, "has 31 bytes, 32 are needed"),
        ("ab" * 32, "repeats itself"),
        (b"a passphrase that anyone could guess, at length".hex(), "is a text"),
    ],
)
def test_a_weak_key_is_refused_without_being_shown(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as e:
        TokenKey.parse(text, "UNDERSTUDY_TOKEN_KEY")
    assert "openssl rand -hex 32" in str(e.value) and (not text or text not in str(e.value))


def test_the_key_comes_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNDERSTUDY_TOKEN_KEY", raising=False)
    monkeypatch.delenv("UNDERSTUDY_TOKEN_KEY_FILE", raising=False)
    with pytest.raises(ConfigError, match="set UNDERSTUDY_TOKEN_KEY or UNDERSTUDY_TOKEN_KEY_FILE"):
        TokenKey.read()
    (tmp_path / "key").write_text(KEY + "\n")
    assert TokenKey.read(tmp_path / "key") == key()
    monkeypatch.setenv("UNDERSTUDY_TOKEN_KEY_FILE", str(tmp_path / "key"))
    assert TokenKey.read() == key()
    monkeypatch.setenv("UNDERSTUDY_TOKEN_KEY", OTHER)
    assert TokenKey.read() == key(OTHER)
    with pytest.raises(ConfigError, match="can't be read"):
        TokenKey.read(tmp_path / "none")


@pytest.fixture
def visits(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(1_000, 1_100), 3)
    pd.DataFrame({
        "person": person, "visit": [f"V{i:05d}" for i in range(300)], "x": rng.normal(0, 1, 300), "y": rng.integers(0, 5, 300),
    }).to_csv(tmp_path / "visits.csv", index=False)  # fmt: skip
    return tmp_path / "visits.csv"


def test_a_run_keeps_tokens_and_no_key(visits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from understudy import stages

    monkeypatch.setenv("UNDERSTUDY_TOKEN_KEY", KEY)
    params = Params.of({"data": {"path": str(visits), "unit": "person", "tokenise": ["person", "visit"], "split_seed": 1}})
    made = stages.preprocess(data=visits, out_dir=tmp_path / "out", params=params)
    train = pd.read_parquet(made.paths["train"])
    assert train["person"].str.fullmatch("[0-9a-f]{32}").all() and train["visit"].str.fullmatch("[0-9a-f]{32}").all()
    assert train["person"].nunique() == len(train) / 3  # persons stay whole
    assert key().token("1000", "person") in set(pd.concat(pd.read_parquet(made.paths[n]) for n in ("train", "members", "nonmembers", "reference", "test"))["person"])
    profile = json.loads(made.paths["profile"].read_text())
    assert profile["token_key_id"] == key().key_id
    assert {x["column"]: x["done"].split(" (")[0] for x in profile["pii"]} == {"person": "tokenised", "visit": "tokenised"}
    assert not any(KEY.encode() in p.read_bytes() or bytes.fromhex(KEY) in p.read_bytes() for p in (tmp_path / "out").iterdir())
    released = [c.name for c in stages.TableSchema.read(made.paths["schema"]).released]
    assert released == ["visit", "x", "y"]  # the visit's as surrogates, the person's not at all


def test_what_can_not_be_tokenised_is_named(visits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERSTUDY_TOKEN_KEY", KEY)
    for data, says in (
        (Data(tokenise=["persn"]), "tokenised column 'persn' is not a column of the table; did you mean 'person'"),
        (Data(tokenise={"y": "y"}, target="y"), "target 'y' is to be tokenised"),
    ):
        with pytest.raises(ConfigError, match=says):
            prepare(visits, data, lambda share, message: None)


def test_the_commands(visits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from understudy.cli import app

    run = CliRunner().invoke
    write_text(tmp_path / "key", KEY)
    orders = tmp_path / "orders.csv"
    pd.DataFrame({"client": np.arange(1_000, 1_100), "z": 1}).to_csv(orders, index=False)
    monkeypatch.setenv("UNDERSTUDY_TOKEN_KEY_FILE", str(tmp_path / "key"))
    for table, column in ((visits, "person"), (orders, "client")):
        done = run(app, ["tokenise", str(table), "--column", column, "--domain", "people", "-o", f"{table}.parquet", "--json"])
        assert done.exit_code == 0 and json.loads(done.stdout)["key_id"] == key().key_id
    joined = pd.read_parquet(f"{visits}.parquet").merge(pd.read_parquet(f"{orders}.parquet"), left_on="person", right_on="client")
    assert len(joined) == 300  # referential integrity across tables
    with pytest.raises(ConfigError, match="did you mean 'person'"):
        run(app, ["tokenise", str(visits), "--column", "persons", "-o", str(tmp_path / "x.csv")], catch_exceptions=False)
    assert not (tmp_path / "x.csv").exists()


def test_the_scan_command(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from understudy.cli import app

    rng = np.random.default_rng(0)
    pd.DataFrame({
        "contact": [f"p{i}@example.com" for i in range(100)], "visit_id": rng.permutation(100) + 500, "constant": 1,
        "note": [f"the patient came in and was seen on day {i}" for i in range(100)], "x": rng.normal(0, 1, 100),
    }).to_csv(tmp_path / "t.csv", index=False)  # fmt: skip
    done = CliRunner().invoke(app, ["pii", str(tmp_path / "t.csv"), "--presidio", "off", "--json"])
    assert done.exit_code == 0
    found = {x["column"]: (x["found"], x["by"], x["sure"], x["done"]) for x in json.loads(done.stdout)["columns"]}
    assert found == {
        "contact": ("email", "value", "high", "dropped"),
        "visit_id": ("key", "schema", "medium", "replaced by numbers"),
        "note": ("text", "schema", "medium", "dropped"),
    }
    assert CliRunner().invoke(app, ["pii", str(tmp_path / "t.csv"), "--presidio", "off"]).exit_code == 0

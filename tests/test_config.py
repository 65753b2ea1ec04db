from pathlib import Path

import pytest

from understudy.config import Data, Params
from understudy.errors import ConfigError


def test_defaults_and_an_empty_section() -> None:
    p = Params.parse("gate:\nsample: {n_rows: 500}\n")
    assert p.gate == {}
    assert p.sample.n_rows == 500
    assert p.generator.name == "auto"
    assert p.data.split_seed is None


def test_simple_types_and_back() -> None:
    p = Params.parse("data: {path: a.csv, drop: [x, y]}\nregister: {name: m}\ngenerator: {config: {min_leaf: 50}}\n")
    assert Params.of(p.to_dict()) == p
    assert p.section("register") == {"name": "m"}
    assert p.section("data")["drop"] == ["x", "y"]


def test_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Params().data = Data()  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("generator: {nmae: forest}", "params.yaml: generator.nmae: unknown key; did you mean 'name'?"),
        ("x: 1", "x: unknown key; keys are: data, preprocess, generator, sample, evaluate, gate, register"),
        ("sample: {n_rows: 0}", "sample.n_rows: is 0; it must be greater than or equal to 1"),
        ("sample: {n_rows: many}", "sample.n_rows: is 'many'; it must be a valid integer"),
        ("data: {split_seed: -1}", "data.split_seed: is -1; it must be greater"),
        ("data: [1]", "data: is [1]; it must be a valid dictionary"),
        ("preprocess: {min_pool_share: .3, max_pool_share: .2}", "preprocess: min_pool_share 0.3 exceeds"),
        ("register: {name: a/b}", "register.name: is 'a/b'"),
        ("- 1", "holds a list; it needs the sections data,"),
        ("a: [", "params.yaml: not valid YAML on line 1"),
        ("data: !!python/object/apply:os.system ['true']", "not valid YAML"),
    ],
)
def test_what_is_wrong_is_one_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as e:
        Params.parse(text, "params.yaml")
    assert message in str(e.value)
    assert "\n" not in str(e.value)


def test_an_unreadable_file_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere.yaml: can't be read .*--params"):
        Params.read(tmp_path / "nowhere.yaml")


def test_other_data_replaces_what_was_said_about_the_first() -> None:
    p = Params.parse("data: {path: a.csv, target: t, unit: u, split_seed: 1}\nregister: {name: first}\n")
    other = p.with_data("dir/adult_train.csv.gz", target="income")
    assert other.data == Data(path="dir/adult_train.csv.gz", target="income")
    assert other.model_name() == "adult_train"
    assert p.model_name() == "first"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("data/rand_hie.csv", "rand_hie"),
        ("sqlite:///x.db#my table", "my_table"),
        ("C:\\d\\ä b.csv", "b"),
        ("é.csv", "table"),
    ],
)
def test_the_models_name_defaults_to_the_tables(path: str, name: str) -> None:
    assert Params.of({"data": {"path": path}}).model_name() == name


def test_no_data_no_name() -> None:
    with pytest.raises(ConfigError, match=r"data.path is not set; give a table with --data"):
        Params().model_name()


def test_the_shipped_params_are_valid() -> None:
    shipped = Params.read(Path(__file__).parents[1] / "params.yaml")
    assert shipped.data.unit == "person"
    assert shipped.model_name() == "rand_hie"

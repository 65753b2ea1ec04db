"""Presidio, where the extra `pii` is installed: `make env` installs it, so CI runs these."""

import socket
from pathlib import Path

import pandas as pd
import pytest

from understudy.inference import infer_column
from understudy.pii import presidio

pytest.importorskip("presidio_analyzer")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("presidio asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_without_a_model_its_patterns_work_and_nothing_is_downloaded() -> None:
    if presidio.model_of("en"):
        pytest.skip("a model of English is installed")
    texts = ["wallet 16Yeky6GMjeNkAiNcBY7ZhrLoMSgg1BoyZ", "mail a@b.org, see www.example.org", "blue", "paid on 2024-01-02"]
    found = presidio.by_model(texts)
    assert [(f.kind, f.share, f.by) for f in found] == [("crypto wallet", 0.25, "model")]
    assert not presidio.asked("auto", "en") and presidio.asked("always", "en") and not presidio.asked("off", "en")


def test_with_a_model_names_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is a small one made here: its entities are a list of names."""
    import spacy

    names = ["Ada Lovelace", "Grace Hopper", "Alan Turing", "Emmy Noether", "Rosa Parks"]
    model = spacy.blank("en")
    model.add_pipe("entity_ruler").add_patterns([{"label": "PERSON", "pattern": n} for n in names])
    model.to_disk(tmp_path / "model")
    monkeypatch.setattr(presidio, "model_of", lambda language: str(tmp_path / "model"))
    presidio.analyzer.cache_clear()
    try:
        values = pd.Series([f"seen by {names[i % 5]}, {i % 40}" for i in range(200)], name="x")
        assert presidio.by_model(list(values))[0].kind == "name"
        column = infer_column(values)
        assert (column.kind, column.identifier) == ("id", "name")
        assert infer_column(pd.Series([f"room {i % 40}" for i in range(200)], name="x")).kind == "categorical"
    finally:
        presidio.analyzer.cache_clear()

"""Keys are known by their hash only; limits count by client and day."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from understudy.errors import ConfigError
from understudy.serving.keys import Caller, Keys, add_key
from understudy.serving.limits import Admission, Quota
from understudy.serving.refusal import Refusal
from understudy.serving.settings import serve_settings


def test_a_key_names_its_client_and_is_kept_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    ann, bob = add_key(file, "ann", "sampler"), add_key(file, "bob", "admin")
    assert ann not in file.read_text() and len(ann) > 40 and ann != bob
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    keys = Keys(file)
    assert keys.caller(f"Bearer {ann}") == Caller("ann", "sampler")
    assert keys.caller(f"bearer  {bob} ") == Caller("bob", "admin")
    with pytest.raises(Refusal) as e:
        keys.caller(f"Bearer {ann}").require_admin()
    assert e.value.http_status == 403


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic YQ==", "Bearer us_wrong", "Bearer \u00e9"])
def test_without_a_known_key_nobody_gets_in(tmp_path: Path, header: str | None) -> None:
    add_key(tmp_path / "keys.json", "ann", "admin")
    with pytest.raises(Refusal) as e:
        Keys(tmp_path / "keys.json").caller(header)
    assert e.value.http_status == 401 and e.value.field == "authorization"


def test_a_changed_file_counts_and_a_broken_one_doesnt(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    ann = add_key(file, "ann", "sampler")
    keys = Keys(file)
    assert not keys.refresh()
    bob = add_key(file, "bob", "sampler")
    assert keys.refresh() and keys.caller(f"Bearer {bob}").client == "bob"
    file.write_text("{")
    os.utime(file, ns=(1, 1))
    with pytest.raises(ConfigError, match="is not JSON"):
        keys.refresh()
    assert keys.caller(f"Bearer {ann}").client == "ann"
    file.write_text(json.dumps({"keys": []}))
    keys.refresh()
    with pytest.raises(Refusal):
        keys.caller(f"Bearer {ann}")


@pytest.mark.parametrize(("client", "role"), [("", "admin"), ("a b", "admin"), ("a" * 65, "admin"), ("ann", "owner")])
def test_names_and_roles_are_checked(tmp_path: Path, client: str, role: str) -> None:
    with pytest.raises(ConfigError):
        add_key(tmp_path / "keys.json", client, role)
    assert not (tmp_path / "keys.json").exists()


def test_rows_are_counted_by_client_and_day() -> None:
    day = "2026-11-24"
    quota = Quota(100, clock=lambda: day)
    quota.take("ann", 60)
    with pytest.raises(Refusal, match="40 of 100 rows left") as e:
        quota.take("ann", 41)
    assert e.value.http_status == 429 and e.value.retry_after_s > 0
    quota.take("ann", 40)
    quota.take("bob", 100)
    quota.give_back("bob", 30)
    quota.take("bob", 30)
    day = "2026-11-25"
    quota.take("ann", 100)


def test_too_many_at_a_time_are_refused() -> None:
    admission = Admission(1)
    with admission.admitted():
        with pytest.raises(Refusal) as e, admission.admitted():
            pass
        assert e.value.http_status == 503 and e.value.headers()["Retry-After"] == "1"
    with admission.admitted():
        pass


@pytest.mark.parametrize(
    ("given", "message"),
    [({"host": "0.0.0.0"}, "can be reached from elsewhere"), ({"tls_cert": "a.pem"}, "belong together"),
     ({"port": 70000}, "port"), ({"ports": 1}, "ports"), ({"rows_per_day": 0}, "rows_per_day")],
)  # fmt: skip
def test_settings_that_cant_be_used_are_named(given: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        serve_settings(**given)
    assert serve_settings(host="0.0.0.0", open=True).local_only is False

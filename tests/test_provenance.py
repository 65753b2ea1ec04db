import hashlib
import subprocess
from pathlib import Path

import pytest

from understudy import provenance
from understudy.errors import TableError


def test_file_md5(tmp_path: Path) -> None:
    content = bytes(range(256)) * 9000  # more than one block
    (tmp_path / "f").write_bytes(content)
    assert provenance.file_md5(tmp_path / "f") == hashlib.md5(content).hexdigest()
    with pytest.raises(TableError, match=r"can't be read \(No such file"):
        provenance.file_md5(tmp_path / "g")


def test_tree_sha256_sees_names_contents_and_borders(tmp_path: Path) -> None:
    def tree(**files: str) -> str:
        root = tmp_path / hashlib.sha256(repr(files).encode()).hexdigest()[:8]
        (root / "sub").mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (root / "sub" / name).write_text(content)
        return provenance.tree_sha256(root)

    assert tree(a="1", b="2") == tree(b="2", a="1")
    assert len({tree(a="1", b="2"), tree(a="1", c="2"), tree(a="1", b="3"), tree(a="12"), tree(a="1b 1 2")}) == 5


def test_the_code_has_a_hash_and_in_a_checkout_a_commit() -> None:
    assert len(provenance.code_sha256()) == 64
    assert provenance.code_sha256() == provenance.code_sha256()
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=provenance.PACKAGE, capture_output=True, text=True)
    if head.returncode == 0:
        assert provenance.code_commit().removesuffix("-dirty") == head.stdout.strip()


def test_outside_a_checkout_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    assert provenance.code_commit() == ""


def test_requirements_are_pinned_and_without_extras() -> None:
    pinned = dict(r.split("==") for r in provenance.requirements())
    assert {"understudy", "numpy", "pandas"} <= set(pinned)
    assert "mlflow" not in pinned
    assert "pytest" not in pinned

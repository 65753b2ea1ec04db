"""Every `understudy ...` that the workflows, the manifests and the documents type exists, with the options it is given."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from manifests import check
from manifests.pods import pods_of

ROOT = Path(__file__).parents[2]
TEXTS = [*sorted((ROOT / ".github/workflows").glob("*.yml")), ROOT / "docs/cluster.md", ROOT / "docs/security.md"]


def written() -> Iterator[tuple[str, list[str]]]:
    """(where, words after `understudy`)."""
    for path in TEXTS:
        text = path.read_text()
        if path.suffix == ".md":
            text = "\n".join(re.findall(r"```(?:sh|yaml)\n(.*?)```", text, re.DOTALL))
        text = re.sub(r"\\\n\s*", " ", re.sub(r"(?m)(^|\s)# .*", "", text))
        text = re.sub(r"\$\([^()]*\)", "ANSWER", text)
        for line in re.findall(r"(?:^\s*|/bin/|\$\()understudy ([a-z][^\n|;)]*)", text, re.MULTILINE):
            yield path.name, shlex.split(line)
    for overlay in sorted(check.OVERLAYS.iterdir()):
        for resource in check.build(overlay):
            for pod in pods_of(resource):
                for where, container in pod.containers():
                    words = [*container.get("command", ()), *container.get("args", ())]
                    if words[:2] == ["sh", "-c"]:
                        words = shlex.split(words[2].split("exec ")[-1])
                    if words[:1] == ["understudy"]:
                        yield f"{overlay.name} {where}", words[1:]


LINES = sorted({tuple(words): where for where, words in written()}.items())
"""(words, one of the places that type them)."""


@pytest.fixture(scope="module")
def commands() -> Any:
    from typer.main import get_command

    from understudy.cli import app

    return get_command(app)


@pytest.mark.parametrize(("line", "where"), LINES, ids=[" ".join(words)[:90] for words, _ in LINES])
def test_a_command_line_exists(commands: Any, line: tuple[str, ...], where: str) -> None:
    command, words = commands, list(line)
    while hasattr(command, "commands"):
        assert words, f"{where}: understudy {' '.join(line)} is a group of commands"
        assert words[0] in command.commands, f"{where}: no command {words[0]!r} in `understudy {' '.join(line)}`"
        command = command.commands[words.pop(0)]
    known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
    given = {w.split("=")[0] for w in words if re.match(r"--?[a-z]", w)}
    assert given <= known, f"{where}: `understudy {' '.join(line)}` has no option {', '.join(sorted(given - known))}"


def test_lines_were_found() -> None:
    assert {words[0] for words, _ in LINES} >= {"pipeline", "deploy", "serve", "monitor"}

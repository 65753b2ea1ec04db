"""The images: what the Dockerfile promises, and, on request, that they build and work.

To build takes some minutes (most of it downloads and compiling byte code), more than a test suite should: it is done where
UNDERSTUDY_BUILD_IMAGES names targets, as in `UNDERSTUDY_BUILD_IMAGES=cpu,serve make slow`, with buildah and root. CI builds
all images with Docker.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from components import smoke
from manifests.check import targets

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "components/Dockerfile").read_text()
BASE = "localhost/understudy-base:bookworm"
USER = 10001
ASKED = [t for t in os.environ.get("UNDERSTUDY_BUILD_IMAGES", "").split(",") if t]


def stage(name: str) -> str:
    """The instructions of one stage."""
    found = re.search(rf"^FROM \S+ AS {name}\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert found, f"no stage {name}"
    return found[1]


def test_the_base_image_can_be_chosen_and_has_no_moving_tag() -> None:
    assert DOCKERFILE.count("ARG BASE_IMAGE=python:3.11-slim-bookworm") == 1
    bases = set(re.findall(r"^FROM (\S+) AS (\S+)", DOCKERFILE, re.MULTILINE))
    stages = {name for _, name in bases}
    assert all(base == "${BASE_IMAGE}" or base in stages for base, _ in bases)


def test_images_run_as_a_numeric_user_and_write_only_to_tmp() -> None:
    runtime = stage("runtime")
    assert "USER 10001:10001" in runtime  # Kubernetes' runAsNonRoot can't look names up
    for variable in ("HOME", "TMPDIR", "NUMBA_CACHE_DIR", "MPLCONFIGDIR"):
        assert re.search(rf"\b{variable}=/tmp", runtime), variable
    assert not re.search(r"^USER (root|0)", DOCKERFILE, re.MULTILINE)


@pytest.mark.parametrize("target", ["cpu", "gpu", "serve", "seldon"])
def test_each_target_has_a_smoke_command_and_its_code_last(target: str) -> None:
    steps = stage(target)
    assert f"understudy-{target}" in targets()
    assert target in smoke.TARGETS
    assert f'understudy.smoke="python -m components.smoke {target}"' in steps
    # A commit changes the code's layer; the one with all dependencies stays.
    copies = re.findall(r"^COPY --from=(\S+)", steps, re.MULTILINE)
    assert copies == [f"{target}-environment", "code"]


def test_labels_say_version_and_commit() -> None:
    runtime = stage("runtime")
    assert 'org.opencontainers.image.version="${VERSION}"' in runtime
    assert 'org.opencontainers.image.revision="${COMMIT}"' in runtime
    version = re.search(r'__version__ = "([^"]+)"', (ROOT / "understudy/__init__.py").read_text())
    assert version and f"ARG VERSION={version[1]}" in runtime


def test_everything_is_installed_at_pinned_versions_from_known_extras() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {"kfp", "mlflow[auth]", "boto3", "psycopg2-binary"} <= set(extras["cluster"])
    pins = {line.split("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    assert {re.split(r"[\[<>=]", d)[0].lower() for d in extras["cluster"]} <= pins
    for command in re.findall(r"pip install ([^\n]*)", DOCKERFILE):
        assert "-c constraints.txt" in command or "-r constraints-seldon.txt" in command or "--no-deps" in command, command


def test_the_build_context_holds_no_data_and_no_history() -> None:
    lines = [x for x in (ROOT / ".dockerignore").read_text().splitlines() if x and not x.startswith("#")]
    assert lines[0] == "*"
    assert {x[1:] for x in lines if x.startswith("!")} <= {
        "pyproject.toml", "constraints.txt", "constraints-seldon.txt", "README.md", "LICENSE", "understudy", "components", "pipelines",
    }  # fmt: skip


def test_the_smoke_command_refuses_root_and_unknown_targets(capsys: pytest.CaptureFixture[str]) -> None:
    assert smoke.main(["gpus"]) == 2
    assert "usage" in capsys.readouterr().err
    if os.getuid() == 0:
        assert smoke.main(["cpu"]) == 1
        assert "runs as root" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("target", ["cpu", "gpu", "serve", "seldon"])
def test_an_image_builds_and_its_smoke_command_passes(target: str, tmp_path: Path) -> None:
    if target not in ASKED:
        pytest.skip("builds for minutes; ask for it with UNDERSTUDY_BUILD_IMAGES=" + target)
    for tool in ("buildah", "debootstrap"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} isn't here; apt-get install buildah debootstrap")
    if os.getuid() != 0:
        pytest.skip("buildah's chroot isolation needs root here")
    base = os.environ.get("BASE_IMAGE", BASE)
    if base == BASE and run("buildah", "inspect", "--type", "image", BASE, check=False).returncode:
        run(str(ROOT / "tests/cluster/base_image.sh"), BASE)
    image = f"localhost/understudy-{target}:test"
    run("buildah", "bud", "--isolation", "chroot", "--quiet", "--file", "components/Dockerfile", "--target", target,
        "--build-arg", f"BASE_IMAGE={base}", "--build-arg", "COMMIT=tested", *pip_settings(tmp_path), "--tag", image, ".")  # fmt: skip
    labels = run("buildah", "inspect", "--type", "image", "--format", "{{.OCIv1.Config.Labels}}", image).stdout
    assert "org.opencontainers.image.revision:tested" in labels and f"understudy.target:{target}" in labels
    container = run("buildah", "from", image).stdout.strip()
    try:
        mounted = Path(run("buildah", "mount", container).stdout.strip())
        said = run("buildah", "run", "--isolation", "chroot", container, "--", "python", "-m", "components.smoke", target).stdout
        assert said.startswith(f"smoke {target}: ")
        # The image's user owns nothing outside /tmp: the root file system may be read-only.
        owned = {p.relative_to(mounted).parts[0] for p in mounted.rglob("*") if p.lstat().st_uid == USER}
        assert owned <= {"tmp"}, owned
    finally:
        run("buildah", "rm", container)


def run(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1500)
    assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done


def pip_settings(folder: Path) -> list[str]:
    """This machine's way to its package index, for the build: pip's settings and the files that they name."""
    said = run("pip", "config", "list", check=False).stdout.splitlines()
    settings = {k.split(".")[-1]: v.strip("'") for k, _, v in (line.partition("=") for line in said)}
    lines, volumes = ["[global]"], []
    for key in ("index-url", "extra-index-url", "cert", "find-links"):
        for value in settings.get(key, "").split():
            if Path(value).exists():
                volumes += ["--volume", f"{value}:{value}:ro"]
            elif not value.startswith("http"):
                continue
            lines.append(f"{key} = {value}")
    (folder / "pip.conf").write_text("\n".join(lines) + "\n")
    return ["--secret", f"id=pip,src={folder / 'pip.conf'}", *volumes]

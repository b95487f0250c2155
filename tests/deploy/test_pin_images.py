"""`make pin-images`: the foreign images by digest in .env, whatever stood there before."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from patience import patient

DIGEST = "sha256:" + "5" * 64
# Knows one digest for every image, but for one that was built and never pulled.
DOCKER = f"""#!/bin/sh
case "$1 $*" in
"pull "*) echo "$@" >> pulled ;;
*built-here*) ;;
*)
    for image; do :; done
    name=${{image##*/}}
    echo "elsewhere/x@sha256:0"
    echo "${{image%"$name"}}${{name%%[:@]*}}@{DIGEST}"
    ;;
esac
"""


@pytest.fixture
def tree(checkout: Path, tmp_path: Path) -> Path:
    """A checkout with a `docker` of its own."""
    for folder in ("deploy", "bin"):
        (tmp_path / folder).mkdir()
    shutil.copy(checkout / "deploy/pin-images", tmp_path / "deploy")
    (tmp_path / "bin/docker").write_text(DOCKER)
    (tmp_path / "bin/docker").chmod(0o755)
    return tmp_path


def pin(tree: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{tree / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        [tree / "deploy/pin-images"],
        env={"PATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=patient(30),
    )


def test_given_settings_when_images_are_pinned_twice_then_each_stands_once_and_the_rest_stays(
    tree: Path,
) -> None:
    (tree / ".env").write_text("PARCELA_PORT=8080\nREDIS_IMAGE=old\n")

    assert pin(tree).returncode == 0
    assert pin(tree, PYTHON_IMAGE="registry.example:5000/python:3.11").returncode == 0

    assert (tree / ".env").read_text().splitlines() == [
        "PARCELA_PORT=8080",
        f"PYTHON_IMAGE=registry.example:5000/python@{DIGEST}",
        f"REDIS_IMAGE=redis@{DIGEST}",
        f"MINIO_IMAGE=pgsty/silo@{DIGEST}",
    ]


def test_given_an_image_without_a_digest_then_nothing_is_invented(tree: Path) -> None:
    done = pin(tree, PYTHON_IMAGE="built-here:1")

    assert done.returncode == 1
    assert "has no digest" in done.stderr
    assert (tree / ".env").read_text() == ""


def test_given_the_script_then_its_images_are_those_of_compose(checkout: Path) -> None:
    script = (checkout / "deploy/pin-images").read_text()
    compose = (checkout / "docker-compose.yml").read_text()
    services = yaml.safe_load(compose)["services"]
    python = services["gateway"]["build"]["args"]["PYTHON_IMAGE"]

    assert re.findall(r'"(\$\{\w+_IMAGE:-.+\})"', script) == [
        python,
        services["redis"]["image"],
        services["minio"]["image"],
    ]

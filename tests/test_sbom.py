"""`make sbom`: what is installed, in each image and here, in CycloneDX's own form."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from patience import patient

pytestmark = pytest.mark.slow

IMAGES = ("gateway", "preprocess", "inference", "labelling", "training")


@pytest.fixture(scope="module")
def texts(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files that `make sbom` writes, by name, made in a copy of what it reads."""
    if shutil.which("npm") is None:
        pytest.skip("no npm on the PATH")
    tree = tmp_path_factory.mktemp("tree")
    for name in ("Makefile", "pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(checkout / name, tree)
    shutil.copytree(checkout / "lock", tree / "lock")
    (tree / "web").mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(checkout / "web" / name, tree / "web")
    (tree / ".venv").symlink_to(checkout / ".venv")

    command = ["make", "--assume-old", "setup", "--assume-old", ".venv/.ready", "sbom"]
    subprocess.run(command, cwd=tree, check=True, timeout=patient(300))

    return {
        file.name.removesuffix(".cdx.json"): file.read_text()
        for file in tree.glob("dist/sbom/*.cdx.json")
    }


def components(text: str) -> dict[str, dict[str, Any]]:
    return {component["purl"]: component for component in json.loads(text)["components"]}


def test_given_the_files_then_each_keeps_to_the_schema(texts: dict[str, str]) -> None:
    assert {*texts} == {"environment", "page", *IMAGES}
    for name, text in texts.items():
        version = SchemaVersion.from_version(json.loads(text)["specVersion"])
        assert JsonStrictValidator(version).validate_str(text) is None, name


@pytest.mark.parametrize("image", IMAGES)
def test_given_an_image_then_its_file_has_each_library_of_its_lock(
    checkout: Path, texts: dict[str, str], image: str
) -> None:
    lines = (checkout / f"lock/{image}.txt").read_text().splitlines()
    pins = {line.split()[0] for line in lines if line[:1].isalnum()}

    held = components(texts[image])

    assert {f"pkg:pypi/{pin.replace('==', '@')}" for pin in pins} <= {*held}
    assert any(purl.startswith("pkg:pypi/torch@") for purl in held) == (
        image in ("preprocess", "inference", "training")
    )


def test_given_the_environment_then_its_file_tells_the_licences(texts: dict[str, str]) -> None:
    held = components(texts["environment"])

    assert "pkg:pypi/fastapi@" in "".join(held)
    assert sum("licenses" in component for component in held.values()) > 0.9 * len(held)


def test_given_the_page_then_its_file_has_what_it_is_built_from(texts: dict[str, str]) -> None:
    assert "pkg:npm/preact@" in "".join(components(texts["page"]))

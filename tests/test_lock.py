"""The lock files: every library by version and hashes, and no more or less than pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.metadata import requires
from itertools import pairwise
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
SERVICES = ("gateway", "preprocess", "inference", "labelling")
# What each lock was made for, as `make lock` says.
ASKED = {
    "dev": ["parcela[dev]"],
    "all": ["parcela[all]"],
    "training": ["parcela[experiment]"],
    "build": PYPROJECT["build-system"]["requires"],
    **{
        part: (ROOT / f"services/{part}/requirements.txt").read_text().splitlines()[1:]
        for part in SERVICES
    },
}
# PyTorch's own libraries are those of any build: one with CUDA asks for more, and brings them itself.
TORCH = PYPROJECT["tool"]["uv"]["dependency-metadata"][0]["requires-dist"]


@cache
def locked(name: str) -> dict[str, Requirement]:
    """The libraries of a lock file by their names."""
    lines = re.findall(r"^(\w.*?) *\\?$", (ROOT / f"lock/{name}.txt").read_text(), re.MULTILINE)
    return {canonicalize_name(Requirement(line).name): Requirement(line) for line in lines}


def asked_of(requirement: Requirement) -> list[str]:
    """What a library asks for in its turn, by its own metadata."""
    if requirement.name == "torch":
        return list(TORCH)
    if requirement.name != "parcela":
        return requires(requirement.name) or []
    extras = PROJECT["optional-dependencies"]
    return [
        *PROJECT["dependencies"],
        *(line for name in requirement.extras for line in extras[name]),
    ]


@cache
def needed(name: str) -> list[Requirement]:
    """All that a lock is asked for in this environment, directly and through others."""
    waiting, seen = [Requirement(line) for line in ASKED[name]], dict[str, Requirement]()
    while waiting:
        asking = waiting.pop()
        if str(asking) in seen:
            continue
        seen[str(asking)] = asking
        for wanted in map(Requirement, asked_of(asking)):
            marker, wanted.marker = wanted.marker, None
            if not marker or any(
                marker.evaluate({"extra": extra}) for extra in ("", *asking.extras)
            ):
                waiting.append(wanted)
    return [wanted for wanted in seen.values() if wanted.name != "parcela"]


@pytest.mark.parametrize("name", ASKED)
def test_given_a_lock_then_it_holds_what_is_asked_for_and_nothing_else(name: str) -> None:
    here = {key for key, pin in locked(name).items() if pin.marker is None or pin.marker.evaluate()}

    assert here == {canonicalize_name(wanted.name) for wanted in needed(name)} - {"torch"}


@pytest.mark.parametrize("name", ASKED)
def test_given_a_lock_then_its_versions_are_those_that_are_asked_for(name: str) -> None:
    pins = locked(name) | locked("torch")
    refused = [
        f"{wanted}, and not {pin}"
        for wanted in needed(name)
        for pin in [pins[canonicalize_name(wanted.name)]]
        if not wanted.specifier.contains(str(pin.specifier).removeprefix("=="), prereleases=True)
    ]

    assert refused == []


@pytest.mark.parametrize("name", ASKED)
def test_given_a_lock_then_each_line_has_one_version_and_hashes(name: str) -> None:
    lines = [
        line
        for line in (ROOT / f"lock/{name}.txt").read_text().splitlines()
        if line.strip()[:1] not in ("", "#")
    ]
    follows = [after for line, after in pairwise(lines) if not line.startswith((" ", "-"))]

    assert lines[0] == "--only-binary :all:"
    assert len(follows) == len(locked(name))
    assert all(re.fullmatch(r" {4}--hash=sha256:[0-9a-f]{64}( \\)?", line) for line in follows)
    assert all(re.fullmatch(r"==[\w.+]+", str(pin.specifier)) for pin in locked(name).values())


@pytest.mark.parametrize("name", sorted({*ASKED} - {"dev", "build"}))
def test_given_an_image_then_it_has_the_versions_that_the_tests_ran_with(name: str) -> None:
    tested = locked("dev")

    assert {key: pin.specifier for key, pin in locked(name).items()} == {
        key: tested[key].specifier for key in locked(name)
    }


def test_given_pytorch_then_its_version_is_exact_and_no_lock_chooses_its_build() -> None:
    assert [*locked("torch")] == ["torch"]
    assert not any("torch" in locked(name) for name in ASKED)


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("Makefile", {"dev", "torch"}),
        ("docs/cluster/parcela.def", {"all", "torch", "build"}),
        ("training/Dockerfile", {"training", "torch", "build"}),
        ("services/gateway/Dockerfile", {"gateway", "build"}),
        ("services/labelling/Dockerfile", {"labelling", "build"}),
        ("services/preprocess/Dockerfile", {"preprocess", "torch", "build"}),
        ("services/inference/Dockerfile", {"inference", "torch", "build"}),
    ],
)
def test_given_an_installation_then_all_but_pytorch_is_checked_by_its_hash(
    file: str, names: set[str]
) -> None:
    text = (ROOT / file).read_text()
    commands = re.findall(
        r"(?:^ *|&& |/build )(?:pip install|\t\$\(PIP\)) [^&\n]+", text, re.MULTILINE
    )
    read = {command: re.findall(r"lock/(\w+)\.txt", command) for command in commands}

    assert {name for found in read.values() for name in found} == names
    for command, found in read.items():
        assert (
            "--require-hashes" in command or found == ["torch"] or "--no-build-isolation" in command
        )
        assert "--no-deps" in command or found == ["torch"]

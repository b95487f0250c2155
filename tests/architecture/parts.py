"""Which part may import which: the service folders, the shared one, the command, the training."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement

from architecture.source import imports, packages

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
SERVICES = PYPROJECT.parent / "services"
HEAVY = {"torch", "monai", "ants"}

# Two names are offered where users look for them: `parcela.predict` and `parcela.Client` fetch the command's
# own functions when first used.
LAZY_FORWARDS = {"shared/parcela/__init__.py": "parcela_cli"}


def services_importing_services(tree: Path) -> list[str]:
    """A service imports the shared part alone."""
    product = packages(tree)
    return [
        str(statement)
        for package in product.values()
        if package.part == "services"
        for statement in imports(tree, package)
        if statement.root in product
        and statement.root != package.name
        and product[statement.root].part != "shared"
    ]


def shared_importing_others(tree: Path) -> list[str]:
    """The shared part imports no other, but for the two names that it forwards."""
    product = packages(tree)
    return [
        str(statement)
        for package in product.values()
        if package.part == "shared"
        for statement in imports(tree, package)
        if statement.root in product
        and product[statement.root].part != "shared"
        and not (statement.lazy and LAZY_FORWARDS.get(statement.file) == statement.root)
    ]


def command_importing_training(tree: Path) -> list[str]:
    """The command mounts the training's commands by an entry point: it works where they are not installed."""
    product = packages(tree)
    return [
        str(statement)
        for package in product.values()
        if package.part == "cli"
        for statement in imports(tree, package)
        if statement.root in product and product[statement.root].part == "training"
    ]


def heavy_imports(tree: Path) -> list[str]:
    """The gateway and the shared part load no heavy library, wherever in a file the import stands."""
    product = packages(tree)
    return [
        str(statement)
        for name in ("parcela_gateway", "parcela")
        if name in product
        for statement in imports(tree, product[name])
        if statement.root in HEAVY
    ]


def undeclared_dependencies(tree: Path) -> list[str]:
    """Each part declares in pyproject.toml what it imports."""
    product, origin = packages(tree), distributions()
    return [
        f"{statement}, which neither the core nor the extra of {package.name} declares"
        for package in product.values()
        for statement in imports(tree, package)
        if statement.root not in product and statement.root not in sys.stdlib_module_names
        if not {canonical(name) for name in origin.get(statement.root, [statement.root])}
        & declared(package.name.removeprefix("parcela").strip("_"))
    ]


@cache
def distributions() -> Mapping[str, list[str]]:
    """Which installed distributions each package comes from."""
    return packages_distributions()


@cache
def declared(part: str) -> set[str]:
    """What is installed where a part runs.

    A part of the service has its image's ``requirements.txt``. The shared part runs in all of them, and beside the
    extra ``dicom``; the training has the core and its extra; the command may use every extra.
    """
    images = {file.parent.name: names_in(file) for file in SERVICES.glob("*/requirements.txt")}
    if part == "":
        return set.intersection(*images.values()) | pyproject_extra("dicom")
    extras = {"cli": {"all"}, "training": {"experiment"}}.get(part, set())
    return images.get(part) or pyproject_requirements(frozenset(extras))


def names_in(requirements: Path) -> set[str]:
    lines = requirements.read_text(encoding="utf-8").splitlines()
    return {canonical(Requirement(line).name) for line in lines if not line.startswith("#")}


def pyproject_extra(extra: str) -> set[str]:
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    return {canonical(Requirement(line).name) for line in project["optional-dependencies"][extra]}


@cache
def pyproject_requirements(extras: frozenset[str]) -> set[str]:
    """The names that ``parcela[extras]`` asks for, those of the core among them."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    lines, wanted, names = list(project["dependencies"]), set(extras), set()
    while lines or wanted:
        lines += project["optional-dependencies"].get(wanted.pop(), []) if wanted else []
        for requirement in [Requirement(line) for line in lines]:
            names.add(canonical(requirement.name))
            wanted |= requirement.extras if requirement.name == "parcela" else set()
        lines = []
    return names


def requirements_of_images_alone(tree: Path) -> list[str]:
    """What an image of the service installs has its bounds in pyproject.toml."""
    bounded = pyproject_requirements(frozenset({"all"}))
    return [
        f"{file.relative_to(tree)}: {name} is not in pyproject.toml"
        for file in sorted(tree.glob("services/*/requirements.txt"))
        for name in sorted(names_in(file) - bounded)
    ]


def canonical(name: str) -> str:
    return name.lower().replace("_", "-")

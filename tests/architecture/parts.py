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
def declared(extra: str) -> set[str]:
    """What ``parcela[extra]`` asks for; the command (``cli``) may use every extra, the shared part two of them."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    extras: dict[str, list[str]] = project["optional-dependencies"]
    wanted = {"cli": {"all"}, "": {"service", "dicom"}}.get(extra, {extra})
    names = set()
    lines = list(project["dependencies"])
    while wanted:
        lines += extras.get(wanted.pop(), [])
        for requirement in [Requirement(line) for line in lines]:
            names.add(canonical(requirement.name))
            wanted |= requirement.extras
        lines = []
    return names


def canonical(name: str) -> str:
    return name.lower().replace("_", "-")

"""What exists is documented, and what is documented exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

import parcela.errors
from parcela.settings import Settings

CHECKOUT = Path(__file__).resolve().parents[1]
COMMAND_PAGE = CHECKOUT / "docs" / "command.md"
SOURCES = [
    CHECKOUT / "shared",
    CHECKOUT / "training",
    CHECKOUT / "cli",
    *(CHECKOUT / "services").iterdir(),
]
SKIPPED = {".venv", ".git", ".cache", ".pytest_cache", "node_modules", "runs", "out"}
PAGES = sorted(
    path for path in CHECKOUT.rglob("*.md") if not SKIPPED & set(path.relative_to(CHECKOUT).parts)
)


def commands() -> dict[str, Any]:
    """Every command of `parcela` by its words, such as ``predict``."""
    from parcela_cli.app import app

    def walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        inner = getattr(command, "commands", None)
        if inner is None:
            yield " ".join(words), command
        for name, child in (inner or {}).items():
            if not child.hidden:
                yield from walk(child, (*words, name))

    return dict(walk(typer.main.get_command(app), ()))


def section(page: Path, title: str) -> str:
    """The text under one second-level heading; empty where there is none."""
    parts = re.split(r"^## +", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return next((part for part in parts if part.splitlines()[0].strip(" `") == title), "")


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings get."""
    titles = re.findall(r"^#+ +(.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def relative_links(page: Path) -> list[str]:
    """Targets of a page's links and pictures, those to other hosts left out."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"(?:src|href)=\"([^\"]+)\"", text)
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def test_when_the_commands_are_walked_then_the_main_one_is_among_them() -> None:
    assert "predict" in commands()


def test_given_each_command_when_looked_up_then_it_and_its_options_are_documented() -> None:
    missing = [
        f"parcela {name}: {word}"
        for name, command in commands().items()
        for word in ("", *options(command))
        if not (text := section(COMMAND_PAGE, f"parcela {name}"))
        or not re.search(rf"`[^`\n]*{re.escape(word)}(?![\w-])[^`\n]*`", text)
    ]
    assert missing == []


def options(command: Any) -> list[str]:
    """The option names of a command, short and long, less ``--help``."""
    return [
        name
        for parameter in command.params
        if parameter.param_type_name == "option" and not getattr(parameter, "hidden", False)
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name != "--help"
    ]


def test_given_the_command_page_then_each_command_on_it_exists() -> None:
    headings = re.findall(
        r"^## `parcela ([^`]+)`$", COMMAND_PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert sorted(headings) == sorted(commands())


def test_given_the_command_page_then_each_option_on_it_exists() -> None:
    every = {name for command in commands().values() for name in options(command)}
    text = COMMAND_PAGE.read_text(encoding="utf-8")
    assert set(re.findall(r"`[^`\n]*?(--[a-z][\w-]+)", text)) - every <= {"--help", "--version"}


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_given_each_setting_when_looked_up_then_it_is_documented(name: str) -> None:
    assert f"`PARCELA_{name.upper()}`" in section(COMMAND_PAGE, "Settings")


def test_given_each_error_when_looked_up_then_its_exit_code_is_documented() -> None:
    kinds = [kind for kind in vars(parcela.errors).values() if isinstance(kind, type)]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, parcela.errors.ParcelaError)}
    documented = set(
        re.findall(r"^\| (\d+) \|", section(COMMAND_PAGE, "Exit codes"), flags=re.MULTILINE)
    )
    assert {str(code) for code in codes} <= documented


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_given_each_page_then_its_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in relative_links(page):
        path, _, anchor = target.partition("#")
        place = page.parent / path if path else page
        if not place.exists() or (
            anchor and place.suffix == ".md" and anchor not in anchors(place)
        ):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_given_each_page_then_the_make_targets_it_names_exist(page: Path) -> None:
    targets = set(
        re.findall(
            r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
        )
    )
    named = re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8"))
    assert set(named) <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_given_each_page_then_the_modules_and_paths_it_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    paths = re.findall(r"`((?:tests|benchmarks|services|shared|training|cli)/[\w/.-]+)`", text)
    names = re.findall(r"`(parcela\w*(?:\.\w+)+)`", text)
    missing_paths = [path for path in paths if not (CHECKOUT / path).exists()]
    assert missing_paths + [name for name in names if not is_importable(name)] == []


def is_importable(name: str) -> bool:
    """Whether a dotted name is a module of the tree, or stands in one."""
    path = name.replace(".", "/")
    module, _, inner = path.rpartition("/")
    files = [
        file
        for folder in SOURCES
        for file in (folder / f"{module}.py", folder / module / "__init__.py")
        if file.exists()
    ]
    return any(
        (folder / path).is_dir() or (folder / f"{path}.py").exists() for folder in SOURCES
    ) or any(re.search(rf"\b{inner}\b", file.read_text(encoding="utf-8")) for file in files)


def test_given_each_make_target_then_help_says_what_it_does() -> None:
    text = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.+)$", text, re.MULTILINE)
    assert phony.split() == re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE)

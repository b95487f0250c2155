"""Every command of the documentation is run as it stands, or says why no test runs it; its options exist."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main

from doc_blocks import BLOCKS, PAGES, SERVER
from example_files import write_examples
from parcela_cli.app import app
from patience import patient
from served_stack import Stack

COMMAND = typer.main.get_command(app)
UsageError = typer.BadParameter.__bases__[0]
RUN = [block for block in BLOCKS if not block.reason]
SCRIPT = "./predict.sh"  # it asks the usual server unless told otherwise
# What a block may call that a test runs; no program that builds, installs, or needs a cluster.
PROGRAMS = {
    "parcela",
    SCRIPT,
    *("cat", "cp", "curl", "export", "grep", "head", "ls", "zip"),
}
# A page's places as the test has them: its folder for examples stands in for /data.
PLACES = {" /data/": " ./"}


def words_of(line: str) -> list[str]:
    """The words of a shell's line after ``parcela``; empty where it calls something else."""
    words = shlex.split(re.sub(r"\$\([^)]*\)", "1", line), comments=True)
    while words and re.fullmatch(r"\w+=.*", words[0]):
        words.pop(0)
    for sign in ("|", ">", "&"):
        words = words[: words.index(sign)] if sign in words else words
    return words[1:] if words and Path(words[0]).name == "parcela" else []


def parse(words: list[str]) -> None:
    """Read a command line as `parcela` does, without doing anything.

    Raises:
        UsageError: it cannot be read.
    """
    command: Any = COMMAND
    context = typer.Context(command, info_name="parcela")
    while hasattr(command, "commands"):
        name, command, words = command.resolve_command(context, words)
        context = typer.Context(command, info_name=name, parent=context)
    command.make_context(command.name, list(words))


def lines() -> list[tuple[str, list[str]]]:
    """Every line of a block that calls `parcela`."""
    return [
        (str(block), words)
        for block in BLOCKS
        for line in block.commands
        if (words := words_of(line))
    ]


def test_given_the_documentation_then_many_of_its_blocks_are_run() -> None:
    assert len(RUN) > 20
    assert len(lines()) > 20


@pytest.mark.parametrize(("place", "words"), lines(), ids=lambda value: " ".join(value)[:60])
def test_given_a_line_of_the_documentation_then_the_command_can_read_it(
    place: str, words: list[str]
) -> None:
    parse(words)


@pytest.mark.parametrize("line", ["predict scan.nii --fats", "predicct scan.nii", "bids here out"])
def test_given_a_wrong_line_then_the_command_cannot_read_it(line: str) -> None:
    with pytest.raises(UsageError):
        parse(line.split())


def test_given_a_block_that_is_run_then_it_calls_only_what_a_test_may_call() -> None:
    strange = [
        f"{block}: {line}"
        for block in RUN
        for line in block.commands
        if shlex.split(line, comments=True)[:1] and line.split()[0] not in PROGRAMS
    ]
    assert strange == [], "run what a test can run, or say <!-- not run: why --> before the block"


def test_given_what_a_block_is_not_run_for_then_it_is_said_in_words() -> None:
    short = [str(block) for block in BLOCKS if block.reason and len(block.reason.split()) < 3]
    assert short == []


def test_given_the_text_of_each_page_then_every_option_named_with_a_command_is_one_of_it() -> None:
    unknown = []
    for page in PAGES:
        for call in re.findall(r"`parcela ([a-z]+[^`\n]*)`", page.read_text(encoding="utf-8")):
            command: Any = COMMAND
            for word in call.split():
                command = getattr(command, "commands", {}).get(word, command)
            known = {
                name for entry in command.params for name in (*entry.opts, *entry.secondary_opts)
            }
            options = set(re.findall(r"--[a-z][\w-]+", call)) - {"--help"}
            unknown += [f"{page.name}: {call}"] * (not options <= known)
    assert unknown == []


@pytest.fixture(scope="module")
def examples(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    write_examples(folder, checkout)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """`parcela serve`, which pages call by the address of a usual installation."""
    stack = Stack(tmp_path_factory.mktemp("served"))
    stack.start()
    yield stack
    stack.end()


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted({block.page for block in RUN}))
def test_given_a_page_when_its_commands_are_run_in_order_then_each_succeeds(
    request: pytest.FixtureRequest, examples: Path, tmp_path: Path, page: str
) -> None:
    blocks = [block for block in RUN if block.page == page]
    folder = tmp_path / "reader"
    shutil.copytree(examples, folder, symlinks=True)
    request.getfixturevalue("monkeypatch").chdir(folder)
    places = dict(PLACES)
    if any(place in block.text for block in blocks for place in (SERVER, SCRIPT)):
        stack: Stack = request.getfixturevalue("server")
        places |= {SERVER: f"127.0.0.1:{stack.port}", SCRIPT: f"{SCRIPT} --server {stack.url}"}
    names: dict[str, Any] = {}  # what a page's Python knows from its earlier blocks
    for block in blocks:
        text = block.text
        for old, new in places.items():
            text = text.replace(old, new)
        print(block)
        if block.language == "python":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(compile(text, str(block), "exec"), names)
        else:
            type_into_shell(text)


def type_into_shell(text: str) -> None:
    """Run a block as a reader would, in a shell that stops at the first failure."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patient(300),
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"

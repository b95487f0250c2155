"""What usually has a process of its own, done in this one, which has its libraries loaded."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from importlib import import_module
from typing import Any, TypeVar

from numpy.typing import NDArray

from parcela.errors import ParcelaError
from parcela.processes.isolation import Arrays

Task = TypeVar("Task")
Result = TypeVar("Result")


def run_here(
    task: str,
    arrays: Mapping[str, NDArray[Any]],
    options: Mapping[str, object] | None = None,
    *,
    module: str,
) -> Arrays:
    """In place of ``run_isolated``, without its limits."""
    done: Arrays = import_module(module).TASKS[task](**arrays, **(options or {}))
    return done


def spread_here(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    _processes: int,
    _begin: Callable[[], None] | None = None,
) -> Generator[tuple[Task, Result | ParcelaError]]:
    """In place of ``spread``, one task after the other."""
    for task in tasks:
        try:
            outcome: Result | ParcelaError = work(task)
        except ParcelaError as error:
            outcome = error
        yield task, outcome

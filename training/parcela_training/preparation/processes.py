"""Work spread over processes, one task at a time each, so that a process that dies takes one task with it.

``concurrent.futures`` gives up all tasks when one process dies, and so can pebble; here the place of the dead is
taken by a new one.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar, cast

from parcela.errors import ParcelaError, StepFailed

Task = TypeVar("Task")
Result = TypeVar("Result")
GRACE_S = 10.0

# A fresh interpreter for each: a forked one would share PyTorch's threads and locks.
_spawning = multiprocessing.get_context("spawn")


def spread(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    processes: int,
    begin: Callable[[], None] | None = None,
) -> Generator[tuple[Task, Result | ParcelaError]]:
    """Call ``work`` on every task in processes of their own, and yield each as it ends.

    Processes end with the one that started them, however that ends. Leaving the loop early ends them too.

    Args:
        work: a function at the top of a module, pickled by name.
        tasks: any values that pickle.
        processes: how many at once; 1 or more.
        begin: called once in each process before its first task, pickled by name too.

    Yields:
        (task, result), or (task, why there is none): an error of Parcela's that ``work`` raised, or a StepFailed for
        any other error and for a process that died.
    """
    waiting = deque(tasks)
    workers = [_Worker(work, begin) for _ in range(min(processes, len(tasks)))]
    try:
        while waiting or any(worker.busy for worker in workers):
            for worker in workers:
                if waiting and not worker.busy:
                    worker.give(waiting.popleft())
            ready = wait([worker.pipe for worker in workers if worker.busy])
            for worker in [w for w in workers if w.pipe in ready]:
                yield worker.take()
    finally:
        for worker in workers:
            worker.end()


class _Worker(Generic[Task, Result]):
    """One process, replaced when it dies."""

    def __init__(self, work: Callable[[Task], Result], begin: Callable[[], None] | None) -> None:
        self.work, self.begin = work, begin
        self.task: list[Task] = []
        self._start()

    def _start(self) -> None:
        self.pipe, theirs = _spawning.Pipe()
        args = (self.work, self.begin, theirs)
        self.process = _spawning.Process(target=_serve, args=args, daemon=True)
        self.process.start()
        theirs.close()  # so that its death shows as an end of file

    @property
    def busy(self) -> bool:
        return bool(self.task)

    def give(self, task: Task) -> None:
        if not self.process.is_alive():
            self._start()
        self.task = [task]
        self.pipe.send(task)

    def take(self) -> tuple[Task, Result | ParcelaError]:
        (task,), self.task = self.task, []
        try:
            return task, cast(Result | ParcelaError, self.pipe.recv())
        except (EOFError, ConnectionError):
            self.process.join()
            code = self.process.exitcode or 0
            cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            self._start()
        return task, StepFailed(
            f"its process died ({cause}): short of memory? run again, with fewer processes"
        )

    def end(self) -> None:
        self.pipe.close()
        if self.busy:
            self.process.terminate()
        self.process.join(GRACE_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _serve(
    work: Callable[[Any], Any], begin: Callable[[], None] | None, pipe: Connection[Any, Any]
) -> None:
    """The process's side: a task in, its result out, until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C: the parent decides
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if begin is not None:
        begin()
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        pipe.send(_done(work, task))


def _done(work: Callable[[Any], Any], task: Any) -> Any:
    try:
        return work(task)
    except ParcelaError as error:
        return error
    except Exception as error:  # noqa: BLE001 -- a fault of ours on one scan must not lose the others
        traceback.print_exc()
        return StepFailed(f"a fault in Parcela itself: {type(error).__name__}: {error}")


def _end_with_parent() -> None:
    """Leave through every ``finally`` once the parent is gone, so that no step runs on for nobody."""
    if (parent := multiprocessing.parent_process()) is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

"""The compute child: the process in which a stage is computed.

Started as ``python -m parcela.jobs.child_main parcela_inference.stage``.

It lives as long as its worker, so that what a stage has loaded stays loaded. Orders come in on its standard input, one
JSON object a line; what it says (a step begun, the end) goes out on the standard output that it was started with, which
nothing else may print to. The stage's module has one function, ``run(task: StageTask) -> dict[str, float]``.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Literal

from parcela.errors import LimitExceeded, ParcelaError, StepFailed, Unavailable
from parcela.jobs.records import Problem, Stage
from parcela.jobs.stage_task import DamagedInputs, StageTask
from parcela.processes.isolation import FULL, NoRoom, private_folder
from parcela.processes.lean import be_lean
from parcela.quality.grade import Judgement
from parcela.record import Record
from parcela.store.open import open_store

NICE = 10
Run = Callable[[StageTask], dict[str, float]]


class StageOrder(Record):
    """What to compute: one attempt of one stage of a job. ``tokens`` are those of the stages before."""

    job_id: str
    stage: Stage
    token: str
    tokens: dict[Stage, str]


class StepBegun(Record):
    """A step has begun, at this share (0–1) of the stage."""

    said: Literal["begun"] = "begun"
    step: str
    share: float


class Finished(Record):
    """All files of the stage lie in the store. ``seconds`` by step; ``quality`` of the last stage's map."""

    said: Literal["finished"] = "finished"
    seconds: dict[str, float]
    quality: Judgement | None = None


class Failed(Record):
    """The attempt came to nothing; ``retry`` where another might fare better, ``again_from`` an earlier stage."""

    said: Literal["failed"] = "failed"
    problem: Problem
    retry: bool
    again_from: Stage | None = None


Message = StepBegun | Finished | Failed


def main(module: str) -> None:
    """Carry out orders until the standard input ends."""
    be_lean()
    answers = _own_stdout()
    os.nice(NICE)
    for line in sys.stdin.buffer:
        _say(answers, _carry_out(StageOrder.from_json(line), module, partial(_say, answers)))


def _carry_out(order: StageOrder, module: str, say: Callable[[Message], None]) -> Finished | Failed:
    folder = Path()
    try:
        run: Run = import_module(module).run
        with private_folder() as folder:
            task = _task(order, folder, say)
            return Finished(seconds=run(task), quality=task.quality)
    except ParcelaError as error:
        return _failed(error, folder)
    except ModuleNotFoundError as error:
        return _failed(Unavailable(f"{error.name} is not installed: pip install 'parcela[all]'"))
    except OSError as error:
        if error.errno not in FULL:
            return _fault(error)
        place = folder.parent if folder.is_absolute() else tempfile.gettempdir()
        return _failed(
            NoRoom(
                f"{place} takes no temporary files ({error.strerror}): free some space there, or set TMPDIR"
            )
        )
    except MemoryError:
        return _failed(LimitExceeded(f"{order.stage} found no memory: give the worker more"))
    except Exception as error:  # noqa: BLE001 -- a fault of ours on one scan must not lose the other jobs
        return _fault(error)


def _fault(error: Exception) -> Failed:
    traceback.print_exc()
    return _failed(StepFailed(f"a fault in Parcela itself ({type(error).__name__}: {error})"))


def _task(order: StageOrder, folder: Path, say: Callable[[Message], None]) -> StageTask:
    def on_progress(step: str, share: float) -> None:
        say(StepBegun(step=step, share=share))

    return StageTask.of(
        order.job_id, order.stage, order.token, order.tokens, open_store(), folder, on_progress
    )


def _failed(error: ParcelaError, folder: Path = Path()) -> Failed:
    """The caller knows nothing of our temporary folder, and what is the scan's own fault stays so."""
    problem = Problem.of(error)
    detail = (
        problem.detail.replace(f"{folder}{os.sep}", "") if folder.is_absolute() else problem.detail
    )
    return Failed(
        problem=problem.model_copy(update={"detail": detail}),
        retry=error.status >= 500,
        again_from=error.stage if isinstance(error, DamagedInputs) else None,
    )


def _own_stdout() -> BinaryIO:
    """The standard output for us alone: what libraries print, in C too, goes to the standard error."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return answers


def _say(answers: BinaryIO, message: Message) -> None:
    answers.write(message.to_json().encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1])

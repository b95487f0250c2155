"""The preprocessing stage of a job: scan in; image, brain mask and the way back out."""

from __future__ import annotations

from dataclasses import replace

from parcela.bundle.manifest import software_versions
from parcela.bundle.prediction import LIBRARIES
from parcela.imaging.preprocessed import RECORD
from parcela.jobs.stage_task import StageTask
from parcela.options import LabelOptions, PredictOptions, Stripper
from parcela.settings import settings
from parcela_preprocess.chain import stripper_of
from parcela_preprocess.preprocess import preprocess

# Seconds of each step on two cores, roughly: what progress is measured by.
STRIP_S: dict[Stripper, float] = {"robex": 67.0, "deepbet": 4.0}
GEOMETRIC_S = dict.fromkeys(
    ("spacing", "orientation", "histogram", "intensity", "crop", "origin", "resize"), 0.2
)


def run(task: StageTask) -> dict[str, float]:
    """Do one attempt; returns the seconds of each step.

    Raises:
        BadScan: the scan cannot be used. StepFailed: a step crashed, or its result is implausible. The store's errors.
    """
    options = task.request.options
    task.plan(typical_s(options))
    done = preprocess(
        task.scan(),
        preset=options.preset,
        skull_strip=options.stripping,
        preprocess=options.preprocess,
        tissues=options.tissues,
        standard_space=options.to_colin27,
        on_step=task.on_step,
    )
    made_here = {
        "software": {**done.record.software, **software_versions(LIBRARIES)},
        "parameters": {**done.record.parameters, "itk_threads": settings().itk_threads},
    }
    out = task.folder / "preprocessed"
    out.mkdir()
    replace(done, record=done.record.model_copy(update=made_here)).save(out)
    task.publish(out, last=RECORD)
    return done.record.seconds


def typical_s(options: PredictOptions | LabelOptions) -> dict[str, float]:
    """The steps to come, with the seconds that they typically take."""
    stripper = stripper_of(options.stripping, options.preset)
    strip = {"skull-strip": STRIP_S[stripper], "bias": 0.5}
    return {
        **(strip if options.preprocess else {}),
        **({"tissues": 30.0} if options.tissues else {}),
        **GEOMETRIC_S,
        **({"to Colin27": 5.0} if options.to_colin27 else {}),
    }

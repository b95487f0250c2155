"""The inference stage of a job: preprocessed image in, bundle out. Both networks stay loaded between jobs."""

from __future__ import annotations

from parcela.bundle.write import file_name
from parcela.errors import BadRequest
from parcela.imaging.preprocessed import Preprocessed
from parcela.imaging.standard_space import COLIN27
from parcela.jobs.stage_task import StageTask
from parcela.options import PredictOptions
from parcela_inference.parcellate import to_grid_of
from parcela_inference.predict import predict


def run(task: StageTask) -> dict[str, float]:
    """Do one attempt; returns the seconds of each step.

    Raises:
        ParcelaError: any of those that ``predict`` raises, and the store's.
    """
    options = task.request.options
    if not isinstance(options, PredictOptions):
        raise BadRequest(f"a {task.request.kind} job has no use for the networks")
    task.plan(typical_s(options))
    ready = Preprocessed.load(task.inputs("preprocess"))
    prediction = predict(task.scan(), ready, options, on_step=task.on_step)
    task.on_step("write")
    prediction.save(task.folder / "bundle", prefix=False, origin=task.origin)
    task.publish(task.folder / "bundle", last=file_name("manifest"))
    task.quality = prediction.judgement
    return {
        name: value
        for name, value in prediction.manifest.seconds.items()
        if name not in ready.record.seconds
    }


def typical_s(options: PredictOptions) -> dict[str, float]:
    """Seconds of each step on two cores, roughly."""
    one = {"unet": 3.0, "highresnet": 24.0}
    last = {f"to {options.space}": 1.0}
    if options.standard_space:
        last[to_grid_of(COLIN27)] = 3.0
    if options.model != "both":
        return {options.model: one[options.model], **last, "write": 4.0}
    each = [(name, s) for model, s in one.items() for name, s in _both(model, s, options.space)]
    return {**dict(each), **last, "write": 5.0}


def _both(model: str, seconds: float, space: str) -> list[tuple[str, float]]:
    return [(model, seconds), (f"{model} to {space}", 3.0)]

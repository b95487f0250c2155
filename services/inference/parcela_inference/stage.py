"""The inference stage of a job: preprocessed image in, bundle out. The networks stay loaded between jobs."""

from __future__ import annotations

from parcela.bundle.write import file_name
from parcela.errors import BadRequest
from parcela.imaging.preprocessed import Preprocessed
from parcela.imaging.standard_space import COLIN27
from parcela.jobs.stage_task import StageTask
from parcela.options import PredictOptions, networks_of
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
    one = {"unet": 3.0, "highresnet": 24.0, "warp": 2.0}
    last = {f"to {options.space}": 1.0}
    if options.standard_space:
        last[to_grid_of(COLIN27)] = 3.0
    networks = networks_of(options.model)
    if len(networks) == 1:
        return {options.model: one[options.model], **last, "write": 4.0}
    each: dict[str, float] = {}
    for network in networks:
        each |= {network: one[network], f"{network} to {options.space}": 3.0}
    return {**each, **last, "write": 3.0 + len(networks)}

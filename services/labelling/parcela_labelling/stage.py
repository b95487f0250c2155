"""The labelling stage of a job: preprocessed image in, bundle with the transforms out."""

from __future__ import annotations

from parcela.bundle.write import file_name
from parcela.errors import BadRequest
from parcela.imaging.preprocessed import Preprocessed
from parcela.jobs.stage_task import StageTask
from parcela.options import LabelOptions
from parcela_labelling.labelled import label_scan

# Seconds of each step on two cores, roughly: what progress is measured by.
TYPICAL_S = {"registration": 60.0, "opening": 2.0, "check": 2.0, "to native": 2.0, "write": 5.0}


def run(task: StageTask) -> dict[str, float]:
    """Do one attempt; returns the seconds of each step.

    Raises:
        ParcelaError: any of those that ``label`` raises, and the store's.
    """
    options = task.request.options
    if not isinstance(options, LabelOptions):
        raise BadRequest(f"a {task.request.kind} job has no use for a registration")
    task.plan(TYPICAL_S)
    ready = Preprocessed.load(task.inputs("preprocess"))
    labelled = label_scan(task.scan(), ready, options, task.on_step)
    task.on_step("write")
    labelled.save(task.folder / "bundle", prefix=False, origin=task.origin)
    task.publish(task.folder / "bundle", last=file_name("manifest"))
    task.quality = labelled.judgement
    steps = labelled.manifest.seconds.items()
    return {name: value for name, value in steps if name not in ready.record.seconds}

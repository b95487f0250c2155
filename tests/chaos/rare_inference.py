"""The stage of the networks, of which few jobs see more than the reading: else 500 jobs would take a night."""

from __future__ import annotations

import os

from parcela.jobs.keys import stage_key
from parcela.jobs.stage_task import StageTask
from parcela_inference import stage as real

EVERY = int(os.environ.get("CHAOS_EVERY", "1"))


def run(task: StageTask) -> dict[str, float]:
    """Every so many jobs, by their ids, go through the network; of the others the files are read and checked."""
    if int(task.request.id, 16) % EVERY == 0:
        return real.run(task)
    task.scan()
    task.inputs("preprocess")
    task.store.put(stage_key(task.request.id, task.stage, task.token, "dseg.nii.gz"), b"none")
    return {"read": 0.0}

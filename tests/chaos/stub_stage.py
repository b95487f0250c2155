"""Stages that compute nothing but take time: of random length, with a result that depends on the scan alone."""

from __future__ import annotations

import hashlib
import os
import random
import time

from chaos.faulty_store import as_it_is_now
from parcela.imaging.preprocessed import IMAGE
from parcela.jobs.keys import LEFT_BY, scan_key, stage_key
from parcela.jobs.records import Stage
from parcela.jobs.stage_task import StageTask
from parcela.store.store import read

STEPS = 4
LONGEST_STEP_S = float(os.environ.get("CHAOS_STEP_S", "1"))
SIZE = int(
    os.environ.get("CHAOS_SIZE", 256 * 1024)
)  # bytes of a file: its writing can be interrupted
RESULT = "dseg.nii.gz"


def run(task: StageTask) -> dict[str, float]:
    """One attempt of a stage."""
    task.store = as_it_is_now(task.store)
    length = random.Random(task.token)
    for step in range(STEPS):
        task.on_progress(f"step {step}", step / STEPS)
        time.sleep(length.uniform(0, LONGEST_STEP_S))
    if task.stage in LEFT_BY:
        scan = read(task.store, scan_key(task.request.id, task.request.upload))
        files = {name: stirred(scan, name) for name in LEFT_BY[task.stage]}
    else:
        before: Stage = "preprocess"
        token = task.tokens[before]
        image = read(task.store, stage_key(task.request.id, before, token, IMAGE))
        files = {RESULT: stirred(image, RESULT)}
    for name, content in files.items():
        task.store.put(stage_key(task.request.id, task.stage, task.token, name), content)
    return {"stub": 1.0}


def undisturbed(scan: bytes, size: int = SIZE) -> bytes:
    """The result that a job has when nothing goes wrong."""
    return stirred(stirred(scan, IMAGE, size), RESULT, size)


def stirred(content: bytes, name: str, size: int = SIZE) -> bytes:
    """Bytes that depend on every one of ``content``."""
    digest = hashlib.sha256(name.encode() + content).digest()
    return digest * (size // len(digest))

"""Stages that compute nothing but take time: of random length, with a result that depends on the scan alone."""

from __future__ import annotations

import hashlib
import random
import time

from parcela.jobs.records import Stage, scan_key, stage_key
from parcela.jobs.stage_task import StageTask
from parcela.store.store import Store

STEPS = 4
LONGEST_STEP_S = 1.0
SIZE = 256 * 1024  # bytes of each file, so that writing it can be interrupted
LEFT_BY_PREPROCESS = ("image.npy", "brain_mask.npy", "trail.json", "preprocessed.json")
RESULT = "dseg.nii.gz"


def run(task: StageTask) -> dict[str, float]:
    """One attempt of a stage."""
    length = random.Random(task.token)
    for step in range(STEPS):
        task.begun(f"step {step}", step / STEPS)
        time.sleep(length.uniform(0, LONGEST_STEP_S))
    if task.stage == "preprocess":
        scan = read(task.store, scan_key(task.request.id))
        files = {name: stirred(scan, name) for name in LEFT_BY_PREPROCESS}
    else:
        before: Stage = "preprocess"
        token = task.tokens[before]
        image = read(task.store, stage_key(task.request.id, before, token, "image.npy"))
        files = {RESULT: stirred(image, RESULT)}
    for name, content in files.items():
        task.store.put(stage_key(task.request.id, task.stage, task.token, name), content)
    return {"stub": 1.0}


def undisturbed(scan: bytes) -> bytes:
    """The result that a job has when nothing goes wrong."""
    return stirred(stirred(scan, "image.npy"), RESULT)


def stirred(content: bytes, name: str) -> bytes:
    """Bytes that depend on every one of ``content``."""
    digest = hashlib.sha256(name.encode() + content).digest()
    return digest * (SIZE // len(digest))


def read(store: Store, key: str) -> bytes:
    """A whole file of the store."""
    with store.open(key) as file:
        return file.read()

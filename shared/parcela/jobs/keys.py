"""What is called what in the store: every key, and every file name of a job, in this one place.

jobs/<id>/upload/<token>/scan.nii.gz   an uploaded scan, scrubbed of what may name the patient
jobs/<id>/request.json                 the commit mark: a job whose request is there was accepted; it names the upload
jobs/<id>/<stage>/<token>/<name>       what one attempt of one stage left
jobs/<id>/outcome.json                 how the job ended, written after its last transition
tombstones/<id>.json                   says that a job was deleted, and to its owner that it was theirs
"""

from __future__ import annotations

from collections.abc import Mapping

from parcela.imaging import preprocessed
from parcela.jobs.records import Stage

JOBS, TOMBSTONES, UPLOAD = "jobs", "tombstones", "upload"
SCAN, REQUEST, OUTCOME = "scan.nii.gz", "request.json", "outcome.json"
PROBE = "health/gateway"  # what a gateway writes to see that the store takes files

# The files that the stage after reads: an attempt that left all of them was finished, whatever became of its worker.
LEFT_BY: Mapping[Stage, frozenset[str]] = {
    "preprocess": frozenset(
        {preprocessed.IMAGE, preprocessed.MASK, preprocessed.TRAIL, preprocessed.RECORD}
    )
}


def job_prefix(job_id: str) -> str:
    """Where everything of a job lies."""
    return f"{JOBS}/{job_id}/"


def job_of(key: str) -> str:
    """The id of the job that a key below ``JOBS`` belongs to."""
    return key.split("/")[1]


def upload_prefix(job_id: str, token: str) -> str:
    """Where one upload of a job's scan lies; several may come at once under one Idempotency-Key."""
    return f"{job_prefix(job_id)}{UPLOAD}/{token}/"


def scan_key(job_id: str, upload: str) -> str:
    """The key of a job's scan, by the upload that its request names; without a name it is an older release's."""
    return f"{upload_prefix(job_id, upload) if upload else job_prefix(job_id)}{SCAN}"


def request_key(job_id: str) -> str:
    """The key of the commit mark."""
    return f"{job_prefix(job_id)}{REQUEST}"


def outcome_key(job_id: str) -> str:
    """The key of the record of how a job ended."""
    return f"{job_prefix(job_id)}{OUTCOME}"


def stage_prefix(job_id: str, stage: str, token: str) -> str:
    """Where one attempt of one stage leaves its files."""
    return f"{job_prefix(job_id)}{stage}/{token}/"


def stage_key(job_id: str, stage: str, token: str, name: str) -> str:
    """The key of one file that an attempt of a stage left."""
    return f"{stage_prefix(job_id, stage, token)}{name}"


def tombstone_key(job_id: str) -> str:
    """The key of a deleted job's tombstone."""
    return f"{TOMBSTONES}/{job_id}.json"


def buried_job(key: str) -> str:
    """The id of the job whose tombstone has this key."""
    return key.removeprefix(f"{TOMBSTONES}/").removesuffix(".json")

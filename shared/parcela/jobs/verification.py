"""Whether what the store holds is what was written: every file against the SHA-256 that was stored with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath

from parcela.jobs.job_files import JobFiles, jobs_in, read_outcome, read_request
from parcela.jobs.keys import OUTCOME, REQUEST, SCAN, UPLOAD, job_prefix, request_key, scan_key
from parcela.record import BadRecord
from parcela.store.checksums import SUMS, DamagedFile, check_bytes, damaged, read_sums
from parcela.store.store import NotStored, Store


@dataclass(frozen=True)
class Verified:
    """One file: whose, which, and what is wrong with it.

    Attributes:
        job: the job's id.
        name: the file's below the job.
        fault: empty where nothing is.
        hashed: whether there was a hash to compare with; older releases left none.
    """

    job: str
    name: str
    fault: str = ""
    hashed: bool = True


def verify(store: Store) -> Iterator[Verified]:
    """Every file of every job. A job that is deleted meanwhile is left out.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    for job in jobs_in(store):
        if job.accepted:
            yield from _records(store, job)
            yield from _files(store, job)


def _records(store: Store, job: JobFiles) -> Iterator[Verified]:
    readers = {REQUEST: read_request} | ({OUTCOME: read_outcome} if job.ended else {})
    for name, reader in readers.items():
        try:
            reader(store, job.id)
            yield Verified(job.id, name)
        except BadRecord as error:
            yield Verified(job.id, name, str(error))
        except NotStored:
            return  # deleted while we looked


def _files(store: Store, job: JobFiles) -> Iterator[Verified]:
    hashes = _hashes(store, job)
    for name in sorted(hashes.keys() | {n for n in job.files if "/" in n or n == SCAN}):
        if PurePosixPath(name).name == SUMS:
            continue
        sha256 = hashes.get(name)
        try:
            with store.open(f"{job_prefix(job.id)}{name}") as stream:
                check_bytes(stream, sha256, name)
            yield Verified(job.id, name, hashed=sha256 is not None)
        except DamagedFile as error:
            yield Verified(job.id, name, str(error))
        except NotStored:
            if store.stat(request_key(job.id)) is not None:  # else it was deleted while we looked
                yield Verified(job.id, name, str(damaged(name)))


def _hashes(store: Store, job: JobFiles) -> dict[str, str]:
    """SHA-256 by the name below the job: of its scan, of its result, and of what other attempts have left so far."""
    hashes: dict[str, str] = {}
    winner = None
    with suppress(BadRecord, NotStored):  # told by `_records`
        request = read_request(store, job.id)
        if request.kept_sha256:
            name = scan_key(job.id, request.upload).removeprefix(job_prefix(job.id))
            hashes[name] = request.kept_sha256
        winner = read_outcome(store, job.id).token
    for attempt in job.attempts():
        folder = f"{attempt.stage}/{attempt.token}/"
        if attempt.stage == UPLOAD:
            continue
        sums = read_sums(store, f"{job_prefix(job.id)}{folder}")
        below = {f"{folder}{name}": sha256 for name, sha256 in sums.items()}
        whole = attempt.token == winner
        hashes |= {name: sha256 for name, sha256 in below.items() if whole or name in job.files}
    return hashes

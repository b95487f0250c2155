"""Every stored file is compared with its hash, on a folder and on S3, and what is damaged is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from command import parcela
from gateway_server import Gateway, serving
from parcela.jobs.job_files import read_request
from parcela.jobs.keys import job_prefix, outcome_key, request_key, scan_key
from parcela.jobs.reconciler import Reconciler
from parcela.jobs.verification import verify
from parcela.settings import Settings
from parcela.store.store import Store, read


@pytest.fixture
def gateway(either_store: Settings) -> Iterator[Gateway]:
    """One over a store of either kind."""
    with serving(either_store) as running:
        yield running


def faults(store: Store) -> list[tuple[str, str]]:
    return [(file.job, file.name.split("/")[-1]) for file in verify(store) if file.fault]


def ended(gateway: Gateway) -> str:
    """A job that is done, with its outcome written."""
    job_id = gateway.done()
    service = gateway.service
    Reconciler(gateway.ledger, gateway.store, service.doorbell, service.settings).run_once()
    assert gateway.store.stat(outcome_key(job_id))
    return job_id


def flip(store: Store, key: str) -> None:
    """Change the last bit of a file."""
    content = read(store, key)
    store.put(key, content[:-1] + bytes([content[-1] ^ 1]))


def test_given_jobs_when_verified_then_each_damaged_file_is_named_and_no_other(
    gateway: Gateway,
) -> None:
    store = gateway.store
    first, second, third = (ended(gateway) for _ in range(3))
    waiting = gateway.accepted()
    files = list(verify(store))
    assert {file.job for file in files} == {first, second, third, waiting}
    assert all(file.hashed or file.name.endswith(".json") for file in files)
    assert faults(store) == []

    flip(store, scan_key(waiting, read_request(store, waiting).upload))
    (dseg,) = (s.key for s in store.list(job_prefix(first)) if s.key.endswith("dseg.nii.gz"))
    flip(store, dseg)
    (table,) = (s.key for s in store.list(job_prefix(second)) if s.key.endswith("dseg.tsv"))
    store.delete(table)
    store.put(request_key(third), b'{"version": 2, "id')
    assert sorted(faults(store)) == sorted(
        [
            (waiting, "scan.nii.gz"),
            (first, "dseg.nii.gz"),
            (second, "dseg.tsv"),
            (third, "request.json"),
        ]
    )


def test_given_a_folder_when_the_command_verifies_it_then_it_names_them_and_leaves_with_3(
    redis_url: str, tmp_path: Path
) -> None:
    place = tmp_path / "store"
    with serving(Settings(redis=redis_url, store=str(place))) as gateway:
        job_id = ended(gateway)
        good = parcela("jobs", "verify", "--store", place)
        flip(gateway.store, scan_key(job_id, read_request(gateway.store, job_id).upload))
    assert (good.code, good.out) == (0, "")
    assert "of 1 jobs" in good.err
    assert "0 damaged" in good.err
    bad = parcela("jobs", "verify", "--data", tmp_path)
    assert bad.code == 3
    (line,) = bad.out.splitlines()
    assert line.split("\t")[0] == job_id
    assert "scan.nii.gz" in line
    nowhere = parcela("jobs", "verify", "--store", tmp_path / "none")
    assert (nowhere.code, (tmp_path / "none").exists()) == (2, False)

"""The commit mark: whoever creates it has the job, and who is told twice of the same upload is told the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from job_requests import job_request
from parcela.jobs.job_files import commit_request, read_request, unreadable_end
from parcela.jobs.keys import outcome_key, request_key
from parcela.jobs.records import new_id
from parcela.record import BadRecord
from parcela.store.folder import FolderStore


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def test_given_a_lost_answer_when_committed_again_then_the_job_is_still_ours(
    store: FolderStore,
) -> None:
    request = job_request()
    assert commit_request(store, request)
    assert commit_request(store, request)


def test_given_another_upload_that_was_quicker_when_committed_then_that_one_stands(
    store: FolderStore,
) -> None:
    first = job_request()
    second = first.model_copy(update={"upload": new_id()})
    assert commit_request(store, first)
    assert not commit_request(store, second)
    assert read_request(store, first.id) == first


@pytest.mark.parametrize("other", [b"", b"\xff\xfe", b'{"owner":"alice","kind":"label"'])
def test_given_one_record_that_is_damaged_then_the_other_tells_whose_job_it_was(
    store: FolderStore, other: bytes
) -> None:
    request = job_request("label", owner="alice")
    store.put(request_key(request.id), request.to_json().encode())
    store.put(outcome_key(request.id), other)
    outcome = unreadable_end(store, request.id, BadRecord("unreadable"))
    assert (outcome.owner, outcome.kind, outcome.state) == ("alice", "label", "failed")


def test_given_records_that_say_nothing_then_the_job_is_nobodys(store: FolderStore) -> None:
    job_id = new_id()
    store.put(request_key(job_id), b"\0" * 100)
    outcome = unreadable_end(store, job_id, BadRecord("unreadable"))
    assert (outcome.owner, outcome.kind) == ("", "predict")
    assert outcome.finished > 0

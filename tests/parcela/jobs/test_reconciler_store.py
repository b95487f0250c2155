"""The reconciler's look through the whole store: what was lost comes back, what is left over goes."""

from __future__ import annotations

import time

import pytest

from installation import DAY, HOUR, PREPROCESSED, Installation
from job_requests import job_request
from parcela.jobs.job_files import read_outcome
from parcela.jobs.keys import (
    outcome_key,
    request_key,
    scan_key,
    stage_key,
    tombstone_key,
)
from parcela.store.store import read


def test_given_a_job_committed_while_redis_was_away_then_it_is_found(here: Installation) -> None:
    request = here.accept(row=False)
    here.look()
    assert here.status(request) == "queued"


def test_given_a_scan_without_its_commit_mark_then_it_is_swept_after_an_hour(
    here: Installation,
) -> None:
    request = job_request()
    here.store.put(scan_key(request.id, request.upload), b"scan")
    here.look()
    assert here.files(request) == [f"upload/{request.upload}/scan.nii.gz"]
    here.age("jobs", HOUR + 60)
    here.look()
    assert here.files(request) == []
    assert here.status(request) is None


def test_given_what_a_late_worker_wrote_for_a_deleted_job_then_it_is_swept_at_once(
    here: Installation,
) -> None:
    request = here.accept()
    claim = here.claim()
    here.delete(request)
    here.work(claim)
    assert here.files(request)
    here.look()
    assert here.files(request) == []


def test_given_what_is_no_job_in_the_store_then_no_other_jobs_are_kept_waiting(
    here: Installation,
) -> None:
    odd = here.folder / "jobs" / "not an id" / "note.txt"
    odd.parent.mkdir(parents=True)
    odd.write_text("somebody's")
    here.age("jobs", HOUR + 60)
    late = here.accept()
    here.claim(lease_s=0.01)
    here.lose_memory()
    here.look()  # the ledger agrees with the store, but for what is odd
    assert here.status(late) == "queued"
    assert here.ledger.intact()
    claim = here.claim(lease_s=0.01)
    time.sleep(0.05)
    here.look()
    job = here.ledger.get(claim.job.id)
    assert job is not None
    assert job.waiting
    assert here.bell.bells("preprocess") > 0
    assert odd.exists()


def test_given_a_deletion_cut_short_then_it_is_finished(here: Installation) -> None:
    request = here.accept()
    here.store.put(tombstone_key(request.id), b"{}")
    here.look()
    assert here.files(request) == []
    assert here.status(request) is None


def test_given_a_commit_soon_after_the_deletion_whose_gateway_died_then_it_goes(
    here: Installation,
) -> None:
    """Of an upload that had begun before: no gateway accepts the id again for a day."""
    request = here.accept()
    here.delete(request)
    here.age("tombstones", HOUR)
    for row in (False, True):
        here.accept(request, row=row)
        here.look()
        assert here.files(request) == []
        assert here.status(request) is None


def test_given_a_tombstone_then_it_stands_for_a_day(here: Installation) -> None:
    request = here.accept()
    here.delete(request)
    here.age("tombstones", DAY - 60)
    here.look()
    assert here.store.stat(tombstone_key(request.id))
    here.age("tombstones", DAY + 60)
    here.look()
    assert here.store.stat(tombstone_key(request.id)) is None


def test_given_a_job_accepted_anew_under_an_old_tombstone_then_it_lives(here: Installation) -> None:
    request = here.accept()
    here.delete(request)
    here.age("tombstones", DAY - 60)
    here.accept(request)
    here.look()
    here.work(here.claim())
    here.work(here.claim("inference"))
    here.look()
    assert here.status(request) == "done"
    assert here.store.stat(outcome_key(request.id))


def test_given_a_finished_job_then_an_hour_later_its_result_alone_is_kept(
    here: Installation,
) -> None:
    request = here.accept()
    here.store.put(stage_key(request.id, "preprocess", "loser", "image.npy"), b"x")
    here.work(here.claim())
    last = here.claim("inference")
    here.store.put(stage_key(request.id, "inference", "loser", "dseg.nii.gz"), b"x")
    here.store.put(scan_key(request.id, "loser"), b"another upload")
    here.work(last)
    here.look()
    assert len(here.files(request)) == 3 + 3 + len(PREPROCESSED) + 2
    here.age(f"jobs/{request.id}", HOUR + 60)
    here.look()
    assert here.files(request) == [
        f"inference/{last.token}/dseg.nii.gz",
        f"inference/{last.token}/manifest.json",
        "outcome.json",
        "request.json",
        f"upload/{request.upload}/scan.nii.gz",
    ]


def test_given_an_old_finished_job_then_it_is_erased_after_the_retention_and_one_waiting_is_not(
    here: Installation,
) -> None:
    done, waiting = here.finish(), here.accept()
    here.age("jobs", 7 * DAY - 60)
    here.look()
    assert here.status(done) == "done"
    here.age("jobs", 7 * DAY + 60)
    here.look()
    assert here.files(done) == []
    assert here.status(done) is None
    assert here.status(waiting) == "queued"


def test_given_a_damaged_request_then_it_has_failed_and_goes_in_time_and_the_others_are_seen_to(
    here: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    damaged, whole = job_request(owner="alice"), job_request()
    here.store.put(request_key(damaged.id), damaged.to_json().encode()[:-20])
    here.accept(whole, row=False)
    here.look()
    assert here.status(whole) == "queued"
    assert here.files(damaged) == ["outcome.json", "request.json"]
    assert f"job {damaged.id}: unreadable jobrequest record" in caplog.text
    outcome = read_outcome(here.store, damaged.id)
    assert (outcome.state, outcome.owner) == ("failed", "alice")
    assert outcome.problem is not None
    assert outcome.problem.slug == "bad-record"
    assert [job.id for job in here.ledger.jobs("alice")] == [damaged.id]

    here.age(f"jobs/{damaged.id}", 7 * DAY + 60)
    here.look()
    assert here.files(damaged) == []
    assert here.status(damaged) is None


def test_given_an_outcome_of_a_later_release_then_the_job_has_failed_and_the_record_stays(
    here: Installation,
) -> None:
    request = here.finish()
    later = read(here.store, outcome_key(request.id)).replace(b'"version":1', b'"version":9')
    here.store.put(outcome_key(request.id), later)
    here.look()
    assert here.status(request) == "done"  # the ledger knows better
    here.lose_memory()
    here.look()
    assert here.status(request) == "failed"
    assert read(here.store, outcome_key(request.id)) == later
    here.age("jobs", 7 * DAY + 60)
    here.look()
    assert here.files(request) == []

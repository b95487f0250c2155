"""Jobs that are cancelled or forgotten, on a real Redis: there is one end, whatever arrives late."""

from __future__ import annotations

import threading

from job_requests import job_request
from ledger_moves import LEASE_S, claimed, finish, known
from parcela.jobs.ledger import Ledger


def test_given_a_running_job_when_cancelled_then_its_worker_has_lost_it(ledger: Ledger) -> None:
    request = job_request()
    ledger.add(request)
    claim = claimed(ledger)
    cancelled = ledger.cancel(request.id)
    assert cancelled is not None
    assert cancelled.status == "cancelled"
    assert ledger.renew(claim, LEASE_S, "bias", 0.2) == "lost"
    assert ledger.advance(claim, {}) == "lost"
    assert ledger.cancel(request.id) == cancelled
    assert sum(ledger.running().values()) == 0


def test_given_a_job_that_is_done_when_cancelled_then_it_stays_done(ledger: Ledger) -> None:
    ledger.add(job_request())
    job = finish(ledger)
    assert ledger.cancel(job.id) == job


def test_given_cancel_and_advance_at_once_then_there_is_one_end(redis_url: str) -> None:
    ledger = Ledger(redis_url)
    for _ in range(20):
        request = job_request("label")
        ledger.add(request)
        ledger.advance(claimed(ledger), {})
        last = claimed(ledger, "labelling")
        racers = [
            threading.Thread(target=Ledger(redis_url).advance, args=(last, {})),
            threading.Thread(target=Ledger(redis_url).cancel, args=(request.id,)),
        ]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join()
        ends = [t for t in ledger.log() if t.id == request.id and t.became in ("done", "cancelled")]
        assert [end.became for end in ends] == [known(ledger, request).status]


def test_given_a_forgotten_job_then_no_trace_of_it_is_left(ledger: Ledger, redis_url: str) -> None:
    request = job_request(owner="me")
    ledger.add(request)
    claim = claimed(ledger)
    ledger.forget(request.id)
    ledger.forget(request.id)
    assert ledger.get(request.id) is None
    assert ledger.cancel(request.id) is None
    assert ledger.jobs("me") == []
    assert ledger.ids() == []
    assert ledger.renew(claim, LEASE_S, "", 0) == "lost"
    assert ledger.advance(claim, {}) == "lost"
    assert ledger.expire() == []
    assert ledger.get(request.id) is None

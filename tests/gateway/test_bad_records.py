"""Records that nobody can read any more: their jobs have failed, and can be deleted by their owners."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway_server import Gateway
from parcela.jobs.keys import outcome_key, request_key, tombstone_key
from parcela.jobs.records import Outcome
from parcela.store.store import read
from redis_server import RedisServer

Start = Callable[..., Gateway]
ALICE, BOB = ({"X-API-Key": letter * 32} for letter in "ab")


def cut(record: bytes) -> bytes:
    return record[:-5]


def flipped(record: bytes) -> bytes:
    return record.replace(b'"kind"', b'"kinf"')


def of_a_later_release(record: bytes) -> bytes:
    return record.replace(b'"version":', b'"version":9')


def emptied(_: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("damage", [cut, flipped, of_a_later_release, emptied])
@pytest.mark.parametrize("ended", [False, True])
def test_given_a_damaged_record_and_a_new_ledger_then_the_job_has_failed_and_can_be_deleted(
    gateway: Gateway, damage: Callable[[bytes], bytes], ended: bool
) -> None:
    job_id = gateway.done() if ended else gateway.accepted()
    key = outcome_key(job_id) if ended else request_key(job_id)
    if ended:
        job = gateway.ledger.get(job_id)
        assert job is not None
        gateway.store.put(key, Outcome.of(job).to_json().encode())
    gateway.store.put(key, damage(read(gateway.store, key)))
    gateway.ledger.forget(job_id)

    job_document = gateway.http.get(f"/jobs/{job_id}").json()
    assert job_document["status"] == "failed"
    assert job_document["problem"]["type"] == "/docs#bad-record"
    assert "submit the scan again" in job_document["problem"]["detail"]
    assert gateway.http.get(f"/jobs/{job_id}/result").status_code == 409
    assert gateway.http.delete(f"/jobs/{job_id}").status_code == 204
    assert gateway.stored() == [tombstone_key(job_id)]
    assert gateway.http.get(f"/jobs/{job_id}").status_code == 410


def test_given_a_damaged_record_then_it_is_its_owners_alone(start: Start) -> None:
    gateway = start(api_keys="a" * 32 + "," + "b" * 32)
    job_id, nobodys = gateway.accepted(headers=ALICE), gateway.accepted(headers=ALICE)
    for damaged, damage in ((job_id, cut), (nobodys, emptied)):
        key = request_key(damaged)
        gateway.store.put(key, damage(read(gateway.store, key)))
        gateway.ledger.forget(damaged)

    for caller, statuses in ((BOB, (404, 404)), (ALICE, (200, 204))):
        assert gateway.http.get(f"/jobs/{job_id}", headers=caller).status_code == statuses[0]
        assert gateway.http.delete(f"/jobs/{job_id}", headers=caller).status_code == statuses[1]
        assert gateway.http.get(f"/jobs/{nobodys}", headers=caller).status_code == 404


def test_given_a_damaged_record_when_its_key_comes_again_then_it_is_that_job(
    gateway: Gateway,
) -> None:
    key = {"Idempotency-Key": "visit 7"}
    job_id = gateway.accepted(headers=key)
    gateway.store.put(request_key(job_id), b"{")
    gateway.ledger.forget(job_id)
    response = gateway.submit(headers=key)
    assert (response.status_code, response.json()["id"]) == (202, job_id)
    assert response.json()["problem"]["type"] == "/docs#bad-record"


@pytest.mark.parametrize(
    ("field", "value"), [("status", "dreaming"), ("created", ""), ("kind", "x")]
)
def test_given_a_damaged_row_then_the_store_tells_of_the_job_and_the_others_are_listed(
    gateway: Gateway, shared_redis: RedisServer, field: str, value: str
) -> None:
    odd, other = gateway.accepted(), gateway.accepted()
    with shared_redis.client as redis:
        redis.hset(f"parcela:job:{odd}", field, value)
    assert gateway.http.get(f"/jobs/{odd}").json()["status"] == "queued"
    assert [job["id"] for job in gateway.http.get("/jobs").json()["jobs"]] == [other]
    assert gateway.http.delete(f"/jobs/{odd}").status_code == 204
    assert gateway.http.get(f"/jobs/{odd}").status_code == 410

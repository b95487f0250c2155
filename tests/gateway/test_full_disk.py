"""A disk that is full, or takes no writes: refused with the cause, nothing lost, and a deletion makes room."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from gateway_server import SCAN, Gateway, claim_any, serving, work_once
from parcela.jobs.keys import job_prefix, stage_key, tombstone_key
from parcela.settings import Settings
from parcela.store.store import StoreUnavailable
from processes import wait_until
from redis_server import RedisServer, own_redis
from slow_client import END, SlowClient
from small_disk import SmallDisk, small_disk

__all__ = ["own_redis", "small_disk"]

Start = Callable[..., Gateway]


@pytest.fixture
def on_disk(start: Start, small_disk: SmallDisk) -> Gateway:
    """A gateway whose store lies on a small disk; its Redis does not."""
    return start(store=str(small_disk.folder / "store"), min_free_mb=0)


def refused(gateway: Gateway, method: str, path: str, cause: str) -> None:
    """A request is answered with 503 and the cause, in a problem document."""
    response = gateway.http.request(method, path)
    assert (response.status_code, response.headers["content-type"]) == (
        503,
        "application/problem+json",
    ), response.text
    assert cause in response.json()["detail"]
    assert int(response.headers["retry-after"]) > 0


def test_given_a_full_disk_when_submitted_and_deleted_then_it_says_so_and_room_is_made(
    on_disk: Gateway, small_disk: SmallDisk
) -> None:
    deleted, other = on_disk.accepted(), on_disk.accepted()
    small_disk.fill()

    response = on_disk.submit()
    assert (response.status_code, response.json()["type"]) == (503, "/docs#store-unavailable")
    assert "No space left on device" in response.json()["detail"]
    refused(on_disk, "GET", "/readyz", "store: ")
    assert on_disk.http.get(f"/jobs/{other}").json()["status"] == "queued"

    assert on_disk.http.delete(f"/jobs/{deleted}").status_code == 204
    assert on_disk.http.get(f"/jobs/{deleted}").status_code == 410
    assert list(on_disk.store.list(job_prefix(deleted))) == []
    assert on_disk.store.stat(tombstone_key(deleted)) is not None

    small_disk.free()
    assert on_disk.accepted()
    while work_once(on_disk.ledger, on_disk.store) is not None:
        pass
    assert on_disk.http.get(f"/jobs/{other}").json()["status"] == "done"


def test_given_less_room_than_shall_stay_then_nothing_is_taken_in_and_deletion_goes_on(
    start: Start, small_disk: SmallDisk
) -> None:
    gateway = start(store=str(small_disk.folder / "store"), min_free_mb=1)
    job_id = gateway.accepted()
    (small_disk.folder / "others").write_bytes(bytes(3_500_000))

    response = gateway.submit()
    assert (response.status_code, response.json()["type"]) == (503, "/docs#store-unavailable")
    assert "PARCELA_MIN_FREE_MB" in response.json()["detail"]
    refused(gateway, "GET", "/readyz", "1 MB stay free")
    assert gateway.http.delete(f"/jobs/{job_id}").status_code == 204

    (small_disk.folder / "others").unlink()
    assert gateway.accepted()


def test_given_a_disk_that_is_read_only_then_everything_that_writes_says_so_and_is_done_later(
    on_disk: Gateway, small_disk: SmallDisk
) -> None:
    job_id = on_disk.accepted()
    small_disk.remount("ro")

    assert on_disk.submit().status_code == 503
    refused(on_disk, "GET", "/readyz", "Read-only file system")
    refused(on_disk, "DELETE", f"/jobs/{job_id}", "Read-only file system")
    assert on_disk.http.get(f"/jobs/{job_id}").status_code == 200

    small_disk.remount("rw")
    assert on_disk.http.delete(f"/jobs/{job_id}").status_code == 204
    assert on_disk.stored() == [tombstone_key(job_id)]


@pytest.fixture
def crowded(small_disk: SmallDisk, own_redis: RedisServer) -> Iterator[Gateway]:
    """Store and Redis on one small disk, as `parcela serve` has them."""
    own_redis.stop()
    (small_disk.folder / "redis").mkdir()
    own_redis.folder = small_disk.folder / "redis"
    own_redis.start()
    with serving(
        Settings(redis=own_redis.url, store=str(small_disk.folder / "store"), min_free_mb=0)
    ) as gateway:
        yield gateway


@pytest.mark.slow  # Redis finds out by and by that its disk is full, and that it is not
def test_given_store_and_redis_on_one_full_disk_when_deleted_then_there_is_room_for_both(
    crowded: Gateway, small_disk: SmallDisk
) -> None:
    deleted, other = crowded.accepted(), crowded.accepted()
    small_disk.fill()
    wait_until(lambda: "MISCONF" in crowded.http.get("/readyz").json()["detail"])
    refused(crowded, "GET", "/readyz", "store: ")

    crowded.http.delete(f"/jobs/{deleted}")
    assert list(crowded.store.list(job_prefix(deleted))) == []
    wait_until(lambda: crowded.http.delete(f"/jobs/{deleted}").status_code == 204)
    assert crowded.http.get(f"/jobs/{deleted}").status_code == 410

    small_disk.free()
    wait_until(lambda: work_once(crowded.ledger, crowded.store) is None)
    assert crowded.http.get(f"/jobs/{other}").json()["status"] == "done"


def test_given_a_redis_without_its_replicas_then_writes_are_refused_with_the_cause_and_none_is_lost(
    own_redis: RedisServer, start: Start
) -> None:
    gateway = start(redis=own_redis.url)
    deleted = gateway.accepted()
    own_redis.client.config_set("min-replicas-to-write", 1)

    refused(gateway, "GET", "/readyz", "NOREPLICAS")
    refused(gateway, "DELETE", f"/jobs/{deleted}", "NOREPLICAS")
    assert list(gateway.store.list(job_prefix(deleted))) == []  # the scan is gone all the same
    committed = gateway.accepted(SCAN)  # the reconciler finds it

    own_redis.client.config_set("min-replicas-to-write", 0)
    assert gateway.http.delete(f"/jobs/{deleted}").status_code == 204
    assert gateway.http.get(f"/jobs/{deleted}").status_code == 410
    assert gateway.http.get(f"/jobs/{committed}").json()["status"] == "queued"


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["upload", "stage", "deletion"])
def test_given_a_disk_that_fills_up_three_times_then_nothing_is_lost_and_it_recovers_by_itself(
    on_disk: Gateway, small_disk: SmallDisk, moment: str
) -> None:
    alive = {on_disk.accepted() for _ in range(3)}
    deleted = {on_disk.accepted() for _ in range(3)}
    for job_id in sorted(deleted):
        if moment == "upload":
            with SlowClient(on_disk.url) as late:
                late.upload(len(SCAN), SCAN[:-100])
                small_disk.fill()
                answer = late.send(SCAN[-100:], END).answer()
            assert (answer.status, answer.slug) == (503, "store-unavailable")
        elif moment == "stage":
            small_disk.fill()
            claim = claim_any(on_disk.ledger)
            assert claim is not None
            with pytest.raises(StoreUnavailable):
                on_disk.store.put(
                    stage_key(claim.job.id, claim.stage, claim.token, "x"), b"x" * 9999
                )
            assert on_disk.ledger.release(claim) == "waiting"
        else:
            small_disk.fill()
        wait_until(lambda: "store: " in on_disk.http.get("/readyz").json()["detail"])
        assert on_disk.submit().status_code == 503
        assert on_disk.http.delete(f"/jobs/{job_id}").status_code == 204
        assert list(on_disk.store.list(job_prefix(job_id))) == []
        assert {on_disk.http.get(f"/jobs/{other}").status_code for other in alive} == {200}
        small_disk.free()
        alive.add(on_disk.accepted())
        wait_until(lambda: "store: " not in on_disk.http.get("/readyz").json()["detail"])
    while work_once(on_disk.ledger, on_disk.store) is not None:
        pass
    assert {on_disk.http.get(f"/jobs/{j}").json()["status"] for j in alive} == {"done"}
    assert {on_disk.http.get(f"/jobs/{j}").status_code for j in deleted} == {410}

"""One id is one scan, and a deleted job stays deleted: uploads under one key that are cut, late and at once."""

from __future__ import annotations

import gzip
import hashlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway_server import SCAN, Gateway, serving
from nifti_files import image, nifti
from parcela.jobs.job_files import erase_job, read_request
from parcela.jobs.keys import job_prefix, tombstone_key
from parcela.settings import Settings
from parcela.store.store import read
from patience import patient
from s3_server import s3_server, store_settings

OTHER = gzip.compress(nifti(image()[::-1]), 1, mtime=0)
MOMENT_S = 0.03  # in which a gateway takes in what was sent
END = b"\r\n--x--\r\n"
Round = Callable[[list[Gateway], str], None]


class SlowUpload:
    """A scan of which the first half is sent; the rest comes when it is told to."""

    def __init__(self, gateway: Gateway, key: str, scan: bytes) -> None:
        self._rest = scan[len(scan) // 2 :] + END
        form = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
        host, port = gateway.url.removeprefix("http://").split(":")
        head = (
            f"POST /predict/ HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\nIdempotency-Key: {key}\r\n"
            f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(form + scan + END)}\r\n\r\n"
        )
        self._socket = socket.create_connection((host, int(port)), timeout=patient(30))
        self._socket.sendall(head.encode() + form + scan[: len(scan) // 2])
        time.sleep(MOMENT_S)

    def cut(self) -> None:
        """Go away in the midst of it."""
        self._socket.close()
        time.sleep(MOMENT_S)

    def finish(self) -> int:
        """Send the rest; the status of the answer."""
        with self._socket as connection:
            connection.sendall(self._rest)
            return int(connection.makefile("rb").readline().split()[1])


def finished(*uploads: SlowUpload) -> list[int]:
    """All of them, at once: their statuses."""
    with ThreadPoolExecutor(len(uploads)) as threads:
        return list(threads.map(SlowUpload.finish, uploads))


def mixed(gateways: list[Gateway], key: str) -> None:
    """One upload is cut while a second waits and a third comes with another scan: one of the two is the job's."""
    first = SlowUpload(gateways[0], key, SCAN)
    second = SlowUpload(gateways[-1], key, SCAN)
    first.cut()
    third = SlowUpload(gateways[0], key, OTHER)

    statuses = finished(second, third)

    assert sorted(statuses) == [202, 422]
    won = SCAN if statuses[0] == 202 else OTHER
    (job,) = (j for j in gateways[0].ledger.jobs("local", 1))
    assert read_request(gateways[0].store, job.id).sha256 == hashlib.sha256(won).hexdigest()
    (kept,) = (s.key for s in gateways[0].store.list(job_prefix(job.id)) if "scan" in s.key)
    assert gzip.decompress(read(gateways[0].store, kept)) == gzip.decompress(won)


def brought_back(gateways: list[Gateway], key: str) -> None:
    """A job is deleted while another upload under its key is under way: it stays deleted."""
    first = SlowUpload(gateways[0], key, SCAN)
    late = SlowUpload(gateways[-1], key, SCAN)
    first.cut()
    job_id = gateways[0].accepted(headers={"Idempotency-Key": key})
    assert gateways[0].http.delete(f"/jobs/{job_id}").status_code == 204

    assert late.finish() == 410

    for gateway in gateways:
        assert gateway.http.get(f"/jobs/{job_id}").status_code == 410
    assert list(gateways[0].store.list(job_prefix(job_id))) == []
    assert gateways[0].store.stat(tombstone_key(job_id)) is not None


@pytest.fixture(params=["folder", "s3"])
def settings(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> Iterator[Settings]:
    """Those of an installation with a store of either kind."""
    if request.param == "folder":
        yield Settings(redis=redis_url, store=str(tmp_path / "store"))
        return
    with s3_server() as address:
        yield store_settings(address).model_copy(update={"redis": redis_url})


def play(settings: Settings, count: int, scene: Round, rounds: int) -> None:
    """So many rounds of a scene, on so many gateways of one installation."""
    with ExitStack() as stack:
        gateways = [stack.enter_context(serving(settings)) for _ in range(count)]
        for number in range(rounds):
            scene(gateways, f"visit {number}")


@pytest.mark.parametrize("scene", [mixed, brought_back])
@pytest.mark.parametrize("gateways", [1, 2])
def test_given_uploads_under_one_key_then_one_scan_is_the_job_and_a_deleted_one_stays_deleted(
    settings: Settings, gateways: int, scene: Round
) -> None:
    play(settings, gateways, scene, rounds=1)


@pytest.mark.slow
@pytest.mark.parametrize("scene", [mixed, brought_back])
@pytest.mark.parametrize("gateways", [1, 2])
def test_given_fifty_rounds_then_no_scans_are_mixed_and_no_job_is_back(
    settings: Settings, gateways: int, scene: Round
) -> None:
    play(settings, gateways, scene, rounds=50)


def test_given_many_scans_at_once_under_one_key_then_one_is_taken_and_the_others_are_refused(
    gateway: Gateway,
) -> None:
    scans = [gzip.compress(nifti(image() + n), 1, mtime=0) for n in range(8)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(
            threads.map(lambda scan: gateway.submit(scan, headers={"Idempotency-Key": "a"}), scans)
        )
    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [202] + [422] * 7
    assert {a.json()["type"] for a in answers if a.status_code == 422} == {
        "/docs#idempotency-key-reused"
    }
    assert len(gateway.stored()) == 2


@pytest.mark.parametrize("moment", ["commit", "row"])
def test_given_a_deletion_at_the_moment_of_the_commit_then_the_job_is_gone_all_the_same(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """A deletion that is over before our request stands, and one that is over before our row does."""
    service = gateway.service
    place, name = (service.store, "create") if moment == "commit" else (service.ledger, "add")
    real = getattr(place, name)

    def deleted_before(*arguments: object) -> object:
        erase_job(service.ledger, service.store, json_id(arguments), "local")
        return real(*arguments)

    monkeypatch.setattr(place, name, deleted_before)
    response = gateway.submit(headers={"Idempotency-Key": "visit 7"})
    assert (response.status_code, response.json()["type"]) == (410, "/docs#job-deleted")
    (stone,) = gateway.stored()
    job_id = stone.removeprefix("tombstones/").removesuffix(".json")
    assert gateway.ledger.get(job_id) is None
    assert gateway.http.get(f"/jobs/{job_id}").status_code == 410


def json_id(arguments: tuple[object, ...]) -> str:
    """The job that a call is about: ``create(key, content)`` or ``add(request)``."""
    if len(arguments) == 2 and isinstance(arguments[1], bytes):
        return str(json.loads(arguments[1])["id"])
    return str(arguments[0].id)  # type: ignore[attr-defined]

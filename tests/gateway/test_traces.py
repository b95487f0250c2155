"""A patient's name is nowhere, whatever brings it; of a scan that was deleted, or is past its time, nothing is."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway_server import Gateway, GatewayProcess, gateway_process, serving, work_once
from nifti_files import CLASSES, nifti
from parcela.imaging.header import IDENTIFYING, USELESS
from parcela.jobs.keys import tombstone_key
from parcela.jobs.ledger import Ledger
from parcela.jobs.reconciler import Reconciler
from parcela.settings import Settings
from parcela.store.folder import FolderStore
from redis_server import RedisServer, own_redis

__all__ = ["own_redis"]

CANARY = b"JaneDoe!"
VOXELS = np.random.default_rng(7).integers(-(2**15), 2**15, (16, 16, 16)).astype("int16")
DAY_S = 86400.0
# What places the voxels, says how they are stored, or which file it is: it passes byte for byte.
KEPT = {
    *(
        "sizeof_hdr",
        "magic",
        "eol_check",
        "regular",
        "dim_info",
        "dim",
        "pixdim",
        "datatype",
        "bitpix",
    ),
    *("vox_offset", "scl_slope", "scl_inter", "xyzt_units", "qform_code", "sform_code"),
    *("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
    *("srow_x", "srow_y", "srow_z"),
}


def with_canaries(version: int) -> bytes:
    """A scan with the canary in every field of its header that is not kept, in an extension, behind the voxels."""
    scan = nifti(VOXELS, version=version, vox_offset={1: 352, 2: 544}[version] + 32)
    size = {1: 348, 2: 540}[version]
    for kind, place, *_ in fields(version).values():
        canary = (CANARY * 10)[: kind.itemsize]
        scan = scan[:place] + canary + scan[place + kind.itemsize :]
    extension = (32).to_bytes(4, "little") + (6).to_bytes(4, "little") + (CANARY * 3)
    return scan[:size] + b"\1\0\0\0" + extension + scan[size + 4 :] + CANARY * 9


def fields(version: int) -> dict[str, Any]:
    layout = CLASSES[version]().structarr.dtype.fields
    return {name: place for name, place in layout.items() if name not in KEPT}


def packed(scan: bytes) -> bytes:
    """With the canary as the file's name in gzip's own header."""
    file = io.BytesIO()
    with gzip.GzipFile(CANARY.decode(), "wb", fileobj=file) as stream:
        stream.write(scan)
    return file.getvalue()


def everything(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below a folder, as it is and unpacked."""
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            yield path, content
            if content[:2] == b"\x1f\x8b":
                yield path, zlib.decompressobj(31).decompress(content)


def holding(folder: Path, *needles: bytes) -> list[str]:
    """The files in which one of these is."""
    return [path.name for path, content in everything(folder) if any(n in content for n in needles)]


def pieces(text: bytes) -> list[bytes]:
    """The text, and every piece of it that fits into a number of four bytes."""
    return [text, *(text[i : i + 4] for i in range(len(text) - 3))]


@pytest.mark.parametrize("version", [1, 2])
def test_given_each_field_of_the_header_then_it_is_needed_or_erased(version: int) -> None:
    assert set(fields(version)) <= {*IDENTIFYING, *USELESS}


@pytest.fixture
def place(own_redis: RedisServer, tmp_path: Path) -> Iterator[tuple[GatewayProcess, Path]]:
    """A gateway as it is run; its store, temporary files, logs and Redis's files lie below one folder."""
    (tmp_path / "tmp").mkdir()
    own_redis.stop()
    (tmp_path / "redis").mkdir()
    own_redis.folder = tmp_path / "redis"
    own_redis.start()
    logs = {"PARCELA_AUDIT_LOG": str(tmp_path / "audit.log"), "PARCELA_AUDIT_ADDRESSES": "true"}
    with gateway_process(
        own_redis.url, tmp_path / "store", TMPDIR=str(tmp_path / "tmp"), **logs
    ) as process:
        yield process, tmp_path


def test_given_a_name_in_every_place_when_submitted_and_deleted_then_nothing_is_left(
    place: tuple[GatewayProcess, Path], own_redis: RedisServer
) -> None:
    process, folder = place
    name = CANARY.decode()
    headers = {"User-Agent": name, "X-Patient": name, "Idempotency-Key": name, "Referer": name}
    jobs = []
    for version in (1, 2):
        files = {"file": (f"{name}.nii.gz", packed(with_canaries(version)))}
        answer = process.http.post(
            "/predict/", files=files, headers=headers | {"Idempotency-Key": f"{name} {version}"}
        )
        assert answer.status_code == 202, answer.text
        jobs.append(answer.json()["id"])
        process.http.post(f"/predict/?model={name}", files=files, headers=headers)
        process.http.post("/predict/", files={"file": (name, CANARY * 99)}, headers=headers)
        process.http.post("/predict/", files={name: (name, CANARY)}, headers=headers)
        process.http.get(f"/jobs/{jobs[-1]}/files/{name}?{name}", headers=headers)
    ledger, store = Ledger(own_redis.url), FolderStore(folder / "store")
    while work_once(ledger, store) is not None:
        pass
    assert holding(folder, VOXELS.tobytes(order="F")) == ["scan.nii.gz"] * 2
    assert holding(folder, *pieces(CANARY)) == []

    for job_id in jobs:
        assert process.http.delete(f"/jobs/{job_id}").status_code == 204
    assert holding(folder, VOXELS.tobytes(order="F")[:64], VOXELS.tobytes(order="F")[-64:]) == []
    assert sorted(stored.key for stored in store.list("jobs")) == []
    assert sorted(stored.key for stored in store.list("tombstones")) == sorted(
        map(tombstone_key, jobs)
    )
    assert list((folder / "store" / ".parts").iterdir()) == []
    assert list((folder / "tmp").iterdir()) == []


def test_given_a_clock_when_the_retention_is_over_then_the_job_is_gone_and_not_before(
    redis_url: str, tmp_path: Path
) -> None:
    settings = Settings(redis=redis_url, store=str(tmp_path / "store"), retention_days=3)
    with serving(settings) as gateway:
        ended, waiting = gateway.done(), gateway.accepted()
        later_s = 0.0
        service = gateway.service
        reconciler = Reconciler(
            service.ledger,
            service.store,
            service.doorbell,
            settings,
            lambda: clock(gateway) + later_s,
        )
        reconciler.run_once()
        assert json.loads(gateway.http.get("/jobs").text)["jobs"]

        later_s = 2.9 * DAY_S
        reconciler.compare(recovering=False)
        assert gateway.http.get(f"/jobs/{ended}/result").status_code == 200

        later_s = 3.1 * DAY_S
        reconciler.compare(recovering=False)
        assert gateway.http.get(f"/jobs/{ended}").status_code == 404
        assert [job["id"] for job in gateway.http.get("/jobs").json()["jobs"]] == [waiting]
        assert not any(ended in key for key in gateway.stored())
        assert gateway.http.get(f"/jobs/{waiting}").json()["status"] == "queued"

        assert gateway.http.delete(f"/jobs/{waiting}").status_code == 204
        later_s = 1.1 * DAY_S
        reconciler.compare(recovering=False)
        assert gateway.stored() == []  # the tombstone has had its day


def clock(gateway: Gateway) -> float:
    """Now, as the store's files tell it."""
    return gateway.store.put("health/clock", b"").modified

"""An upload's size is the disk's concern, not the memory's."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gateway_server import SCAN, gateway_process
from nifti_files import nifti
from parcela.jobs.keys import request_key
from parcela.jobs.records import JobRequest
from parcela.store.folder import FolderStore
from s3_server import s3_server, store_settings

MIB = 1024**2
MOST_MIB = 64
HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'


class LargeScan:
    """A scan of noise that is made while it is sent; ``planes`` of 1 MiB."""

    def __init__(self, planes: int) -> None:
        self.planes = planes
        noise = np.random.default_rng(0).integers(0, 2**15, (512, 1024, 1), np.int16)
        self._plane = noise.tobytes()
        self._header = nifti(np.zeros((512, 1024, 2), np.int16), affine=np.eye(4), dim=(3, planes))[
            :352
        ]

    def __iter__(self) -> Iterator[bytes]:
        yield self._header
        for _ in range(self.planes):
            yield self._plane

    @property
    def sha256(self) -> str:
        digest = hashlib.sha256()
        for part in self:
            digest.update(part)
        return digest.hexdigest()

    def form(self) -> Iterator[bytes]:
        yield HEAD
        yield from self
        yield b"\r\n--x--\r\n"


def memory_mib(pid: int, field: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"{field}:\s+(\d+) kB", status)
    assert found is not None
    return int(found.group(1)) / 1024


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="asks Linux for the peak")
@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_given_an_upload_of_256_mb_when_kept_then_memory_stays_flat(
    redis_url: str, tmp_path: Path, kind: str
) -> None:
    scan = LargeScan(256)
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    with s3_server() as address:
        store = store_settings(address)
        s3 = {
            "PARCELA_STORE": store.store or "",
            "PARCELA_STORE_ACCESS_KEY": store.store_access_key,
            "PARCELA_STORE_SECRET_KEY": store.store_secret_key,
        }
        with gateway_process(redis_url, tmp_path / "store", **(s3 if kind == "s3" else {})) as run:
            run.http.post("/predict/", files={"file": SCAN})
            before = memory_mib(run.pid, "VmRSS")
            Path(f"/proc/{run.pid}/clear_refs").write_text("5")  # the peak begins anew
            response = run.http.post("/predict/", content=scan.form(), headers=headers)
            peak = memory_mib(run.pid, "VmHWM")
            assert response.status_code == 202, response.text
    assert peak - before < MOST_MIB
    if kind == "folder":
        with FolderStore(tmp_path / "store").open(request_key(response.json()["id"])) as file:
            request = JobRequest.from_json(file.read())
        assert request.sha256 == scan.sha256

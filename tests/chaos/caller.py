"""A caller who does not give up: submits to whichever gateway answers, under one key, until the job is accepted."""

from __future__ import annotations

import gzip
import io
import random
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx2
import numpy as np

from nifti_files import nifti
from parcela_gateway.upload.scrub import scrubbed

PATIENCE_S = 300.0
PAUSE_S = 0.3
RIVALS = 0.1  # of all jobs: another scan comes under the same key at the same moment


@dataclass(frozen=True)
class Accepted:
    """A job, and the scan that is stored for it."""

    id: str
    scan: bytes


class Caller:
    """Speaks to gateways that may die, hang or refuse.

    Args:
        urls: where they answer.
        size: bytes of a scan.
    """

    def __init__(self, urls: Sequence[str], size: int) -> None:
        self._urls, self._size = urls, size
        self._http = httpx2.Client(timeout=20)

    def submit(self, chance: random.Random) -> list[Accepted]:
        """A job that was accepted; now and then after a rival scan, or the same one twice, under the same key."""
        key, scan = secrets.token_hex(8), self._scan(chance)
        if chance.random() > RIVALS:
            return self._taken(key, [scan])
        return self._taken(key, [scan, self._scan(chance) if chance.random() < 0.5 else scan])

    def delete(self, job_id: str) -> None:
        """Until the gateway says that it is done."""
        self._asked("DELETE", f"/jobs/{job_id}", {204, 404, 410})

    def close(self) -> None:
        self._http.close()

    def _scan(self, chance: random.Random) -> bytes:
        side = max(4, round((self._size / 2) ** (1 / 3)))
        voxels = np.frombuffer(chance.randbytes(2 * side**3), np.int16).reshape((side,) * 3)
        return gzip.compress(nifti(voxels), 1, mtime=0)

    def _taken(self, key: str, scans: list[bytes]) -> list[Accepted]:
        """Which of the scans is the job's; never two."""
        with ThreadPoolExecutor(len(scans)) as threads:
            answers = list(threads.map(lambda scan: self._send(key, scan), scans))
        taken = {
            Accepted(str(answer.json()["id"]), kept(scan))
            for answer, scan in zip(answers, scans, strict=True)
            if answer.status_code == 202
        }
        assert len(taken) <= 1, f"two scans were accepted under one key: {taken}"
        assert taken, "neither scan was accepted under one key"
        return list(taken)

    def _send(self, key: str, scan: bytes) -> httpx2.Response:
        return self._asked(
            "POST", "/predict/", {202, 422}, files={"file": scan}, headers={"Idempotency-Key": key}
        )

    def _asked(self, method: str, path: str, good: set[int], **given: object) -> httpx2.Response:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                url = random.choice(self._urls) + path
                answer = self._http.request(method, url, **given)  # type: ignore[arg-type]
                if answer.status_code in good:
                    return answer
                said = f"{answer.status_code} {answer.text[:200]}"
            except httpx2.HTTPError as error:
                said = repr(error)
            assert time.monotonic() < deadline, f"{method} {path}: {said}"
            time.sleep(PAUSE_S)


def kept(scan: bytes) -> bytes:
    """What the gateway stores of a scan."""
    return b"".join(scrubbed(io.BufferedReader(io.BytesIO(scan)), 512**3, 2**31))

"""The service from Python: submit a scan, wait, fetch what came of it.

    with parcela.Client("http://127.0.0.1:8000") as client:
        job = client.submit("scan.nii.gz", model="both")
        job = client.wait(job, on_progress=lambda job: print(job.status, job.progress))
        client.bundle(job, "out/", name="scan")

Whatever is safe to repeat is repeated while the server cannot be reached or is too busy: a submission carries an
``Idempotency-Key``, so that one whose answer was lost is the same job the second time.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
import secrets
import socket
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TypeVar

import httpx2

from parcela.bundle.write import FIXED_NAMES
from parcela.dicom.archive import is_dicom
from parcela.dicom.conversion import packing
from parcela.errors import BadRequest, BadScan, LimitExceeded, StepFailed
from parcela.files import atomic_file
from parcela.imaging.volume import reading_file
from parcela.options import (
    LabelOptions,
    ModelChoice,
    Options,
    PredictOptions,
    Preset,
    SkullStrip,
    Space,
    choosing,
)
from parcela.store.checksums import DamagedFile
from parcela_cli.client.received_bundle import unpack
from parcela_cli.client.remote_job import RemoteJob, RemoteModel, list_of, read_job, refusal
from parcela_cli.client.retry import Patience

SERVER = "http://127.0.0.1:8000"
API_KEY = "PARCELA_API_KEY"
GZIP_MAGIC = b"\x1f\x8b"
BUSY = (429, 502, 503)
POLL_S = 1.0
CHUNK = 1024**2

OnProgress = Callable[[RemoteJob], None]
T = TypeVar("T")


class Client:
    """One server, and one caller's key to it. Close it, or use it in a ``with``; threads may share it."""

    def __init__(
        self,
        server: str = SERVER,
        *,
        key: str | None = None,
        timeout_s: float = 60.0,
        patience_s: float = 120.0,
    ) -> None:
        """A client that sends nothing yet.

        Args:
            server: its address, such as ``http://127.0.0.1:8000``.
            key: the API key; the environment's ``PARCELA_API_KEY`` unless given.
            timeout_s: the longest that one connection may stay silent.
            patience_s: how long to go on trying while the server is away or too busy. One that has not answered yet,
                and whose address may be wrong, gets a few seconds.

        Raises:
            BadRequest: the address is not one of HTTP.
        """
        url = httpx2.URL(server)
        if url.scheme not in ("http", "https") or not url.host:
            raise BadRequest(f"{server!r} is not a server's address: give one such as {SERVER}")
        key = key or os.environ.get(API_KEY)
        self.server = str(url).rstrip("/")
        self._patience = Patience(self.server, patience_s)
        self._http = httpx2.Client(
            base_url=self.server,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=timeout_s,
            mounts={"http://": None, "https://": None} if is_loopback(url.host) else {},
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    # ------------------------------------------------------------------------------------------------ submitting

    def submit(
        self,
        scan: str | Path,
        *,
        model: ModelChoice = "unet",
        preprocess: bool = True,
        skull_strip: SkullStrip = "auto",
        fast: bool = False,
        space: Space = "native",
        tissues: bool = False,
        standard_space: bool = False,
        probabilities: bool = False,
        exact: bool = False,
        idempotency_key: str | None = None,
    ) -> RemoteJob:
        """Send one scan to be parcellated; the options are those of ``parcela.predict``.

        Args:
            scan: a NIfTI file, or a DICOM series (a folder, or a zip of one). Its name stays here.
            idempotency_key: the same key with the same scan and options is the same job, whoever asks first.

        Raises:
            BadScan, BadRequest: refused; the message says what to do.
            Unavailable: the server cannot be reached, or stayed too busy.
        """
        with choosing():
            options = PredictOptions(
                model=model,
                preprocess=preprocess,
                skull_strip=skull_strip,
                fast=fast,
                space=space,
                tissues=tissues,
                standard_space=standard_space,
                probabilities=probabilities,
                exact=exact,
            )
        return self._submit("/predict/", Path(scan), options, idempotency_key)

    def label(
        self,
        scan: str | Path,
        *,
        preset: Preset = "modern",
        preprocess: bool = True,
        skull_strip: SkullStrip = "auto",
        fast: bool = False,
        tissues: bool = False,
        idempotency_key: str | None = None,
    ) -> RemoteJob:
        """Send one scan to be labelled by registration of the atlas; raises as ``submit`` does."""
        with choosing():
            options = LabelOptions(
                preset=preset,
                preprocess=preprocess,
                skull_strip=skull_strip,
                fast=fast,
                tissues=tissues,
            )
        return self._submit("/label/", Path(scan), options, idempotency_key)

    def _submit(self, path: str, scan: Path, options: Options, key: str | None) -> RemoteJob:
        query = options.model_dump(by_alias=True)
        # One key for every attempt of this call: the server makes one job of them.
        headers = {"Idempotency-Key": key or secrets.token_hex(16)}

        def send() -> RemoteJob:
            with _opened(scan) as file:
                upload = {"file": ("scan", file, "application/octet-stream")}
                return self._once(
                    "POST", path, read_job, params=query, files=upload, headers=headers
                )

        return self._patience.retrying(send)

    # --------------------------------------------------------------------------------------------------- looking

    def job(self, job: RemoteJob | str) -> RemoteJob:
        """Ask the server how a job stands now.

        Raises:
            BadRequest: there is no such job, or it was deleted.
        """
        return self._ask("GET", f"/jobs/{_id(job)}", read_job)

    def jobs(self, limit: int = 100) -> list[RemoteJob]:
        """The caller's jobs that the server still knows, newest first, at most ``limit`` (1000) of them."""
        return self._ask("GET", "/jobs", list_of("jobs", RemoteJob), params={"limit": limit})

    def models(self) -> list[RemoteModel]:
        """The networks that the server has."""
        return self._ask("GET", "/models", list_of("models", RemoteModel))

    def wait(
        self,
        job: RemoteJob | str,
        *,
        on_progress: OnProgress | None = None,
        timeout_s: float | None = None,
    ) -> RemoteJob:
        """Wait until a job is done.

        Args:
            job: the job, or its id.
            on_progress: called with the job whenever it has moved.
            timeout_s: give up waiting after so long; the job goes on.

        Raises:
            StepFailed and its kin: the job failed, with its own problem, or was cancelled.
            LimitExceeded: it has not ended in ``timeout_s``.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        told: RemoteJob | None = None
        while True:
            now = self.job(job)
            if on_progress is not None and now != told:
                on_progress(now)
                told = now
            if now.ended:
                if (error := now.error()) is not None:
                    raise error
                return now
            if deadline is not None and time.monotonic() > deadline:
                raise LimitExceeded(f"job {now.id} has not ended in {timeout_s:g} s; it goes on")
            time.sleep(POLL_S)

    # -------------------------------------------------------------------------------------------------- fetching

    def download(
        self, job: RemoteJob | str, path: str | Path, file: str = FIXED_NAMES["dseg"]
    ) -> Path:
        """Fetch one file of a finished job's bundle; it appears whole or not at all.

        Args:
            job: the job, or its id.
            path: where to; its folder is made if need be.
            file: the fixed name in the bundle: the label map unless given.

        Returns:
            the path.

        Raises:
            BadRequest: the job is not done, or has no such file.
            DamagedFile: its bytes have changed, in the store or on the way. StepFailed: it is not what its name says.
        """
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)

        def save(response: httpx2.Response) -> Path:
            with atomic_file(target) as stream:
                head, sha256 = _pour(response, stream)
                if file.endswith(".gz") and head != GZIP_MAGIC:
                    raise StepFailed(f"{response.request.url} is not a gzip file: nothing was kept")
                if sha256 != _told_sha256(response, sha256):
                    raise DamagedFile(
                        f"{response.request.url} came damaged (SHA-256): nothing was kept; fetch it again"
                    )
            return target

        return self._ask("GET", f"/jobs/{_id(job)}/files/{file}", save, headers=IDENTITY)

    def bundle(
        self, job: RemoteJob | str, folder: str | Path, name: str | None = None
    ) -> dict[str, Path]:
        """Fetch every file of a finished job; each appears whole or not at all, the manifest last.

        Args:
            job: the job, or its id.
            folder: where to; it is made if need be.
            name: the scan's name, to begin each file's name with; the service's fixed names unless given.

        Returns:
            path of each file by its fixed name.

        Raises:
            BadRequest: the job is not done.
            StepFailed: a file differs from the hash in the manifest.
        """

        def save(response: httpx2.Response) -> dict[str, Path]:
            return unpack(lambda stream: _pour(response, stream), Path(folder), name)

        return self._ask("GET", f"/jobs/{_id(job)}/bundle.zip", save, headers=IDENTITY)

    # ---------------------------------------------------------------------------------------------------- ending

    def delete(self, job: RemoteJob | str) -> None:
        """Cancel a job if it runs, and erase every trace of its scan. One that is gone already is no error."""
        self._ask("DELETE", f"/jobs/{_id(job)}", lambda _: None, gone=True)

    cancel = delete

    # --------------------------------------------------------------------------------------------------- sending

    def _ask(
        self,
        method: str,
        path: str,
        read: Callable[[httpx2.Response], T],
        *,
        gone: bool = False,
        **options: Any,
    ) -> T:
        return self._patience.retrying(lambda: self._once(method, path, read, gone=gone, **options))

    def _once(
        self,
        method: str,
        path: str,
        read: Callable[[httpx2.Response], T],
        *,
        gone: bool = False,
        **options: Any,
    ) -> T:
        with self._http.stream(method, path, **options) as response:
            if response.status_code in BUSY:
                response.read()
                raise httpx2.HTTPStatusError(
                    str(refusal(response)), request=response.request, response=response
                )
            if not response.is_success and not (gone and response.status_code in (404, 410)):
                response.read()
                raise refusal(response)
            return read(response)


IDENTITY = {"Accept-Encoding": "identity"}  # packed files as they are


def is_loopback(host: str) -> bool:
    """Whether a name or address is this computer's own, so that no proxy of the environment has a part in it."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    with suppress(OSError):  # also as 127.1, which getaddrinfo takes
        name = socket.inet_ntoa(socket.inet_aton(name))
    with suppress(ValueError):
        address = ipaddress.ip_address(name)
        address = getattr(address, "ipv4_mapped", None) or address
        return address.is_loopback or address.is_unspecified
    return False


def _id(job: RemoteJob | str) -> str:
    return job if isinstance(job, str) else job.id


def _pour(response: httpx2.Response, stream: Any) -> tuple[bytes, str]:
    """The body into a stream; returns its first two bytes and its SHA-256."""
    head, digest = b"", hashlib.sha256()
    for chunk in response.iter_raw(CHUNK):
        head = head or chunk[:2]
        digest.update(chunk)
        stream.write(chunk)
    return head, digest.hexdigest()


def _told_sha256(response: httpx2.Response, otherwise: str) -> str:
    """The SHA-256 that the server tells of a file (RFC 9530); an older server tells none."""
    told = re.search("sha-256=:([^:]+):", response.headers.get("repr-digest", ""))
    return b64decode(told.group(1)).hex() if told else otherwise


@contextmanager
def _opened(scan: Path) -> Iterator[IO[bytes]]:
    """The bytes to send: the file's, or of a DICOM series its zip's."""
    if is_dicom(scan):
        with reading_file(scan), packing(scan) as archive:
            yield archive
        return
    try:
        file = scan.open("rb")
    except OSError as error:
        raise BadScan(
            f"{scan}: cannot be read ({error.strerror or error}): check the path"
        ) from error
    with file:
        yield file

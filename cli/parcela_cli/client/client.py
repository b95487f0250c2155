"""The service from Python: submit a scan, wait, fetch what came of it.

    with parcela.Client("http://127.0.0.1:8000") as client:
        job = client.submit("scan.nii.gz", model="both")
        job = client.wait(job, on_progress=lambda job: print(job.status, job.progress))
        client.bundle(job, "out/", name="scan")

Whatever is safe to repeat is repeated while the server cannot be reached or is too busy: a submission carries an
``Idempotency-Key``, so that one whose answer was lost is the same job the second time.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from parcela.bundle.write import FIXED_NAMES
from parcela.errors import LimitExceeded
from parcela.options import (
    BEST,
    LabelOptions,
    ModelChoice,
    Options,
    PredictOptions,
    Preset,
    SkullStrip,
    Space,
    choosing,
)
from parcela_cli.client.connection import SERVER, Connection
from parcela_cli.client.received_bundle import unpack
from parcela_cli.client.remote_job import RemoteJob, RemoteModel, list_of, read_job
from parcela_cli.client.transfer import opened, pour, save_file

POLL_S = 1.0
IDENTITY = {"Accept-Encoding": "identity"}  # packed files as they are

OnProgress = Callable[[RemoteJob], None]


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
        self._connection = Connection(server, key, timeout_s, patience_s)
        self.server = self._connection.server

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
        self._connection.close()

    # ------------------------------------------------------------------------------------------------ submitting

    def submit(
        self,
        scan: str | Path,
        *,
        model: ModelChoice = BEST,
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
            with opened(scan) as file:
                upload = {"file": ("scan", file, "application/octet-stream")}
                return self._connection.once(
                    "POST", path, read_job, params=query, files=upload, headers=headers
                )

        return self._connection.repeating(send)

    # --------------------------------------------------------------------------------------------------- looking

    def job(self, job: RemoteJob | str) -> RemoteJob:
        """Ask the server how a job stands now.

        Raises:
            BadRequest: there is no such job, or it was deleted.
        """
        return self._connection.ask("GET", f"/jobs/{_id(job)}", read_job)

    def jobs(self, limit: int = 100) -> list[RemoteJob]:
        """The caller's jobs that the server still knows, newest first, at most ``limit`` (1000) of them."""
        return self._connection.ask(
            "GET", "/jobs", list_of("jobs", RemoteJob), params={"limit": limit}
        )

    def models(self) -> list[RemoteModel]:
        """The networks that the server has."""
        return self._connection.ask("GET", "/models", list_of("models", RemoteModel))

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

        return self._connection.ask(
            "GET",
            f"/jobs/{_id(job)}/files/{file}",
            lambda response: save_file(response, target),
            headers=IDENTITY,
        )

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

        return self._connection.ask(
            "GET",
            f"/jobs/{_id(job)}/bundle.zip",
            lambda response: unpack(lambda stream: pour(response, stream), Path(folder), name),
            headers=IDENTITY,
        )

    # ---------------------------------------------------------------------------------------------------- ending

    def delete(self, job: RemoteJob | str) -> None:
        """Cancel a job if it runs, and erase every trace of its scan. One that is gone already is no error."""
        self._connection.ask("DELETE", f"/jobs/{_id(job)}", lambda _: None, gone=True)

    cancel = delete


def _id(job: RemoteJob | str) -> str:
    return job if isinstance(job, str) else job.id

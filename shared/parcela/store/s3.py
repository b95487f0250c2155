"""The store on an S3 server (MinIO and its like), through the ``minio`` client, whose errors never leave this file."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import BinaryIO, cast

import urllib3
from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError

from parcela.store.store import NotStored, Stored, StoreUnavailable, checked, checked_prefix

PART_BYTES = 8 * 1024**2
CONNECT_S, READ_S, TRIES = 5, 60, 3
ABSENT = {"NoSuchKey", "NoSuchBucket", "NoSuchObject"}
REGION = "us-east-1"  # MinIO's; naming it saves a request


class S3Store:
    """Files in one bucket, which is made when it is missing.

    An upload of unknown length goes up in parts and is seen only when it is complete; one that was never completed
    is the server's to expire (MinIO: after 24 hours, or ``MINIO_API_STALE_UPLOADS_EXPIRY``).
    """

    def __init__(
        self, endpoint: str, bucket: str, *, access_key: str, secret_key: str, secure: bool = False
    ) -> None:
        self.bucket = bucket
        self._made = False
        self._http = urllib3.PoolManager(
            maxsize=32,
            timeout=urllib3.Timeout(connect=CONNECT_S, read=READ_S),
            retries=urllib3.Retry(TRIES, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
        )
        self._client = Minio(
            endpoint,
            access_key=access_key,
            secret_key=secret_key,
            secure=secure,
            region=REGION,
            http_client=self._http,
        )

    def put(self, key: str, source: BinaryIO | bytes) -> Stored:
        checked(key)
        counted = Counted(io.BytesIO(source) if isinstance(source, bytes) else source)
        length, part = (len(source), 0) if isinstance(source, bytes) else (-1, PART_BYTES)
        with self._refusals(key):
            self._make_bucket()
            done = self._client.put_object(
                self.bucket,
                key,
                cast(BinaryIO, counted),
                length,
                part_size=part,
                num_parallel_uploads=1,  # more would each hold a part in memory
            )
        return Stored(key, counted.size, done.etag or "", time.time())

    def create(self, key: str, content: bytes) -> bool:
        checked(key)
        with self._refusals(key):
            self._make_bucket()
            # The client's own `put_object` takes no conditions; an address that it signs does.
            address = self._client.presigned_put_object(self.bucket, key, timedelta(minutes=5))
            answer = self._http.request(
                "PUT", address, body=content, headers={"If-None-Match": "*"}
            )
        if answer.status not in (HTTPStatus.OK, HTTPStatus.PRECONDITION_FAILED):
            raise StoreUnavailable(f"the store refuses {key} ({answer.status}): try again")
        return answer.status == HTTPStatus.OK

    @contextmanager
    def open(self, key: str, start: int = 0, length: int | None = None) -> Iterator[BinaryIO]:
        checked(key)
        if length == 0:  # means all of it to the client
            if self.stat(key) is None:
                raise NotStored(f"{key} is not in the store")
            yield io.BytesIO()
            return
        try:
            with self._refusals(key):
                body = self._client.get_object(self.bucket, key, start, length or 0)
        except PastTheEnd:
            yield io.BytesIO()
            return
        try:
            yield cast(BinaryIO, io.BufferedReader(Body(body), PART_BYTES // 8))
        finally:
            body.close()
            body.release_conn()

    def stat(self, key: str) -> Stored | None:
        checked(key)
        try:
            with self._refusals(key):
                stat = self._client.stat_object(self.bucket, key)
        except NotStored:
            return None
        modified = stat.last_modified.timestamp() if stat.last_modified else 0.0
        return Stored(key, stat.size or 0, stat.etag or "", modified)

    def list(self, prefix: str = "") -> Iterator[Stored]:
        below = f"{checked_prefix(prefix)}/" if prefix else ""
        try:
            with self._refusals(prefix):
                for stat in self._client.list_objects(self.bucket, below, recursive=True):
                    modified = stat.last_modified.timestamp() if stat.last_modified else 0.0
                    etag = (stat.etag or "").strip('"')
                    yield Stored(stat.object_name or "", stat.size or 0, etag, modified)
        except NotStored:  # no bucket yet
            return

    def free_bytes(self) -> int | None:
        return None

    def delete(self, key: str) -> int:
        key = checked_prefix(key)
        names = [stored.key for stored in (self.stat(key), *self.list(key)) if stored is not None]
        with self._refusals(key):
            refused = list(
                self._client.remove_objects(self.bucket, [DeleteObject(name) for name in names])
            )
        if refused:
            raise StoreUnavailable(
                f"the store does not delete {refused[0].name} ({refused[0].message})"
            )
        return len(names)

    def _make_bucket(self) -> None:
        if self._made:
            return
        if not self._client.bucket_exists(self.bucket):
            try:
                self._client.make_bucket(self.bucket)
            except S3Error as error:
                if error.code not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                    raise
        self._made = True

    @contextmanager
    def _refusals(self, key: str) -> Iterator[None]:
        """The client's errors as the store's own."""
        try:
            yield
        except S3Error as error:
            if error.code == "NoSuchBucket":
                self._made = False  # the next put makes it
            if error.code in ABSENT:
                raise NotStored(f"{key} is not in the store") from error
            if error.code == "InvalidRange":
                raise PastTheEnd(f"{key} is shorter") from error
            raise StoreUnavailable(
                f"the store refuses {key} ({error.code}): check its keys"
            ) from error
        except (MinioException, HTTPError) as error:
            raise StoreUnavailable(
                f"the store cannot be reached ({type(error).__name__}): check PARCELA_STORE and the server"
            ) from error


class PastTheEnd(NotStored):
    """Bytes were asked for that lie behind the end of a file."""

    slug = "past-the-end"


class Counted:
    """A source that knows how many bytes were read from it."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._source.read(size)
        self.size += len(chunk)
        return chunk


class Body(io.RawIOBase):
    """The body of an answer as a raw stream that raises the store's own errors."""

    def __init__(self, body: urllib3.BaseHTTPResponse) -> None:
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        try:
            chunk = self._body.read(len(buffer))
        except HTTPError as error:
            raise StoreUnavailable(
                f"the store broke off ({type(error).__name__}): try again"
            ) from error
        buffer[: len(chunk)] = chunk
        return len(chunk)

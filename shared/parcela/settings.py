"""Settings, read from the environment (``PARCELA_…``): one default each, the same in every way of running Parcela.

Thread counts are settings with fixed defaults, never the machine's core count: a result's bytes may depend on them.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from parcela.errors import BadRequest, Unavailable

GIB = 1024**3


class Settings(BaseSettings):
    """What an installation may change without touching code."""

    model_config = SettingsConfigDict(env_prefix="PARCELA_", env_ignore_empty=True)

    itk_threads: int = Field(
        1, ge=1, description="threads of ANTs (registration, and the thesis's N4)"
    )
    torch_threads: int = Field(2, ge=1, description="threads of PyTorch on a CPU")
    torch_precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="of the networks' convolutions"
    )
    step_timeout_s: float = Field(
        1800,
        gt=0,
        description="time limit of one isolated step (ROBEX, registration, the thesis's N4)",
    )
    step_memory_mb: int = Field(
        8192, gt=0, description="memory limit (resident set) of one isolated step"
    )
    max_voxels: int = Field(512**3, gt=0, description="the most voxels a scan may have")
    max_bytes: int = Field(2 * GIB, gt=0, description="the largest file accepted")
    dicom_files: int = Field(5000, gt=0, description="the most files a DICOM series may have")
    dicom_timeout_s: float = Field(
        120, gt=0, description="time limit of the conversion of a DICOM series"
    )
    dicom_memory_mb: int = Field(4096, gt=0, description="memory limit of the same")
    atlas: Path | None = Field(
        None, description="folder of the atlas's three volumes; empty: the ones that ship"
    )
    weights: Path | None = Field(
        None, description="folder of the networks' weights; empty: the ones that ship"
    )
    store: str | None = Field(
        None, description="where jobs' files lie: a folder, or http(s)://host:port/bucket (S3)"
    )
    store_access_key: str = Field("", description="the S3 store's access key")
    store_access_key_file: Path | None = Field(None, description="a file that holds it")
    store_secret_key: str = Field("", description="the S3 store's secret key", repr=False)
    store_secret_key_file: Path | None = Field(None, description="a file that holds it")
    lease_s: float = Field(
        30, gt=0, description="a worker that is silent for so long loses its job to another"
    )
    job_timeout_s: float = Field(3600, gt=0, description="time limit of one stage of a job")
    job_memory_mb: int = Field(
        12000, gt=0, description="memory limit (resident set) of one stage of a job"
    )
    redis: str = Field(
        "redis://127.0.0.1:6379/0", description="the ledger's Redis: redis://… or unix:///path"
    )
    redis_password: str = Field("", description="its password, where the URL has none", repr=False)
    redis_password_file: Path | None = Field(None, description="a file that holds it")
    attempts: int = Field(
        3, ge=1, description="how often a stage of a job is begun before the job fails"
    )
    back_off_s: float = Field(
        5, ge=0, description="wait before a second attempt; four times that before a third"
    )
    retention_days: float = Field(
        7, gt=0, description="how long a finished job and its files are kept"
    )
    reconcile_s: float = Field(
        2, gt=0, description="how often a gateway looks after late and forgotten jobs"
    )
    host: str = Field("127.0.0.1", description="address that the gateway listens on")
    port: int = Field(8000, ge=0, le=65535, description="port that the gateway listens on")
    published: str = Field(
        "", description="address under which others reach the gateway; empty: the one it listens on"
    )
    api_keys: str = Field(
        "", description="callers' keys, separated by commas; needed off loopback", repr=False
    )
    api_keys_file: Path | None = Field(None, description="a file with a caller's key per line")
    metrics_key: str = Field(
        "", description="the key to /metrics, where callers need keys", repr=False
    )
    metrics_key_file: Path | None = Field(None, description="a file that holds it")
    audit_log: Path | None = Field(
        None, description="a file for who did what with which job; empty: among the other lines"
    )
    audit_addresses: bool = Field(False, description="whether it tells the callers' addresses")
    min_free_mb: int = Field(
        256, ge=0, description="room that stays on the store's disk; with less, nothing is taken in"
    )
    allowed_hosts: str = Field(
        "", description="further names of the gateway (the Host header), separated by commas"
    )
    wait_s: float = Field(
        600, gt=0, description="how long a caller who wants the map itself is kept waiting for it"
    )
    max_waiting: int = Field(1000, gt=0, description="jobs that may wait; more are refused (429)")
    max_waiting_each: int = Field(500, gt=0, description="how many of them may be one caller's")
    jobs_each: int = Field(
        10000, gt=0, description="jobs of one caller that are kept, ended ones too"
    )
    listeners_each: int = Field(
        100, gt=0, description="streams of events, and waits for a map, of one caller at a time"
    )
    wrong_keys: int = Field(
        10,
        gt=0,
        description="wrong keys a minute from one address; then right ones are refused too",
    )
    connections: int = Field(
        1000, gt=0, description="connections at a time; as many as the descriptors allow, if fewer"
    )
    head_timeout_s: float = Field(
        10, gt=0, description="in which the head of a request must have come"
    )
    uploads: int = Field(32, gt=0, description="uploads that are taken in at a time; more wait")
    uploads_each: int = Field(16, gt=0, description="how many of them may be one caller's")
    upload_rate: int = Field(
        8192, gt=0, description="bytes a second that an upload brings at least"
    )
    upload_timeout_s: float = Field(
        3600, gt=0, description="how long an upload may keep us waiting in all"
    )

    @property
    def key_of_metrics(self) -> str:
        """The key to /metrics; empty where there is none. Raises Unavailable: its file cannot be read."""
        return secret(self.metrics_key, self.metrics_key_file)

    @property
    def redis_url(self) -> str:
        """The URL of Redis with its password. Raises Unavailable: the password's file cannot be read."""
        scheme, _, place = self.redis.partition("://")
        if scheme == "unix" or "@" in place:
            return self.redis
        password = secret(self.redis_password, self.redis_password_file)
        return f"{scheme}://:{quote(password, safe='')}@{place}" if password else self.redis


def secret(value: str, file: Path | None) -> str:
    """A secret given as such, else what its file holds. Raises Unavailable: the file cannot be read."""
    if value or file is None:
        return value
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Unavailable(
            f"{file} cannot be read ({error.strerror}): it should hold a secret"
        ) from error


@cache
def settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        BadRequest: a variable of the environment holds what its setting cannot be.
    """
    try:
        return Settings()
    except ValidationError as error:
        fault = error.errors()[0]
        name = "PARCELA_" + "_".join(map(str, fault["loc"])).upper()
        reason = fault["msg"].removeprefix("Value error, ")
        raise BadRequest(f"{name}={fault['input']}: {reason}: correct or unset it") from error


def change_settings(*, torch_threads: int | None = None) -> Settings:
    """Change settings of this process, and of every process that it starts from now on.

    The environment carries them, since that is what a child process inherits. What is None stays as it is.

    Raises:
        BadRequest: as `settings`.
    """
    if torch_threads is not None:
        os.environ["PARCELA_TORCH_THREADS"] = str(torch_threads)
        settings.cache_clear()
    return settings()

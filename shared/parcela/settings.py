"""Settings, read from the environment (``PARCELA_…``): one default each, the same in every way of running Parcela.

Thread counts are settings with fixed defaults, never the machine's core count: the bytes of N4 depend on them.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What an installation may change without touching code."""

    model_config = SettingsConfigDict(env_prefix="PARCELA_", env_ignore_empty=True)

    itk_threads: int = Field(1, ge=1, description="threads of ANTs (N4, registration)")
    torch_threads: int = Field(2, ge=1, description="threads of PyTorch on a CPU")
    step_timeout_s: float = Field(
        1800, gt=0, description="time limit of one isolated step (ROBEX, N4, deepbet, registration)"
    )
    step_memory_mb: int = Field(
        8192, gt=0, description="memory limit (resident set) of one isolated step"
    )
    max_voxels: int = Field(512**3, gt=0, description="the most voxels a scan may have")
    max_bytes: int = Field(2 * 1024**3, gt=0, description="the largest file accepted")
    weights: Path | None = Field(
        None, description="folder of the networks' weights; empty: the ones that ship"
    )


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()

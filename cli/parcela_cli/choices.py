"""The values that options take, as Typer wants them."""

from __future__ import annotations

from enum import StrEnum


class ModelChoice(StrEnum):
    unet = "unet"
    highresnet = "highresnet"
    both = "both"


class SkullStripChoice(StrEnum):
    robex = "robex"
    deepbet = "deepbet"


class SpaceChoice(StrEnum):
    native = "native"
    model = "model"


class DeviceChoice(StrEnum):
    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class PresetChoice(StrEnum):
    modern = "modern"
    thesis = "thesis"

"""The values that options take, as Typer wants them."""

from __future__ import annotations

from enum import StrEnum


class ModelChoice(StrEnum):
    unet = "unet"
    highresnet = "highresnet"
    both = "both"


class OneModelChoice(StrEnum):
    unet = "unet"
    highresnet = "highresnet"


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


class StageChoice(StrEnum):
    preprocess = "preprocess"
    inference = "inference"
    labelling = "labelling"


class TrainingPresetChoice(StrEnum):
    demo = "demo"
    thesis = "thesis"
    modern = "modern"


class SplitByChoice(StrEnum):
    subject = "subject"
    image = "image"


class PartChoice(StrEnum):
    test = "test"
    val = "val"
    train = "train"


class NetworkChoice(StrEnum):
    unet = "unet"
    highresnet = "highresnet"

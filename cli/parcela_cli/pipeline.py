"""A scan in, its regions out, in this process: what ``parcela predict`` and ``parcela.predict`` call."""

from __future__ import annotations

from pathlib import Path

from parcela.bundle.prediction import Prediction
from parcela.imaging.volume import Volume, read_volume
from parcela.options import Device, Model, Options, SkullStrip, Space
from parcela.settings import settings
from parcela.stopwatch import OnStep

__all__ = ["Options", "Prediction", "SkullStrip", "predict", "run"]


def predict(
    scan: str | Path | Volume,
    *,
    model: Model = "unet",
    preprocess: bool = True,
    skull_strip: SkullStrip = "robex",
    space: Space = "native",
    device: Device = "auto",
    on_step: OnStep | None = None,
) -> Prediction:
    """Parcellate one T1-weighted scan into the 116 regions of AAL.

    Args:
        scan: a NIfTI file, or a volume already read.
        model: ``unet``, ``highresnet``, or ``both`` (their averaged scores).
        preprocess: False when the scan is already skull-stripped and bias-corrected.
        skull_strip: ``robex`` (the reference; x86-64 Linux) or ``deepbet`` (any platform, seconds).
        space: the grid of the label map: the scan's own (``native``), or the networks' (``model``).
        device: ``auto`` takes CUDA where there is one.
        on_step: called with each step's name as it begins.

    Raises:
        BadScan, BadRequest, StepFailed, Unavailable: see ``parcela.errors``; each message says what to do.
    """
    options = Options(model, preprocess, skull_strip, space, device)
    limits = settings()
    volume = (
        scan
        if isinstance(scan, Volume)
        else read_volume(scan, max_voxels=limits.max_voxels, max_bytes=limits.max_bytes)
    )
    return run(volume, options, on_step)


def run(volume: Volume, options: Options, on_step: OnStep | None = None) -> Prediction:
    """Preprocess, parcellate, and record how. What is missing here is said before anything is computed."""
    from parcela_inference.predict import predict as parcellate_scan
    from parcela_inference.scores import choose_device
    from parcela_preprocess.preprocess import preprocess

    options.weights()
    choose_device(options.device)
    ready = preprocess(
        volume,
        skull_strip=options.skull_strip,
        strip_and_correct=options.preprocess,
        on_step=on_step,
    )
    return parcellate_scan(volume, ready, options, on_step)

"""``preprocess(volume)``: the one function that the command, the service and the training all call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor
from nibabel.orientations import apply_orientation, io_orientation, ornt_transform
from numpy.typing import NDArray

from parcela.errors import BadRequest, BadScan, ParcelaError, StepFailed
from parcela.imaging.field_of_view import Cut
from parcela.imaging.geometry import Affine, Shape
from parcela.imaging.preprocessed import MODEL_SHAPE, Preprocessed, PreprocessingRecord
from parcela.imaging.trail import GeometryTrail, Grid
from parcela.imaging.volume import Volume
from parcela.options import Preset, SkullStrip
from parcela.stopwatch import OnStep, Stopwatch
from parcela_preprocess.atlas_affine import colin27_space
from parcela_preprocess.chain import (
    IMAGE,
    Step,
    Strip,
    geometric_steps,
    steps,
    stripper_of,
    with_tissues,
)
from parcela_preprocess.field_of_view import cut_warning, cuts
from parcela_preprocess.intensities import unbearable
from parcela_preprocess.robex import stand_in
from parcela_preprocess.stripped import stripped_brain
from parcela_preprocess.transforms.crop import CUTS
from parcela_preprocess.transforms.skull_strip import MASK, STRIPPED_BY
from parcela_preprocess.transforms.straighten import tilt_warning
from parcela_preprocess.transforms.tissues import SHARES

__all__ = ["OnStep", "Preprocessed", "preprocess"]


def preprocess(
    volume: Volume,
    *,
    preset: Preset = "modern",
    skull_strip: SkullStrip = "auto",
    preprocess: bool = True,
    mask: NDArray[np.uint8] | None = None,
    shape: Shape = MODEL_SHAPE,
    tissues: bool = False,
    standard_space: bool = False,
    onto: Grid | None = None,
    on_step: OnStep | None = None,
) -> Preprocessed:
    """Bring a scan to the model's grid by the nine steps of a preset.

    Args:
        volume: the scan as received.
        preset: ``thesis`` (exact) or ``modern`` (what prediction uses).
        skull_strip: ``robex``, ``deepbet``, or ``auto`` (``chain.stripper_of``); with ``mask`` given, ignored. What
            found the brain is recorded as ``stripped_by``: one of them, or the ``scan`` that came stripped.
        preprocess: False: the scan is already stripped and bias-corrected (steps 1 and 2 are left out; one that
            is already ``shape`` within [0, 1] goes straight in).
        mask: (X, Y, Z) on the scan's grid, a brain mask from elsewhere.
        shape: the model's grid.
        tissues: also segment the bias-corrected brain into grey matter, white matter and CSF.
        standard_space: also find where the brain lies in the atlas's own space.
        onto: of this shape, a grid that the image is to lie on, such as one that labels lie on already: its box is
            cut out, to the nearest millimetre, in place of the brain's. ``thesis`` has no such choice.
        on_step: called with each step's name as it begins.

    Raises:
        StepFailed: a step crashed, or its result is implausible. BadScan: nothing is left of the image, or it
            is said to be stripped and is not. BadRequest: tissues of an image whose own intensities are gone.
    """
    if not preprocess and _on_grid(volume, shape):
        if tissues:
            raise BadRequest(
                "this image was preprocessed before, and tissues need the scan's own intensities: give the scan"
            )
        ready = _straight_in(volume, preset)
    else:
        ready = _preprocessed(
            volume,
            preset,
            skull_strip,
            mask,
            shape,
            on_step,
            strip=preprocess,
            tissues=tissues,
            onto=onto,
        )
    return _placed(ready, on_step) if standard_space else ready


def _placed(ready: Preprocessed, on_step: OnStep | None) -> Preprocessed:
    """With the way to the atlas's own space."""
    watch = Stopwatch(on_step)
    with watch.step("to Colin27"):
        space = colin27_space(ready)
    seconds = ready.record.seconds | watch.seconds
    record = ready.record.model_copy(update={"colin27": space, "seconds": seconds})
    return replace(ready, record=record)


def _preprocessed(
    volume: Volume,
    preset: Preset,
    skull_strip: SkullStrip,
    mask: NDArray[np.uint8] | None,
    shape: Shape,
    on_step: OnStep | None,
    *,
    strip: bool,
    tissues: bool,
    onto: Grid | None,
) -> Preprocessed:
    notes: tuple[str, ...] = ()
    if not strip and mask is None:
        volume, mask, notes = _as_stripped(volume, preset)
    start = _reoriented(volume, mask) if preset == "modern" else _as_received(volume, mask)
    method: Strip = "given" if mask is not None else stripper_of(skull_strip, preset)
    todo = steps(preset, method, shape, onto) if strip else geometric_steps(shape, preset, onto)
    todo = with_tissues(todo) if tissues else todo
    done, seconds = _run(start, todo, on_step)
    image = np.asarray(done[IMAGE][0], np.float32)
    if not np.isfinite(image).all() or image.max() <= 0:
        raise BadScan(
            "nothing is left of the image after preprocessing: is it a T1-weighted brain?"
        )
    (brain_mask,) = _on_scan(done[MASK], volume)
    notes += tuple(done.get("notes", ()))
    stripped_by = done.get(STRIPPED_BY)
    if skull_strip == "auto" and stripped_by == "deepbet":
        notes += (stand_in(),)
    sides: tuple[Cut, ...] = done.get(CUTS, ())
    if preset == "thesis":
        sides = cuts(brain_mask, volume.geometry)
        notes += cut_warning(sides, completed=False) + tilt_warning(volume.geometry)
    return Preprocessed(
        image=image,
        brain_mask=brain_mask,
        trail=_trail(volume, done, [name for name, _ in todo]),
        record=PreprocessingRecord(
            seconds=seconds,
            warnings=notes,
            cuts=sides,
            software=volume.software,
            parameters={STRIPPED_BY: stripped_by} if strip else {},
        ),
        tissues=_on_scan(done[SHARES], volume) if tissues else None,
    )


def _on_grid(volume: Volume, shape: Shape) -> bool:
    low, high = float(volume.data.min()), float(volume.data.max())
    return volume.geometry.shape == shape and low >= 0 and high <= 1


def _straight_in(volume: Volume, preset: Preset) -> Preprocessed:
    """The image as it is, looked at as any other that is said to be stripped."""
    geometry = volume.geometry
    _, brain, notes = stripped_brain(volume.data, geometry.spacing_mm)
    mask = (volume.data > 0).astype(np.uint8)
    sides = cuts(brain.astype(np.uint8), geometry)
    notes += cut_warning(sides, completed=False) + tilt_warning(geometry)
    if preset == "thesis":
        notes += unbearable(volume.data, brain)
    record = PreprocessingRecord(seconds={}, warnings=notes, cuts=sides, software=volume.software)
    trail = GeometryTrail.unmoved(geometry.shape, geometry.affine)
    return Preprocessed(volume.data, mask, trail, record)


def _as_stripped(
    volume: Volume, preset: Preset
) -> tuple[Volume, NDArray[np.uint8], tuple[str, ...]]:
    """The brain of a scan that came stripped; ``thesis`` keeps its intensities, and says what that may spoil."""
    brain, mask, notes = stripped_brain(volume.data, volume.geometry.spacing_mm)
    if preset == "thesis":
        return volume, mask.astype(np.uint8), unbearable(volume.data, mask)
    return volume.with_data(brain), mask.astype(np.uint8), notes


def _as_received(volume: Volume, mask: NDArray[np.uint8] | None) -> dict[str, Any]:
    affine = volume.geometry.affine
    start: dict[str, Any] = {IMAGE: _channel_first(volume.data, affine)}
    if mask is not None:
        start[MASK] = _channel_first(mask, affine)
    return start


def _reoriented(volume: Volume, mask: NDArray[np.uint8] | None) -> dict[str, Any]:
    """The scan turned to RAS+ by flips and permutations alone."""
    turn = io_orientation(volume.geometry.affine)
    affine = volume.geometry.affine @ nib.orientations.inv_ornt_aff(turn, volume.geometry.shape)
    start: dict[str, Any] = {IMAGE: _channel_first(apply_orientation(volume.data, turn), affine)}
    if mask is not None:
        start[MASK] = _channel_first(apply_orientation(mask, turn), affine)
    return start


def _channel_first(array: NDArray[Any], affine: Affine) -> MetaTensor:
    return MetaTensor(
        torch.from_numpy(np.ascontiguousarray(array)[None]), affine=torch.from_numpy(affine.copy())
    )


def _run(
    start: dict[str, Any], todo: list[Step], on_step: OnStep | None
) -> tuple[dict[str, Any], dict[str, float]]:
    watch = Stopwatch(on_step)
    done: Any = start
    for name, transform in todo:
        try:
            with watch.step(name):
                done = transform(done)
        except ParcelaError:
            raise
        except (RuntimeError, ValueError) as error:
            raise StepFailed(f"step {name} failed: {error}") from error
    return done, watch.seconds


def _trail(volume: Volume, done: dict[str, Any], names: list[str]) -> GeometryTrail:
    """The model's grid in the scan's world: MONAI's affine with the removed origin put back."""
    removed = tuple(float(v) for v in done["removed_origin_mm"])
    put_back = np.eye(4)
    put_back[:3, 3] = removed
    image: MetaTensor = done[IMAGE]
    affine = put_back @ np.asarray(image.affine, np.float64)
    _, x, y, z = image.shape
    return GeometryTrail(
        scan=Grid(shape=volume.geometry.shape, affine=volume.geometry.affine),
        model=Grid(shape=(x, y, z), affine=affine),
        removed_origin_mm=(removed[0], removed[1], removed[2]),
        steps=tuple(names),
    )


def _on_scan(channels: MetaTensor, volume: Volume) -> NDArray[np.uint8]:
    """A mask or shares of tissues, (C, X, Y, Z) uint8, in the scan's own array order."""
    turn = ornt_transform(
        io_orientation(np.asarray(channels.affine)), io_orientation(volume.geometry.affine)
    )
    each = [apply_orientation(channel, turn) for channel in np.asarray(channels, np.uint8)]
    return np.stack(each)

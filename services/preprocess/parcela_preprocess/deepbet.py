"""deepbet's brain mask (Fisch 2024, doi:10.1016/j.compbiomed.2024.108845), its networks loaded once in a process.

What ``deepbet.BrainExtraction`` does on a processor, without the libraries that it loads for tables and windows, and
with its two quantiles found by partition. The networks are its own files.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import distribution

import cc3d
import fill_voids
import nibabel as nib
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from parcela.errors import StepFailed
from parcela.settings import settings

COARSE, FINE = (
    (128, 128, 128),
    (256, 256, 256),
)  # grids of the network that finds the head's box, and of the other
DARK, BRIGHT = 0.005, 0.995  # quantiles that become 0 and 1
MARGIN = 0.1  # of the brain's size, around it on each side
FULL = 0.02  # share of a plane that the brain fills, from which on the plane belongs to its box
MEAN, SPREAD = 0.449, 0.226  # of what the networks see

Box = tuple[slice, slice, slice]


def brain_mask(image: NDArray[np.float32], affine: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The brain, (X, Y, Z): scores above 0.5, the largest part, holes filled.

    Args:
        image: (X, Y, Z) intensities. affine: (4, 4), its grid in the world.

    Raises:
        StepFailed: it finds none.
    """
    torch.set_num_threads(settings().torch_threads)
    turn = nib.io_orientation(affine)
    canonical = np.ascontiguousarray(nib.apply_orientation(image, turn), np.float32)
    mask = _canonical_mask(torch.from_numpy(np.nan_to_num(canonical)))
    back = nib.orientations.ornt_transform([[0, 1], [1, 1], [2, 1]], turn)
    return np.asarray(nib.apply_orientation(mask, back), np.bool_)


@torch.inference_mode()
def _canonical_mask(image: torch.Tensor) -> NDArray[np.bool_]:
    """Of an image, (X, Y, Z), whose axes are nearest to RAS+."""
    small = _resized(image, COARSE)
    low, high = np.quantile(small.numpy(), (DARK, BRIGHT))
    inside = _network("bbox_model")(_normalised(small, low, high)[None, None])[0, 1] > 0.5
    if not inside.any():
        raise StepFailed("deepbet found no brain: is it a T1-weighted head?")
    x, y, z = image.shape
    box = _box(_largest_part(inside.numpy()), (x, y, z))
    part = image[box]
    scores = _network("model")(_normalised(_resized(part, FINE), low, high)[None, None])[0, 1]
    mask = np.zeros((x, y, z), np.bool_)
    brain = (_resized(scores, tuple(part.shape)) > 0.5).numpy()
    if brain.any():
        mask[box] = fill_voids.fill(_largest_part(brain))
    return mask


@cache
def _network(name: str) -> torch.jit.ScriptModule:
    path = distribution("deepbet").locate_file(f"data/models/{name}.pt")
    network: torch.jit.ScriptModule = torch.jit.load(str(path), map_location="cpu").eval()
    return network


def _resized(image: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    return interpolate(image[None, None], shape, mode="nearest-exact")[0, 0]


def _normalised(image: torch.Tensor, low: float, high: float) -> torch.Tensor:
    image = ((image - low) / (high - low)).clamp_(0, 1)
    return image.sub_(image.mean()).mul_(SPREAD / image.std()).add_(MEAN)


def _largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest part whose voxels touch, by a corner at least."""
    parts = cc3d.connected_components(mask)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.asarray(parts == sizes.argmax(), np.bool_)


def _box(brain: NDArray[np.bool_], shape: tuple[int, int, int]) -> Box:
    """The brain's box with a margin, on a grid of ``shape``."""
    sides = []
    for axis, size in enumerate(shape):
        others = tuple(other for other in range(3) if other != axis)
        planes = np.flatnonzero(brain.mean(axis=others) > FULL)
        if planes.size == 0:
            raise StepFailed("deepbet found no brain: is it a T1-weighted head?")
        scale = size / brain.shape[axis]
        middle = round(scale * float(planes[0] + planes[-1] + 1) / 2)
        length = round(scale * (1 + 2 * MARGIN) * float(planes[-1] + 1 - planes[0]))
        start, stop = int(middle - length / 2), int(middle + length / 2)
        sides.append(slice(max(0, start), min(size, stop)))
    return sides[0], sides[1], sides[2]

"""Intensities of any sign, offset and scale, brought to what the nine steps can bear.

N4 takes logarithms, and the steps after it take what is above 0 for the brain: values below 0 in a brain, or one voxel
a thousand times as bright as the rest, would turn the map into garbage. A scan that has neither is left as it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from parcela.quality.assess import SPIKE

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
Notes = tuple[str, ...]

TAMED = 2.0  # times it, where a spike is cut: about the brightest voxel of an ordinary scan
# Of the bright tissue: a darkest tissue above it is an offset; the cohort's reach 0.04
OFFSET = 0.5
SCALES = (1e-2, 1e6)  # of the bright tissue: beyond, 32-bit arithmetic suffers
ORDINARY = 1000.0  # bright tissue, where another scale is needed
DARK, BRIGHT = 0.1, 99.0  # percentiles of the brain: its darkest and its bright tissue
AIR = 1.0  # percentile of a scan: its background
# Least share of voxels at the lowest value for it to be a mark, such as -1024, and no air
MARKED = 0.01


def without_spikes(scan: Image) -> tuple[Image, Notes]:
    """A whole scan with its spikes cut; the very array when it has none.

    Args:
        scan: (X, Y, Z) intensities.
    """
    air = float(np.percentile(scan, AIR))
    upper = scan[scan > np.median(scan)]
    if upper.size == 0:
        return scan, ()
    reach = float(np.percentile(upper, BRIGHT)) - air
    spikes = np.abs(scan - air) > SPIKE * reach
    count = int(spikes.sum())
    if count == 0 or reach <= 0:
        return scan, ()
    cut = np.where(scan > air, air + TAMED * reach, air).astype(np.float32)
    return np.where(spikes, cut, scan), (_spikes_note(count, float(scan[spikes].max())),)


def above_zero(scan: Image) -> Image:
    """A whole scan with its air at 0, for brain extraction alone; the very array where nothing lies below 0.

    Args:
        scan: (X, Y, Z) intensities; many voxels at the lowest value count as a mark that something is missing there.
    """
    lowest = scan.min()
    if lowest >= 0:
        return scan
    marked = scan == lowest
    measured = scan[~marked] if marked.mean() >= MARKED else scan
    air = min(0.0, float(np.percentile(measured, AIR)))
    return np.asarray(np.maximum(scan - np.float32(air), 0), np.float32)


def in_brain(scan: Image, mask: Mask) -> tuple[Image, Notes]:
    """The brain alone, at 0 and above, 0 outside; an ordinary scan's values are kept as they are.

    Values below 0 are brought above it by the brain's 0.1st percentile, and so is a large offset; what still lies
    below is 0. Spikes are cut, and a scale at the ends of 32-bit numbers is changed.

    Args:
        scan: (X, Y, Z) intensities.
        mask: (X, Y, Z), the brain.

    Returns:
        (X, Y, Z) float32, and what was done to it, one sentence each.
    """
    brain = scan[mask]
    if brain.size == 0:
        return scan * mask, ()
    floor, notes = _floor(brain)
    reach = float(np.percentile(brain, BRIGHT)) - floor
    if reach <= 0:
        return scan * mask, notes
    spikes = int((brain - floor > SPIKE * reach).sum())
    if spikes:
        notes += (_spikes_note(spikes, float(brain.max())),)
    scale = 1.0 if SCALES[0] <= reach <= SCALES[1] else ORDINARY / reach
    if scale != 1:
        notes += (f"intensities of about {reach:.2g} were multiplied by {scale:.2g}",)
    if not notes:
        return scan * mask, ()
    raised = np.maximum(scan.astype(np.float64) - floor, 0)
    tamed = np.where(raised > SPIKE * reach, TAMED * reach, raised) * scale
    return np.where(mask, tamed, 0).astype(np.float32), notes


def unbearable(scan: Image, mask: Mask) -> Notes:
    """What the published method cannot bear in a brain that it is given as it is, one sentence each.

    Args:
        scan: (X, Y, Z) intensities.
        mask: (X, Y, Z), the brain.
    """
    _, notes = in_brain(scan, mask)
    if not notes:
        return ()
    return (
        "THE PUBLISHED METHOD (preset thesis) CANNOT BEAR THESE INTENSITIES, and was followed all the same: do not "
        "trust the result. The modern preset would have said: " + "; ".join(notes),
    )


def _floor(brain: Image) -> tuple[float, Notes]:
    """What shall become 0, and why."""
    darkest, bright = (float(v) for v in np.percentile(brain, (DARK, BRIGHT)))
    below = int((brain < 0).sum())
    if below:
        floor = min(darkest, 0.0)
        raised = f"{-floor:.4g} was added to all (the brain's 0.1st percentile is {darkest:.4g})"
        return floor, (
            f"the brain holds {below} voxels below 0: "
            + (raised if floor < 0 else "they were read as 0"),
        )
    if darkest > OFFSET * bright:
        return darkest, (f"the brain's intensities begin at {darkest:.4g}: that was taken off",)
    return 0.0, ()


def _spikes_note(count: int, highest: float) -> str:
    subject = "1 voxel lies" if count == 1 else f"{count} voxels lie"
    return f"{subject} far outside the range of the rest (up to {highest:.3g}): cut to that range"

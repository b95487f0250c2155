"""Colin27 on coarse grids, so that a real registration takes seconds: the atlas, and a brain to register it to."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from parcela.atlas.colin27 import Atlas, colin27
from parcela.imaging.trail import GeometryTrail

STEP = 4  # mm
SHAPE = (38, 48, 40)


@cache
def atlas() -> Atlas:
    """Colin27 and AAL, every fourth voxel."""
    fine = colin27()
    every = np.diag([STEP, STEP, STEP, 1.0])
    brain = ndimage.uniform_filter(fine.brain, STEP)[::STEP, ::STEP, ::STEP]
    labels = np.ascontiguousarray(fine.labels[::STEP, ::STEP, ::STEP])
    brain[fine.brain[::STEP, ::STEP, ::STEP] == 0] = 0
    affine = fine.affine @ every
    return Atlas(np.ascontiguousarray(brain), labels, affine)


def scan_to_colin() -> NDArray[np.float64]:
    """The truth of the made-up scan: its world to Colin27's, (4, 4): turned by 6°, 5 % smaller, 30 mm to the side."""
    turn = np.radians(6)
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    matrix[:3, :3] *= 1.05
    matrix[:3, 3] = (-31.0, 4.0, 9.0)
    return matrix


@cache
def scan() -> tuple[NDArray[np.float32], NDArray[np.uint8], GeometryTrail]:
    """A brain of its own shape in [0, 1], its true labels, and a trail on whose grid both scan and model lie."""
    fine = colin27()
    affine = np.diag([4.1, 3.9, 4.0, 1.0])
    affine[:3, 3] = np.linalg.inv(scan_to_colin())[:3, 3] + (-76.0, -110.0, -68.0)
    index = np.indices(SHAPE).reshape(3, -1).astype(np.float64)
    world = affine[:3, :3] @ index + affine[:3, 3:]
    world += 2.5 * np.sin(world[[1, 2, 0]] / 25)  # mm, smooth
    to_voxel = np.linalg.inv(fine.affine) @ scan_to_colin()
    where = to_voxel[:3, :3] @ world + to_voxel[:3, 3:]
    smooth = ndimage.uniform_filter(fine.brain, 3)
    image = ndimage.map_coordinates(smooth, where, order=1).reshape(SHAPE)
    truth = ndimage.map_coordinates(fine.labels, where, order=0).reshape(SHAPE)
    tissue = truth + ndimage.map_coordinates(fine.brain, where, order=0).reshape(SHAPE) > 0
    image = np.where(tissue, np.maximum(image, 1), 0)
    trail = GeometryTrail.unmoved(SHAPE, affine)
    return (image / image.max()).astype(np.float32), truth, trail

"""A second image registered to the scan: a known rotation and shift come back."""

from __future__ import annotations

import numpy as np
import pytest

from parcela.atlas.aal import COLIN27_BRAIN
from parcela.imaging.geometry import Geometry, rotation_degrees
from parcela.imaging.volume import read_volume
from parcela_labelling.register import register_rigidly


def test_given_an_image_that_was_moved_then_the_motion_is_found_and_the_images_are_more_alike() -> (
    None
):
    brain = read_volume(COLIN27_BRAIN)
    data = np.ascontiguousarray(brain.data[::4, ::4, ::4])
    affine = brain.geometry.affine @ np.diag([4.0, 4.0, 4.0, 1.0])
    angle = np.radians(8)
    motion = np.eye(4)  # from the image's world to the scan's
    motion[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    motion[:3, 3] = 6.0, -4.0, 3.0
    scan = Geometry.of_grid(data.shape, affine)
    image = Geometry.of_grid(data.shape, np.linalg.inv(motion) @ affine)

    to_scan, (before, after) = register_rigidly(data, scan, data, image)

    places = np.array([[-60, -90, -40, 1], [60, 70, 70, 1], [0, -20, 10, 1]], float).T
    error_mm = np.linalg.norm(((to_scan - motion) @ places)[:3], axis=0)
    assert rotation_degrees(to_scan[:3, :3]) == pytest.approx(8, abs=0.5)
    assert error_mm.max() < 1.0
    assert after > before + 0.1

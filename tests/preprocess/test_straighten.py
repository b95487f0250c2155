"""A grid tilted against the world's axes: turned upright beyond a threshold, left alone below it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Spacing
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from parcela_preprocess.transforms.straighten import StraightenedSpacingd

SIZE = 24


def tilted(degrees: tuple[float, float, float]) -> tuple[MetaTensor, NDArray[np.float64]]:
    """A box of 20×28×16 mm upright in the world, on a 2 mm grid turned by ``degrees``, and that grid's affine."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix() * 2
    affine[:3, 3] = [5.0, -7.0, 9.0] - affine[:3, :3] @ np.full(3, (SIZE - 1) / 2)
    index = np.indices((SIZE,) * 3).reshape(3, -1)
    world = (affine[:3, :3] @ index + affine[:3, 3:]) - np.array([[5.0], [-7.0], [9.0]])
    inside = (np.abs(world) <= [[10.0], [14.0], [8.0]]).all(axis=0).reshape((SIZE,) * 3)
    image = ndimage.gaussian_filter(inside.astype(np.float32), 0.5)
    return MetaTensor(torch.from_numpy(image[None]), affine=torch.from_numpy(affine)), affine


@pytest.mark.parametrize(
    "degrees", [(30.0, 0, 0), (0, -25.0, 0), (0, 0, 15.0), (20.0, -15.0, 25.0)]
)
def test_given_a_tilted_grid_then_the_image_stands_upright_where_it_lay(
    degrees: tuple[float, float, float],
) -> None:
    image, _ = tilted(degrees)
    done = StraightenedSpacingd("image")({"image": image})
    turned = done["image"]
    np.testing.assert_allclose(np.asarray(turned.affine)[:3, :3], np.eye(3), atol=1e-6)
    inside = np.argwhere(np.asarray(turned[0]) > 0.5) + np.asarray(turned.affine)[:3, 3]
    np.testing.assert_allclose(inside.mean(axis=0), [5.0, -7.0, 9.0], atol=0.5)
    np.testing.assert_allclose(np.ptp(inside, axis=0), [20, 28, 16], atol=3)
    assert "turned upright" in done["notes"][0]


@pytest.mark.parametrize("degrees", [(0.0, 0, 0), (11.6, 0, 0), (5.0, -6.0, 4.0)])
def test_given_a_small_tilt_then_it_is_spacing_and_nothing_else(
    degrees: tuple[float, float, float],
) -> None:
    image, _ = tilted(degrees)
    done = StraightenedSpacingd("image")({"image": image})
    expected = Spacing(pixdim=(1.0, 1.0, 1.0))(image)
    np.testing.assert_array_equal(np.asarray(done["image"]), np.asarray(expected))
    assert "notes" not in done

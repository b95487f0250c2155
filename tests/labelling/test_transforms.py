"""Points go to the atlas and back; ITK's files are read right, in the right direction and the right axes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from labelling.itk_files import GRID, SHAPE, affine_file, warp_file
from parcela_labelling.measures import jacobian_determinant
from parcela_labelling.transforms import AFFINE, INVERSE_WARP, WARP, Field, Transforms


def constant(*vector: float) -> NDArray[np.float32]:
    return np.broadcast_to(np.array(vector, np.float32), (*SHAPE, 3))


def test_given_a_shift_in_lps_when_a_point_is_mapped_then_x_and_y_are_negated() -> None:
    transforms = Transforms({AFFINE: affine_file(np.eye(3), [10.0, 20.0, 30.0], [0.0, 0.0, 0.0])})
    np.testing.assert_allclose(transforms.scan_to_atlas(np.zeros((1, 3))), [[-10.0, -20.0, 30.0]])
    np.testing.assert_allclose(transforms.atlas_to_scan(np.zeros((1, 3))), [[10.0, 20.0, -30.0]])


def test_given_a_turn_about_a_centre_when_the_centre_is_mapped_then_it_only_shifts() -> None:
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    centre_lps = [7.0, -5.0, 3.0]
    transforms = Transforms({AFFINE: affine_file(turn, [1.0, 2.0, 3.0], centre_lps)})
    found = transforms.scan_to_atlas(np.array([[-7.0, 5.0, 3.0]]))  # the centre, in RAS+
    np.testing.assert_allclose(found, [[-8.0, 3.0, 6.0]])


def test_given_a_warp_and_an_affine_when_mapped_then_the_warp_comes_first() -> None:
    files = {AFFINE: affine_file(2 * np.eye(3), [0.0] * 3, [0.0] * 3)}
    files |= {WARP: warp_file(constant(-3, 0, 0)), INVERSE_WARP: warp_file(constant(3, 0, 0))}
    transforms = Transforms(files)
    points = np.array([[1.0, 2.0, 3.0], [-4.0, 0.5, 8.0]])
    there = transforms.scan_to_atlas(points)
    np.testing.assert_allclose(there, 2 * (points + np.array([3.0, 0.0, 0.0])), atol=1e-5)
    np.testing.assert_allclose(transforms.atlas_to_scan(there), points, atol=1e-5)


def test_given_a_point_outside_the_warps_grid_then_the_warp_leaves_it_alone() -> None:
    field = Field(constant(5, 5, 5), GRID)
    far = np.array([[500.0, 0.0, 0.0]])
    np.testing.assert_array_equal(field.move(far), far)


def test_given_the_files_of_a_bundle_when_read_then_they_map_as_before(tmp_path: Path) -> None:
    files = {
        AFFINE: affine_file(np.eye(3), [1.0, 0.0, 0.0], [0.0] * 3),
        WARP: warp_file(constant(0, 4, 0)),
    }
    for name, content in files.items():
        (tmp_path / f"sub-01_{name}").write_bytes(content)
    read = Transforms.read(tmp_path, "sub-01")
    assert read.files == files
    assert read.inverse_warp is None
    np.testing.assert_allclose(read.scan_to_atlas(np.zeros((1, 3))), [[-1.0, -4.0, 0.0]])


def test_given_a_folder_without_transforms_when_read_then_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Transforms.read(tmp_path)


def linear_field(matrix: NDArray[np.float64]) -> Field:
    """The field of the linear map ``matrix`` (RAS+ mm), on the grid."""
    index = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), -1)
    world = index @ GRID[:3, :3].T + GRID[:3, 3]
    return Field((world @ (matrix - np.eye(3)).T * [-1, -1, 1]).astype(np.float32), GRID)


@pytest.mark.parametrize(
    "matrix",
    [
        np.eye(3),
        np.diag([1.2, 0.9, 0.5]),
        np.array([[1.0, 0.4, 0.0], [-0.3, 1.1, 0.2], [0.0, 0.1, 0.8]]),
        np.diag([-1.0, 1.0, 1.0]),
    ],
)
def test_given_a_linear_field_then_its_jacobian_is_the_determinant_everywhere(
    matrix: NDArray[np.float64],
) -> None:
    found = jacobian_determinant(linear_field(matrix))
    np.testing.assert_allclose(found, np.linalg.det(matrix), rtol=1e-4)

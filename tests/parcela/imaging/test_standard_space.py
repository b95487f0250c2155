"""The way to a template's space: in which direction, in which axes, and what the head's size follows from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from parcela.imaging.standard_space import (
    StandardSpace,
    affine_of_itk,
    etiv_mm3,
    itk_affine_file,
)
from parcela.imaging.trail import GeometryTrail, Grid


def some_affine() -> np.ndarray:
    affine = np.eye(4)
    affine[:3] = [[1.1, 0.1, 0.0, 5.0], [-0.2, 0.9, 0.05, -7.0], [0.03, -0.1, 1.2, 11.0]]
    return affine


def test_given_a_template_then_its_voxels_lie_where_the_scan_has_the_same_place() -> None:
    template = Grid(shape=(4, 5, 6), affine=np.diag([-2.0, 2.0, 3.0, 1.0]))
    model = Grid(shape=(3, 3, 3), affine=np.diag([1.5, 1.5, 1.5, 1.0]))
    trail = GeometryTrail(scan=model, model=model, removed_origin_mm=(0, 0, 0), steps=())
    space = StandardSpace(name="T", grid=template, to_template=some_affine())

    placed = space.trail(trail)

    assert placed.scan.shape == (4, 5, 6)
    index = np.array([1.0, 2.0, 3.0, 1.0])
    in_scan = placed.scan.affine @ index
    np.testing.assert_allclose(some_affine() @ in_scan, template.affine @ index)
    np.testing.assert_array_equal(placed.model.affine, model.affine)


def test_given_a_head_half_as_large_in_each_direction_then_its_size_is_an_eighth() -> None:
    assert etiv_mm3(np.eye(4)) == 1_948_106
    assert etiv_mm3(np.diag([2.0, 2.0, -2.0, 1.0])) == pytest.approx(1_948_106 / 8)


def test_given_an_affine_then_its_file_is_itks_and_says_the_same(
    tmp_path: Path,
) -> None:
    import ants

    path = tmp_path / "affine.mat"
    path.write_bytes(itk_affine_file(some_affine()))
    transform = ants.read_transform(str(path))
    point = np.array([3.0, -4.0, 5.0])
    x, y, z = transform.apply_to_point((-point[0], -point[1], point[2]))  # LPS+

    np.testing.assert_allclose([-x, -y, z], (some_affine() @ [*point, 1])[:3])
    read = affine_of_itk(np.asarray(transform.parameters), np.asarray(transform.fixed_parameters))
    np.testing.assert_allclose(read, some_affine())

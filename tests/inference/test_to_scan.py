"""Back to the scan's grid: the one inversion against plain trilinear interpolation written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from parcela.imaging.geometry import Affine
from parcela.imaging.trail import GeometryTrail, Grid
from parcela_inference.block_scores import BlockScores
from parcela_inference.to_scan import to_scan

MODEL_SHAPE = (12, 14, 13)


def trail_of(scan_shape: tuple[int, int, int], scan_affine: Affine) -> GeometryTrail:
    return GeometryTrail(
        scan=Grid(shape=scan_shape, affine=scan_affine),
        model=Grid(shape=MODEL_SHAPE, affine=np.diag([1.4, 1.5, 1.3, 1.0])),
        removed_origin_mm=(0.0, 0.0, 0.0),
        steps=(),
    )


def trilinear(scores: NDArray[np.float32], trail: GeometryTrail) -> NDArray[np.float64]:
    """Every class's scores at every voxel of the scan, (X, Y, Z, C), by scipy; edges held."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in trail.scan.shape], indexing="ij"))
    matrix = trail.scan_to_model()
    where = np.einsum("ij,jxyz->ixyz", matrix[:3, :3], index) + matrix[:3, 3][:, None, None, None]
    inside = np.all(
        [(w >= -0.5) & (w <= n - 0.5) for w, n in zip(where, MODEL_SHAPE, strict=True)], axis=0
    )
    every = [
        ndimage.map_coordinates(scores[..., c], where, order=1, mode="nearest")
        for c in range(scores.shape[-1])
    ]
    found = np.stack(every, -1).astype(np.float64)
    found[~inside] = 0
    return found


AFFINES = {
    "finer": np.array([[0.7, 0, 0, 1.0], [0, 0.8, 0, -0.5], [0, 0, 0.6, 0.3], [0, 0, 0, 1.0]]),
    "permuted and flipped": np.array(
        [[0, 0, -0.9, 14.0], [1.1, 0, 0, 2.0], [0, 0.7, 0, -3.0], [0, 0, 0, 1.0]]
    ),
    "sheared": np.array(
        [[0.9, 0.05, 0.02, 1.0], [0, 1.0, 0.04, 0.0], [0, 0, 0.8, 2.0], [0, 0, 0, 1.0]]
    ),
}


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES.keys())
def test_given_scores_when_taken_to_the_scan_then_labels_are_the_arg_max_of_trilinear_scores(
    affine: Affine,
) -> None:
    trail = trail_of((20, 22, 18), affine)
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.normal(size=(*MODEL_SHAPE, 6)), (1.5, 1.5, 1.5, 0)).astype(
        np.float32
    )
    found = to_scan(BlockScores.of(torch.from_numpy(smooth - smooth.min())), trail)
    expected = trilinear(smooth, trail)
    ranked = np.sort(expected, -1)
    clear = (ranked[..., -1] - ranked[..., -2] > 1e-5) | ~expected.any(-1)
    assert clear.mean() > 0.95
    np.testing.assert_array_equal(found[clear], expected.argmax(-1)[clear])
    assert len(np.unique(found)) == 6


def test_given_a_scan_larger_than_the_model_grid_when_labelled_then_outside_is_background() -> None:
    scores = torch.zeros((*MODEL_SHAPE, 3), dtype=torch.float16)
    scores[..., 2] = 1
    affine = np.diag([1.4, 1.5, 1.3, 1.0])
    affine[:3, 3] = [-4 * 1.4, -4 * 1.5, -4 * 1.3]
    found = to_scan(BlockScores.of(scores), trail_of((20, 22, 21), affine))
    assert (found[4:16, 4:18, 4:17] == 2).all()
    assert (found == 2).sum() == np.prod(MODEL_SHAPE)


def test_given_a_scan_on_the_model_grid_when_labelled_then_it_is_the_plain_arg_max() -> None:
    scores = torch.rand((*MODEL_SHAPE, 7), generator=torch.Generator().manual_seed(1)).half()
    trail = trail_of(MODEL_SHAPE, np.diag([1.4, 1.5, 1.3, 1.0]))
    np.testing.assert_array_equal(to_scan(BlockScores.of(scores), trail), scores.argmax(-1).numpy())

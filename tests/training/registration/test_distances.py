"""Distances to the atlas's regions."""

from __future__ import annotations

import pytest
import torch
from scipy import ndimage

from parcela_inference.registration.atlas_box import atlas_box
from parcela_training.registration.distances import FARTHEST, region_distances


@pytest.mark.parametrize("index", [0, 1, 77, 116])
def test_given_places_then_their_distance_is_the_euclidean_one_and_negative_within(
    index: int,
) -> None:
    box, draw = atlas_box(), torch.Generator().manual_seed(index)
    voxels = (box.first + torch.rand(500, 3, generator=draw) * box.size_mm).floor()
    places = (voxels + 0.5 - box.first) / box.size_mm * 2 - 1
    region = box.labels.numpy() == index
    outside = ndimage.distance_transform_edt(~region)
    i, j, k = voxels.long().T
    expected = torch.from_numpy(outside)[i, j, k].clamp_max(FARTHEST)

    found = region_distances().at(places, torch.full((500,), index))

    torch.testing.assert_close(found.relu(), expected.float(), atol=0.06, rtol=0)
    assert ((found < 0) == torch.from_numpy(region)[i, j, k]).all()


def test_given_a_place_outside_its_region_then_the_gradient_leads_there() -> None:
    box = atlas_box()
    middle = torch.nonzero(box.labels == 77).float().mean(0)
    place = (middle + 0.5 - box.first) / box.size_mm * 2 - 1
    place = (place + torch.tensor([0.0, 0.2, 0.0])).requires_grad_()

    region_distances().at(place[None], torch.tensor([77])).sum().backward()

    assert place.grad is not None
    assert place.grad[1] > 0
    assert place.grad[1] == place.grad.abs().max()

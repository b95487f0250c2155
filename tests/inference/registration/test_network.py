"""The network that registers: image to mapping."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from parcela.atlas.colin27 import colin27
from parcela_inference.networks import build, pad_to_halvings
from parcela_inference.registration.mapping import affine_between, centres, moved
from parcela_inference.registration.network import (
    ATLAS_GRID,
    POSE_GRID,
    RegistrationNetwork,
    aligned,
)

SHAPE = (30, 28, 33)


@pytest.fixture(scope="module")
def network() -> RegistrationNetwork:
    torch.manual_seed(0)
    built = build("warp")
    assert isinstance(built, RegistrationNetwork)
    return built.eval()


@torch.no_grad()
def test_given_an_untrained_network_then_every_place_stays_where_it_is(
    network: RegistrationNetwork,
) -> None:
    image = pad_to_halvings(torch.rand(1, 1, *SHAPE))
    places = centres(SHAPE)
    torch.testing.assert_close(network(image, SHAPE)(places), places)


@torch.no_grad()
def test_given_a_network_that_found_something_then_a_second_pass_begins_with_its_affine_part(
    network: RegistrationNetwork,
) -> None:
    torch.manual_seed(1)
    last = network.deformation.velocities[-1]
    state = {name: value.clone() for name, value in last.state_dict().items()}
    torch.nn.init.normal_(last.weight, std=0.02)  # type: ignore[arg-type]
    image = pad_to_halvings(torch.rand(1, 1, *SHAPE))
    first, found = network.mapping(image, SHAPE, torch.zeros(3, 4)), network(image, SHAPE)
    last.load_state_dict(state)

    assert found.velocity.shape == (3, 24, 32, 28)
    assert first.velocity.abs().max() > 1e-3
    places = centres(POSE_GRID).reshape(-1, 3)
    expected = moved(places, affine_between(places, first(places)))
    torch.testing.assert_close(moved(places, found.affine), expected, atol=1e-4, rtol=0)


@torch.no_grad()
def test_given_an_affine_then_the_image_is_laid_on_the_atlas_as_the_mapping_says() -> None:
    affine = torch.zeros(3, 4)
    affine[:, 3] = torch.tensor([0.2, -0.1, 0.15])
    affine[0, 0] = 0.1
    image = centres(SHAPE)[..., 0] + 2  # tells its own first coordinate
    padded = pad_to_halvings(image[None, None])

    laid = aligned(padded, SHAPE, affine)

    assert laid.shape == ATLAS_GRID
    inside = torch.tensor([[0.1, 0.2, -0.3]])
    target = moved(inside, affine)
    index = ((target / 1.1 + 1) / 2 * torch.tensor(ATLAS_GRID) - 0.5).round().long()[0]
    assert laid[tuple(index)] == pytest.approx(2.1, abs=0.03)


def test_given_the_network_then_its_file_holds_regions_and_nothing_else_of_the_atlas(
    network: RegistrationNetwork,
) -> None:
    held = sum(value.numel() for value in network.state_dict().values())
    learned = sum(parameter.numel() for parameter in network.parameters())
    assert np.array_equal(network.regions.numpy(), colin27().labels)
    assert held == learned + network.regions.numel()

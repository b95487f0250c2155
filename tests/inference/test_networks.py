from __future__ import annotations

from typing import cast

import pytest
import torch

from parcela.imaging.preprocessed import MODEL_SHAPE
from parcela.options import Network
from parcela_inference.networks import (
    PADDED_SHAPE,
    build,
    build_highresnet,
    crop_from_network,
    pad_to_network,
)


@pytest.mark.parametrize(("model", "millions"), [("unet", 5.28), ("highresnet", 0.82)])
def test_given_a_network_when_built_then_it_has_the_thesis_s_size(
    model: Network, millions: float
) -> None:
    count = sum(parameter.numel() for parameter in build(model).parameters())
    assert round(count / 1e6, 2) == millions


def test_given_modern_when_built_then_only_the_last_relu_is_gone() -> None:
    thesis, modern = build_highresnet("thesis"), build_highresnet("modern")
    modern.load_state_dict(thesis.state_dict())
    image = torch.rand(1, 1, 8, 8, 8)
    with torch.no_grad():
        scores = modern.eval()(image)
        assert (scores < 0).any()
        torch.testing.assert_close(thesis.eval()(image), scores.clamp_min(0))


def test_given_a_volume_when_padded_then_zeros_lie_at_the_ends_and_cropping_undoes_it() -> None:
    volume = torch.rand(1, 1, *MODEL_SHAPE)
    padded = pad_to_network(volume)
    assert padded.shape[-3:] == PADDED_SHAPE
    assert padded[..., MODEL_SHAPE[0] :, :, :].abs().max() == 0
    assert torch.equal(crop_from_network(padded), volume)


def test_given_a_wrong_shape_or_name_when_asked_then_it_is_refused() -> None:
    with pytest.raises(ValueError, match="91, 122, 123"):
        pad_to_network(torch.zeros(1, 1, 8, 8, 8))
    with pytest.raises(ValueError, match="96, 128, 128"):
        crop_from_network(torch.zeros(1, 1, 8, 8, 8))
    with pytest.raises(ValueError, match="resnet"):
        build(cast(Network, "resnet"))
    with pytest.raises(ValueError, match="antique"):
        build("highresnet", "antique")  # type: ignore[arg-type]

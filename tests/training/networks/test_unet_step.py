from __future__ import annotations

import torch

from parcela_inference.networks import build_unet
from parcela_inference.unet_layers import top_layers, trunk
from parcela_training.networks.unet_step import activations, class_scores, statistics


def test_given_a_volume_when_its_statistics_are_composed_then_they_equal_the_tensor_s() -> None:
    torch.manual_seed(0)
    unet = build_unet()
    features = torch.randn(1, 32, 6, 8, 10)
    mean, variance = statistics(unet, features)
    raised = top_layers(unet)[0](features)
    torch.testing.assert_close(mean, raised.mean(dim=(2, 3, 4)), atol=1e-5, rtol=1e-5)
    spread = raised.var(dim=(2, 3, 4), correction=0)
    torch.testing.assert_close(variance, spread, atol=1e-5, rtol=1e-4)


def test_given_patches_when_composed_then_they_equal_monai_s_forward_there() -> None:
    torch.manual_seed(0)
    unet = build_unet()
    image = torch.rand(1, 1, 32, 32, 48)
    whole = unet(image)
    features = trunk(unet, image)
    starts, size = [(0, 0, 0), (24, 16, 40), (8, 6, 12)], (8, 16, 8)
    patches = class_scores(
        unet, activations(unet, features, statistics(unet, features), starts, size)
    )
    for (i, j, k), patch in zip(starts, patches, strict=True):
        same = whole[0, :, i : i + 8, j : j + 16, k : k + 8]
        torch.testing.assert_close(patch, same, atol=1e-4, rtol=1e-3)

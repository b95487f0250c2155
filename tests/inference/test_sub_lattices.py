from __future__ import annotations

import torch

from parcela_inference.networks import build_highresnet
from parcela_inference.sub_lattices import OFFSETS, SubLattice, forward_on


def test_given_any_sub_lattice_when_composed_then_scores_equal_monai_s_forward_there() -> None:
    torch.manual_seed(0)
    network = build_highresnet("modern").eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    image = torch.rand(1, 1, 8, 12, 16)
    with torch.no_grad():
        whole = network(image)
        for outer in OFFSETS:
            lattice = SubLattice(outer, OFFSETS)
            scores = forward_on(network, image, lattice, deep=True)
            torch.testing.assert_close(scores, lattice.take(whole), atol=1e-4, rtol=1e-4)


def test_given_a_shallow_step_when_it_goes_back_then_the_first_layers_get_no_gradient() -> None:
    network = build_highresnet("modern")
    lattice = SubLattice.draw(2, torch.Generator().manual_seed(0))
    forward_on(network, torch.rand(1, 1, 8, 8, 8), lattice, deep=False).sum().backward()
    assert all(parameter.grad is None for parameter in network.blocks[:4].parameters())
    assert all(parameter.grad is not None for parameter in network.blocks[4:].parameters())

"""The atlas's regions as the labels of the training images have them: set once the network's weights are learned.

Those labels were opened on each image's own grid, and no opening of the atlas at 1 mm gives the same to every small
region. So each voxel of the atlas gets the label that most images have there.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional

from parcela.atlas.aal import CLASS_COUNT
from parcela_inference.registration.atlas_box import atlas_box
from parcela_inference.registration.mapping import Mapping, nearest
from parcela_inference.registration.network import RegistrationNetwork

REACH = 4  # voxels around the atlas's regions that can be one
VOXELS = 400_000  # at once


@torch.no_grad()
def learn_regions(
    network: RegistrationNetwork,
    heads: Iterable[tuple[Tensor, Tensor]],
    mixed_precision: bool = True,
) -> None:
    """Set a network's regions by training images. A region that would vanish keeps the voxels of the atlas.

    Args:
        network: in evaluation mode.
        heads: padded images, (1, 1, I', J', K'), and their labels, (I, J, K); an odd number, since a vote must not tie.
        mixed_precision: bf16.
    """
    box = atlas_box()
    labelled = (box.labels > 0).float()[None, None]
    near = functional.max_pool3d(labelled, 2 * REACH + 1, 1, REACH)[0, 0] > 0
    places = box.places(near.nonzero().float())
    found = [(_mapping(network, *head, mixed_precision), head[1].cpu()) for head in heads]
    votes = [
        torch.stack([_labels_at(part, *one) for one in found]).mode(dim=0).values
        for part in places.split(VOXELS)
    ]
    regions = torch.zeros_like(box.labels)
    regions[near] = torch.cat(votes)
    held = torch.bincount(regions.flatten(), minlength=CLASS_COUNT)
    for lost in (held == 0).nonzero()[:, 0]:
        regions[box.labels == lost] = lost.to(regions)
    network.regions.copy_(regions)


def _mapping(
    network: RegistrationNetwork, image: Tensor, labels: Tensor, mixed_precision: bool
) -> Mapping:
    i, j, k = labels.shape
    with torch.autocast(image.device.type, torch.bfloat16, enabled=mixed_precision):
        mapping: Mapping = network(image, (i, j, k))
    return mapping.cpu()


def _labels_at(places: Tensor, mapping: Mapping, labels: Tensor) -> Tensor:
    """An image's labels at places in the atlas, (n, 3): (n,)."""
    shape = torch.tensor(labels.shape)
    return nearest(labels, (mapping.back(places) + 1) / 2 * shape - 0.5)

"""The atlas's regions as the labels of the training images have them: set once the network's weights are learned.

Those labels were opened on each image's own grid, and no opening of the atlas at 1 mm gives the same to every small
region. So each voxel of the atlas gets the label that most images have there.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from parcela.atlas.aal import CLASS_COUNT
from parcela_inference.registration.atlas_box import atlas_box
from parcela_inference.registration.mapping import Mapping, nearest
from parcela_inference.registration.network import RegistrationNetwork
from parcela_training.training.samples import Samples

REACH = 4  # voxels around the atlas's regions that can be one
VOXELS = 400_000  # at once


@torch.no_grad()
def learn_regions(
    network: RegistrationNetwork, samples: Samples, images: int, mixed_precision: bool = True
) -> None:
    """Set a network's regions by so many training images, one less where they are even: a vote must not tie.

    A region that would vanish keeps the voxels of the atlas.
    """
    box = atlas_box()
    labelled = (box.labels > 0).float()[None, None]
    near = functional.max_pool3d(labelled, 2 * REACH + 1, 1, REACH)[0, 0] > 0
    places = box.places(near.nonzero().float())
    count = images - 1 + images % 2
    found = [
        _found(network, samples, n * len(samples) // count, mixed_precision) for n in range(count)
    ]
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


def _found(
    network: RegistrationNetwork, samples: Samples, index: int, mixed_precision: bool
) -> tuple[Mapping, Tensor]:
    """Where the places of one image lie in the atlas, and its labels (I, J, K)."""
    sample = samples.get(index)
    i, j, k = sample.shape
    with torch.autocast(sample.image.device.type, torch.bfloat16, enabled=mixed_precision):
        mapping = network(sample.image, sample.shape)
    return mapping.cpu(), sample.label[:i, :j, :k].cpu()


def _labels_at(places: Tensor, mapping: Mapping, labels: Tensor) -> Tensor:
    """An image's labels at places in the atlas, (n, 3): (n,)."""
    shape = torch.tensor(labels.shape)
    return nearest(labels, (mapping.back(places) + 1) / 2 * shape - 0.5)

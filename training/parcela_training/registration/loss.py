"""The loss of the network that registers: a voxel's label says which region of the atlas it must come to lie in."""

from __future__ import annotations

import torch
from torch import Tensor

from parcela.atlas.aal import CLASS_COUNT
from parcela_inference.registration.atlas_box import atlas_box
from parcela_inference.registration.mapping import Mapping, affine_between, centres, moved
from parcela_inference.registration.network import RegistrationNetwork
from parcela_training.augmentation.rng import Draws
from parcela_training.registration.distances import region_distances
from parcela_training.registration.poses import disturbed, pairs

VOXELS = 40_000  # of an image, in a step
SATURATED_MM = 4.0  # a voxel so far off counts half of what it would
FEWEST_DRAWN = 20  # voxels of a class, when its weight is found
SMOOTHNESS = 1.0
POSE_SHARE = 0.003  # so that both networks have gradients of one size


def registration_loss(
    network: RegistrationNetwork, image: Tensor, labels: Tensor, draws: Draws
) -> Tensor:
    """Of both of its networks at once: the pose from the regions' centres, the rest from distances to the regions.

    The second network begins with the pose that the labels give, a little off, so that the two learn side by side.

    Args:
        network: in training or evaluation mode.
        image: (1, 1, I', J', K') in [0, 1], zeros at each axis's end.
        labels: (I, J, K), ids 0–116, on the CPU.
        draws: which voxels count, and how far off the pose is.
    """
    i, j, k = labels.shape
    places, targets = pairs(labels)
    pose = network.pose(image).float()
    wrong_mm = ((moved(places, pose) - targets) * atlas_box().size_mm / 2).norm(dim=-1).mean()
    affine = disturbed(affine_between(places, targets), draws)
    mapping = network.mapping(image, (i, j, k), affine)
    rough = torch.stack([mapping.velocity.diff(dim=axis).square().mean() for axis in (1, 2, 3)])
    total: Tensor = (
        distance_loss(mapping, labels, draws) + SMOOTHNESS * rough.sum() + POSE_SHARE * wrong_mm
    )
    return total


def distance_loss(mapping: Mapping, labels: Tensor, draws: Draws) -> Tensor:
    """Mean over random voxels of the distance (mm, saturated) from their regions, half of it balanced by region.

    A voxel counts as one of the smaller region: its own, or that in which it is found. So what a region loses weighs
    as much as what it takes from its neighbours, and small regions do not grow.
    """
    rows = torch.randint(labels.numel(), (VOXELS,), generator=draws.generator)
    i, j, k = labels.shape
    drawn = labels.flatten()[rows].long()
    mapped = mapping(centres((i, j, k)).flatten(0, 2)[rows])
    found = atlas_box().labels_at(mapped.detach()).long()
    distance = region_distances().at(mapped, drawn).relu()
    counts = torch.bincount(drawn, minlength=CLASS_COUNT).float().clamp_min(FEWEST_DRAWN)
    weight = 0.5 + 0.5 * VOXELS / CLASS_COUNT / torch.minimum(counts[drawn], counts[found])
    saturated: Tensor = distance / (1 + distance / SATURATED_MM)
    return (weight * saturated).mean()

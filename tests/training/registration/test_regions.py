"""The atlas's regions as training labels have them."""

from __future__ import annotations

import torch
from torch import Tensor

from parcela_inference.networks import pad_to_halvings
from parcela_inference.registration.atlas_box import atlas_box
from parcela_inference.registration.mapping import centres
from parcela_inference.registration.network import RegistrationNetwork
from parcela_training.registration.regions import learn_regions

SHAPE = (91, 122, 123)
AMYGDALA, PUTAMEN, THALAMUS = 41, 73, 77


def head(*, whole: bool) -> tuple[Tensor, Tensor]:
    """The atlas on an image's grid, where an untrained network leaves it; whole, or with one region and a half lost.

    The front half of the thalamus is putamen, and the amygdala is background.
    """
    labels = atlas_box().labels_at(centres(SHAPE))
    if not whole:
        front = labels[:, int((labels == THALAMUS).nonzero()[:, 1].median()) :]
        front[front == THALAMUS] = PUTAMEN
        labels[labels == AMYGDALA] = 0
    return pad_to_halvings(atlas_box().image(centres(SHAPE))[None, None]), labels


def test_given_labels_that_differ_from_the_atlas_then_each_voxel_gets_what_most_of_them_say() -> (
    None
):
    network, atlas = RegistrationNetwork().eval(), atlas_box().labels

    heads = [head(whole=False), head(whole=False), head(whole=True)]
    learn_regions(network, heads, mixed_precision=False)

    found = network.regions
    moved = (found == PUTAMEN) & (atlas == THALAMUS)
    assert 0.4 < moved.sum() / (atlas == THALAMUS).sum() < 0.6
    assert torch.equal(
        found == AMYGDALA, atlas == AMYGDALA
    )  # it would be lost: it keeps its voxels
    others = (atlas > 0) & ~torch.isin(atlas, torch.tensor([AMYGDALA, PUTAMEN, THALAMUS]))
    assert (found == atlas)[others].float().mean() > 0.85

"""The atlas's regions as training labels have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from parcela_inference.registration.atlas_box import atlas_box
from parcela_inference.registration.mapping import centres
from parcela_inference.registration.network import RegistrationNetwork
from parcela_training.preparation.prepared_set import PreparedImage
from parcela_training.registration.regions import learn_regions
from parcela_training.training.samples import Samples

SHAPE = (91, 122, 123)
AMYGDALA, PUTAMEN, THALAMUS = 41, 73, 77


def head(file: Path, *, whole: bool) -> Path:
    """The atlas on an image's grid, where an untrained network leaves it; whole, or with one region and a half lost.

    The front half of the thalamus is putamen, and the amygdala is background.
    """
    labels = atlas_box().labels_at(centres(SHAPE)).numpy()
    if not whole:
        _, j, _ = np.nonzero(labels == THALAMUS)
        front = labels[:, int(np.median(j)) :]
        front[front == THALAMUS] = PUTAMEN
        labels[labels == AMYGDALA] = 0
    image = atlas_box().image(centres(SHAPE)).numpy().astype(np.float16)
    PreparedImage(image, labels, labels, np.eye(4), {}).save(file)
    return file


def test_given_labels_that_differ_from_the_atlas_then_each_voxel_gets_what_most_of_them_say(
    tmp_path: Path,
) -> None:
    network, atlas = RegistrationNetwork().eval(), atlas_box().labels
    files = [head(tmp_path / f"{n}.npz", whole=n not in (0, 1)) for n in range(4)]

    learn_regions(network, Samples(files), 4, mixed_precision=False)  # the last has no vote

    found = network.regions
    moved = (found == PUTAMEN) & (atlas == THALAMUS)
    assert 0.4 < moved.sum() / (atlas == THALAMUS).sum() < 0.6
    assert torch.equal(
        found == AMYGDALA, atlas == AMYGDALA
    )  # it would be lost: it keeps its voxels
    others = (atlas > 0) & ~torch.isin(atlas, torch.tensor([AMYGDALA, PUTAMEN, THALAMUS]))
    assert (found == atlas)[others].float().mean() > 0.85

"""The atlas in the box of its brain."""

from __future__ import annotations

import numpy as np
import torch

from parcela.atlas.colin27 import colin27
from parcela_inference.registration.atlas_box import atlas_box
from parcela_inference.registration.mapping import centres


def test_given_the_atlas_then_places_find_its_voxels() -> None:
    box, atlas = atlas_box(), colin27()
    i, j, k = (int(size) for size in box.size_mm)
    first = tuple(int(n) for n in box.first)

    places = centres((i, j, k))

    inner = tuple(slice(a, a + n) for a, n in zip(first, (i, j, k), strict=True))
    assert torch.equal(box.labels_at(places), box.labels[inner])
    brain = atlas.brain[inner]
    np.testing.assert_allclose(box.image(places), brain / brain.max(), atol=1e-4)
    assert not (np.delete(atlas.brain, np.s_[first[0] : first[0] + i], axis=0) > 0).any()


def test_given_the_atlas_then_it_is_opened_a_little_and_no_region_is_lost() -> None:
    labels, atlas = atlas_box().labels.numpy(), colin27().labels
    assert set(np.unique(labels)) == set(np.unique(atlas))
    assert ((labels > 0) == (atlas > 0)).all()
    assert 0.02 < (labels != atlas)[atlas > 0].mean() < 0.12


def test_given_places_beyond_the_atlas_then_they_are_background() -> None:
    far = torch.tensor([[-3.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 0.0]])
    labels = atlas_box().labels_at(far)
    assert labels[:2].tolist() == [0, 0]
    assert atlas_box().image(far)[:2].tolist() == [0, 0]

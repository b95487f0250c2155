"""deepbet in this process against its own call."""

from __future__ import annotations

import numpy as np
import pytest

from parcela.atlas.aal import COLIN27_HEAD
from parcela.errors import StepFailed
from parcela.imaging.volume import read_volume
from parcela_preprocess.deepbet import brain_mask


@pytest.mark.slow  # its networks, twice
def test_given_a_head_in_any_order_of_axes_then_the_mask_is_that_of_deepbets_own_call() -> None:
    from deepbet import BrainExtraction

    scan = read_volume(COLIN27_HEAD)
    canonical = np.ascontiguousarray(scan.data[::2, ::2, ::2])  # Colin27 is RAS+
    extraction = BrainExtraction(no_gpu=True)
    expected = extraction.postprocess(extraction.run_model(canonical.copy()) > 0.5)
    turned = np.ascontiguousarray(np.moveaxis(canonical[:, ::-1], 2, 0))  # SRP
    affine = np.array([[0, 2, 0, 0], [0, 0, -2, 0], [2, 0, 0, 0], [0, 0, 0, 1]], float)
    mask = np.moveaxis(brain_mask(turned, affine), 0, 2)[:, ::-1]
    assert mask.sum() > 100_000
    assert (mask != (expected > 0)).sum() <= 10


def test_given_nothing_but_air_then_it_is_said_that_there_is_no_brain() -> None:
    with pytest.raises(StepFailed, match="deepbet found no brain"):
        brain_mask(np.zeros((8, 9, 10), np.float32), np.eye(4))

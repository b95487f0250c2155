"""Shares of tissues: whole in every voxel of the mask, and counted by region."""

from __future__ import annotations

import numpy as np
import pytest

from parcela.imaging.tissues import TISSUES, WHOLE, shares_of, tissue_volumes_mm3


def test_given_memberships_then_shares_are_whole_in_the_mask_and_none_outside() -> None:
    rng = np.random.default_rng(0)
    memberships = rng.dirichlet((1, 1, 1), (5, 6, 7)).astype(np.float32).transpose(3, 0, 1, 2)
    mask = rng.random((5, 6, 7)) > 0.3

    shares = shares_of(memberships, mask)

    np.testing.assert_array_equal(shares.sum(0, dtype=int), WHOLE * mask)
    assert np.abs(shares / WHOLE - memberships * mask).max() < 1.01 / WHOLE


def test_given_shares_then_each_regions_tissues_add_up_to_its_volume() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 117, (6, 7, 8)).astype(np.uint8)
    memberships = rng.dirichlet((1, 1, 1), labels.shape).astype(np.float32).transpose(3, 0, 1, 2)
    shares = shares_of(memberships, np.ones(labels.shape, np.bool_))

    volumes = tissue_volumes_mm3(shares, labels, 2.5)

    assert tuple(volumes) == TISSUES
    for index in (0, 3, 116):
        assert volumes["grey"][index] == pytest.approx(shares[1][labels == index].sum() * 2.5 / 255)
    together = sum(volumes.values())
    np.testing.assert_allclose(together, np.bincount(labels.ravel(), minlength=117) * 2.5)

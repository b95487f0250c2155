"""Class scores: what they are, and in what precision they are computed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from parcela.atlas.aal import CLASS_COUNT
from parcela.imaging.preprocessed import MODEL_SHAPE
from parcela.settings import settings
from parcela_inference import scores


@pytest.fixture
def computed_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[torch.dtype]]:
    """The type of every result of a network of one layer that stands in for the shipped ones."""
    found: list[torch.dtype] = []
    layer = nn.Conv3d(1, CLASS_COUNT, 1).requires_grad_(False)

    def note(_layer: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        found.append(output.dtype)

    layer.register_forward_hook(note)
    monkeypatch.setattr(scores, "network", lambda *_: layer)
    yield found
    settings.cache_clear()


@pytest.mark.parametrize(
    ("precision", "expected"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_given_a_precision_then_the_convolutions_have_it_and_the_scores_16_bits(
    precision: str,
    expected: torch.dtype,
    computed_in: list[torch.dtype],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PARCELA_TORCH_PRECISION", precision)
    settings.cache_clear()

    found = scores.class_scores(np.ones(MODEL_SHAPE, np.float32), "unet")

    assert computed_in == [expected]
    assert (tuple(found.shape), found.dtype) == ((*MODEL_SHAPE, CLASS_COUNT), torch.float16)
    torch.testing.assert_close(found[0, 0, 0].sum().float(), torch.tensor(1.0), atol=0.01, rtol=0)

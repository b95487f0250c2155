"""Class scores: what they are, and in what precision they are computed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from parcela.atlas.aal import CLASS_COUNT, COLIN27_BRAIN
from parcela.errors import BadRequest
from parcela.imaging.preprocessed import MODEL_SHAPE
from parcela.imaging.volume import read_volume
from parcela.options import Device
from parcela.settings import settings
from parcela_inference import scores
from parcela_inference.block_scores import BlockScores
from parcela_inference.networks import build_highresnet, build_unet, pad_to_halvings
from parcela_preprocess.preprocess import preprocess
from parcela_training.hardware import training_device


@pytest.fixture
def computed_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[torch.dtype]]:
    """The type of every result of a network of one layer that stands in for the shipped ones."""
    found: list[torch.dtype] = []
    layer = nn.Conv3d(1, CLASS_COUNT, 1).requires_grad_(False)
    cast(Tensor, layer.bias).copy_(10 * torch.arange(CLASS_COUNT))

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

    held = scores.class_scores(np.ones(MODEL_SHAPE, np.float32), "unet", exact=True)

    assert computed_in == [expected]
    found = held.dense()
    assert (tuple(found.shape), found.dtype) == ((*MODEL_SHAPE, CLASS_COUNT), torch.float16)
    torch.testing.assert_close(found[0, 0, 0].sum().float(), torch.tensor(1.0), atol=0.01, rtol=0)
    assert (found.argmax(-1) == CLASS_COUNT - 1).all()


@pytest.mark.parametrize(
    ("there", "asked", "expected"),
    [
        (("cuda", "mps"), "auto", "cuda"),
        (("mps",), "auto", "mps"),
        ((), "auto", "cpu"),
        (("cuda", "mps"), "cpu", "cpu"),
        (("cuda", "mps"), "mps", "mps"),
    ],
)
def test_given_what_is_there_then_the_device_is_the_one_asked_for_or_the_fastest(
    there: tuple[str, ...], asked: Device, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in scores.ACCELERATORS:
        monkeypatch.setitem(scores.ACCELERATORS, name, partial(there.__contains__, name))

    assert scores.choose_device(asked) == expected
    if asked == "auto":  # nobody has trained on Apple's GPU
        assert training_device() == expected.replace("mps", "cpu")


@pytest.mark.parametrize("asked", ["cuda", "mps", "abacus"])
def test_given_a_device_that_is_not_there_then_it_is_refused(
    asked: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in scores.ACCELERATORS:
        monkeypatch.setitem(scores.ACCELERATORS, name, lambda: False)

    with pytest.raises(BadRequest, match=asked):
        scores.choose_device(asked)
    with pytest.raises(BadRequest, match=asked):
        training_device(asked)


def test_given_an_apple_gpu_that_lacks_transposed_convolutions_then_the_processor_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lacking(*_: object) -> None:
        raise NotImplementedError("ConvTranspose 3D is not supported on MPS")

    zeros = torch.zeros
    monkeypatch.setattr(torch, "zeros", lambda *shape, **_: zeros(*shape))  # none of the GPU's
    monkeypatch.setitem(scores.ACCELERATORS, "cuda", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert scores.choose_device() == "mps"

    monkeypatch.setattr(torch.nn.functional, "conv_transpose3d", lacking)
    assert scores.choose_device() == "cpu"


def test_given_highresnet_then_its_scores_by_sub_lattices_are_monais_on_any_grid() -> None:
    torch.manual_seed(0)
    net = build_highresnet("modern").eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    image = np.random.default_rng(0).random((13, 10, 15), np.float32)

    held = scores.class_scores(image, "highresnet", trained=net)
    by_lattices = held.dense()

    with torch.no_grad():
        monais = net(pad_to_halvings(torch.from_numpy(image)[None, None]))[0].softmax(0)
    expected = monais[:, :13, :10, :15].movedim(0, -1)
    torch.testing.assert_close(by_lattices.float(), expected, atol=1e-6, rtol=1e-3)  # 16 bits
    assert expected.amax() > 20 * expected.mean()  # scores that are all alike would show nothing


@pytest.mark.slow
def test_given_the_shipped_unet_then_its_map_by_blocks_is_monais_but_for_one_voxel_in_ten_thousand() -> (
    None
):
    brain = preprocess(read_volume(COLIN27_BRAIN), preprocess=False).image
    by_blocks = scores.class_scores(brain, "unet")
    exact = scores.class_scores(brain, "unet", exact=True)
    (_, labels), (_, expected) = by_blocks.highest(), exact.highest()
    assert (by_blocks.way, exact.way) == ("plausible classes", "network")
    assert (labels != expected).sum() <= 1e-4 * (expected > 0).sum()


def test_given_a_head_that_does_not_fit_the_table_then_the_plain_network_labels_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unet = build_unet().eval().requires_grad_(False)
    monkeypatch.setattr(scores, "network", lambda *_: unet)
    asked: list[float] = []

    def by_blocks(*_: object) -> tuple[BlockScores, float]:
        return BlockScores(MODEL_SHAPE, "plausible classes"), asked[-1]

    def at_once(_net: object, _image: object, dense: Tensor) -> None:
        dense.zero_()[..., 0] = 1

    monkeypatch.setattr(scores, "class_scores_by_blocks", by_blocks)
    monkeypatch.setattr(scores, "_class_scores_at_once", at_once)
    ways = {}
    for outside in (scores.MOST_OUTSIDE, 2 * scores.MOST_OUTSIDE):
        asked.append(outside)
        ways[outside] = scores.class_scores(np.ones(MODEL_SHAPE, np.float32), "unet").way
    assert list(ways.values()) == ["plausible classes", "network"]

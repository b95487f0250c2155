"""The kit for a bare machine with a GPU: images that travel, wheels that are fetched once, results light enough."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from parcela.errors import BadRequest
from parcela_benchmarks.gpu import pack as packing
from parcela_benchmarks.gpu import pieces
from parcela_benchmarks.gpu.convolutions import by_space_to_batch, convolution_times, dilated
from parcela_benchmarks.gpu.pack import WHEELS, pack, unpack
from parcela_benchmarks.gpu.pieces import bring_back, can_go_on
from parcela_benchmarks.gpu.volumes import LEVELS, pack_image, unpack_image
from parcela_training.preparation.prepared_set import PreparedImage, PreparedSet
from parcela_training.training.budget import Budget
from parcela_training.training.presets import demo
from parcela_training.training.record import load_network
from parcela_training.training.train import train
from training.prepared_images import SMALL, made_up_cohort, made_up_image


@pytest.fixture
def cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PreparedSet:
    """Prepared images, where wheels are made up."""

    def fetch(folder: Path, python: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"made_up-1-py{python}.whl").write_bytes(bytes(1000))

    monkeypatch.setattr(packing, "fetch_wheels", fetch)
    return made_up_cohort(tmp_path / "prepared", parts={"train": 6, "val": 2, "test": 1})


def test_given_an_image_when_packed_then_it_comes_back_within_half_a_grey_level(
    tmp_path: Path,
) -> None:
    image = replace(
        made_up_image(3),
        image=np.random.default_rng(0).random(SMALL).astype(np.float16),
    )
    pack_image(image, tmp_path / "one")
    found = unpack_image(tmp_path / "one")

    worst = np.abs(found.image.astype(float) - image.image.astype(float)).max()
    assert 0 < worst <= 0.5 / (LEVELS - 1) + 1e-3
    np.testing.assert_array_equal(found.label, image.label)
    np.testing.assert_array_equal(found.affine, image.affine)


def test_given_cohorts_of_two_masks_when_packed_then_images_come_from_each_by_turns(
    cohort: PreparedSet, tmp_path: Path
) -> None:
    other = made_up_cohort(tmp_path / "other", parts={"train": 6, "val": 2, "test": 1})
    for row in other.rows:  # a network could not tell these from the first ones otherwise
        file = other.folder / row["file"]
        prepared = PreparedImage.load(file)
        replace(prepared, image=np.zeros_like(prepared.image)).save(file)

    assert pack([cohort, other], tmp_path / "kit", 1.0, "3.12") == 8
    found = unpack(tmp_path / "kit", tmp_path / "there")

    images = {
        part: [PreparedImage.load(f).image for f in found.files(part)] for part in ("train", "val")
    }
    assert [bool(image.any()) for image in images["val"]] == [True, True]
    assert sorted(bool(image.any()) for image in images["train"]) == [False] * 3 + [True] * 3
    assert PreparedSet.read(tmp_path / "there").shape == SMALL
    assert not found.files("test")


def test_given_little_room_when_packed_then_what_fits_is_taken_and_nothing_is_an_error(
    cohort: PreparedSet, tmp_path: Path
) -> None:
    kit = tmp_path / "kit"
    pack([cohort], kit, 1.0, "3.12")
    weights = sorted(file.stat().st_size for file in kit.rglob("*.packed.npz"))
    room = (1000 + sum(weights[-4:]) + 10) / 1e6

    assert 3 <= pack([cohort], kit, room, "3.12") < 8
    assert sum(file.stat().st_size for file in kit.rglob("*.packed.npz")) + 1000 <= room * 1e6
    assert [file.name for file in (kit / WHEELS).iterdir()] == ["made_up-1-py3.12.whl"]
    with pytest.raises(BadRequest, match="hold no training image"):
        pack([cohort], kit, 0.002, "3.12")


@pytest.mark.parametrize("dilation", [2, 4])
def test_given_a_dilated_convolution_when_done_on_sub_lattices_then_it_is_the_same(
    dilation: int,
) -> None:
    draw = torch.Generator().manual_seed(0)
    image = torch.randn(1, 3, 8, 12, 16, generator=draw)
    kernel = torch.randn(3, 3, 3, 3, 3, generator=draw)
    torch.testing.assert_close(
        by_space_to_batch(image, kernel, dilation),
        dilated(image, kernel, dilation),
        rtol=1e-4,
        atol=1e-4,
    )


def test_given_small_volumes_when_timed_then_every_way_has_a_row() -> None:
    rows = convolution_times("cpu", (4, 4, 4), 2)
    assert len(rows) == 2 * 2 * 3 * 2
    assert all(row["seconds"] > 0 for row in rows)
    assert {row["layout"] for row in rows} == {"contiguous_format", "channels_last_3d"}


@pytest.mark.slow
def test_given_a_checkpoint_that_is_too_large_when_brought_back_then_it_still_holds_the_network(
    cohort: PreparedSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, back = tmp_path / "work", tmp_path / "back"
    recipe = replace(demo("highresnet"), norm_images=1)
    train(recipe, cohort, work / "highresnet", budget=Budget(steps=1))
    file = "highresnet/checkpoint.pt"
    bring_back(work, back)
    assert can_go_on(back / file)
    assert (back / file).read_bytes() == (work / file).read_bytes()

    monkeypatch.setattr(pieces, "LARGEST_FILE", 1000)
    bring_back(work, back)

    assert can_go_on(work / file)
    assert not can_go_on(back / file)
    assert (back / file).stat().st_size < (work / file).stat().st_size / 4
    weights = load_file(back / "highresnet" / "network.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float16, torch.int64}
    whole, light = (load_network(folder / "highresnet").state_dict() for folder in (work, back))
    for name, value in whole.items():
        torch.testing.assert_close(light[name], value, rtol=1e-3, atol=1e-4)

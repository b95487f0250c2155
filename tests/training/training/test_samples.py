from __future__ import annotations

from pathlib import Path

import pytest
import torch

from parcela.errors import BadRequest
from parcela_training.augmentation.augment import Augmentation
from parcela_training.augmentation.rng import Draws, order
from parcela_training.training.samples import OUTSIDE, Samples
from training.prepared_images import made_up_cohort


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    shape = (20, 33, 32)
    return Samples(made_up_cohort(tmp_path / "p", shape, parts={"train": 5}).files("train"))


def test_given_a_volume_when_padded_then_its_end_is_empty_and_marked(samples: Samples) -> None:
    sample = samples.get(0)
    assert sample.shape == samples.shape == (20, 33, 32)
    assert sample.image.shape == (1, 1, 32, 48, 32)
    assert (sample.label[20:] == OUTSIDE).all()
    assert (sample.label[:, 33:] == OUTSIDE).all()
    assert (sample.label[:20, :33] != OUTSIDE).all()
    assert not sample.image[0, 0, 20:].any()


def test_given_an_epoch_then_every_image_comes_once_in_an_order_of_its_own(
    samples: Samples,
) -> None:
    images = {samples.get(index).image.sum().item(): index for index in range(5)}
    places = [images[samples.at(place, 7, None).image.sum().item()] for place in range(15)]
    epochs = [places[start : start + 5] for start in (0, 5, 10)]
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1
    assert epochs[0] == order(5, 1, 7, 0)


def test_given_a_place_when_drawn_again_then_it_is_the_same_whatever_came_before(
    samples: Samples,
) -> None:
    how = Augmentation()
    first = samples.at(8, 0, how)
    samples.at(3, 0, how)
    again, other = samples.at(8, 0, how), samples.at(8, 1, how)
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.label, again.label)
    assert not torch.equal(first.image, other.image)


def test_given_two_preparations_then_each_epoch_draws_one_of_an_image_and_one_alone_stays(
    tmp_path: Path,
) -> None:
    one = made_up_cohort(tmp_path / "a", parts={"train": 4}).files("train")
    other = made_up_cohort(tmp_path / "b", parts={"val": 4, "train": 3}).files("train")
    both = Samples(one, others=dict(zip(one[:3], ([file] for file in other), strict=True)))
    sums = [[Samples([file]).get(0).image.sum().item() for file in files] for files in (one, other)]

    drawn = [both.at(place, 3, None).image.sum().item() for place in range(64)]

    assert [both.get(index).image.sum().item() for index in range(4)] == sums[0]
    for first, second in zip(sums[0][:3], sums[1], strict=True):
        assert drawn.count(first) + drawn.count(second) == 16
        assert min(drawn.count(first), drawn.count(second)) >= 3
    assert drawn.count(sums[0][3]) == 16
    assert drawn[:5] == [both.at(place, 3, None).image.sum().item() for place in range(5)]


def test_given_two_seeds_then_draws_differ_and_repeat() -> None:
    assert Draws(1, 2).uniform() == Draws(1, 2).uniform() != Draws(2, 1).uniform()
    assert torch.equal(Draws(5).normal(3), Draws(5).normal(3))


def test_given_no_files_then_it_says_what_to_do() -> None:
    with pytest.raises(BadRequest, match="run parcela prepare first"):
        Samples([])


def test_given_two_grids_then_they_are_named(tmp_path: Path) -> None:
    one = made_up_cohort(tmp_path / "a", (20, 32, 32), parts={"train": 1})
    two = made_up_cohort(tmp_path / "b", (32, 32, 32), parts={"train": 1})
    with pytest.raises(BadRequest, match=r"\(20, 32, 32\), \(32, 32, 32\)"):
        Samples(one.files("train") + two.files("train"))

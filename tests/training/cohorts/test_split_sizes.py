from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcela.errors import BadRequest
from parcela_training.cohorts.split_sizes import SPLIT_PRESETS, Sizes, parse_sizes, preset_sizes


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("150/25/25", Sizes(150, 25, 25)),
        ("3/1/1", Sizes(3, 1, 1)),
        ("1/1/1", Sizes(1, 1, 1)),
        ("0.75 / 0.125 / 0.125", Sizes(0.75, 0.125, 0.125, "fractions")),
        ("50%/25%/25%", Sizes(0.5, 0.25, 0.25, "fractions")),
    ],
)
def test_given_counts_or_fractions_when_parsed_then_they_are_told_apart(
    text: str, sizes: Sizes
) -> None:
    assert parse_sizes(text) == sizes


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("150/25", "not three numbers"),
        ("a/b/c", "not three numbers"),
        ("", "not three numbers"),
        ("50%/25/25", "not three numbers"),
        ("150/0/25", "leaves a part empty"),
        ("-1/2/3", "leaves a part empty"),
        ("nan/1/1", "leaves a part empty"),
        ("inf/1/1", "leaves a part empty"),
        ("0.5/0.2/0.2", "sums to 0.9"),
        ("60%/30%/30%", "sums to 120"),
        ("1.5/2/3", "has parts of images"),
    ],
)
def test_given_anything_else_when_parsed_then_the_message_says_what_to_write(
    text: str, fault: str
) -> None:
    with pytest.raises(BadRequest, match=f"{fault}.*150/25/25.*0.75/0.125/0.125"):
        parse_sizes(text)


@given(st.integers(3, 5000), st.tuples(*[st.integers(1, 98)] * 3))
def test_given_fractions_when_counted_then_all_images_are_dealt_and_no_part_is_empty(
    images: int, shares: tuple[int, int, int]
) -> None:
    train, val, test = (share / sum(shares) for share in shares)
    counts = Sizes(train, val, test, "fractions").counts(images)
    assert sum(counts) == images
    assert min(counts) >= 1
    if images >= 300:
        assert max(abs(n - s * images) for n, s in zip(counts, (train, val, test), strict=True)) < 3


def test_given_fewer_images_than_asked_then_the_message_counts_both() -> None:
    with pytest.raises(BadRequest, match="found 199 images; a split 150/25/25 needs 200"):
        Sizes(150, 25, 25).counts(199)


@pytest.mark.parametrize(
    ("images", "preset", "message"),
    [
        (200, "thesis", r"needs 1600 \(1200/200/200\): --preset modern .* or demo .* fits; or"),
        (10, "thesis", r"found 10 images of 9 subjects; .*: --preset modern \([^)]*\) fits; or"),
        (7, "modern", "needs 8 .*: no preset fits so few; or give --split"),
        (19, "demo", r"needs 20 \(12/4/4\): --preset modern \([^)]*\) fits"),
    ],
)
def test_given_too_few_images_for_a_preset_then_the_message_says_how_many_and_which_fits(
    images: int, preset: str, message: str
) -> None:
    with pytest.raises(BadRequest, match=message):
        preset_sizes(preset, images, 9)


@pytest.mark.parametrize("preset", SPLIT_PRESETS)
def test_given_just_enough_images_then_the_preset_gets_its_sizes(preset: str) -> None:
    least = SPLIT_PRESETS[preset].least
    sizes = preset_sizes(preset, least, least)
    assert sizes == SPLIT_PRESETS[preset].sizes
    assert sum(sizes.counts(least)) == least


def test_given_an_unknown_preset_then_the_known_ones_are_named() -> None:
    with pytest.raises(BadRequest, match="no preset 'best': choose from thesis, modern, demo"):
        preset_sizes("best", 100, 100)

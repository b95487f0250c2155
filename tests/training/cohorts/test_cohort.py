from __future__ import annotations

from pathlib import Path

import pytest

from parcela.errors import BadRequest
from parcela_training.cohorts.cohort import Cohort, Image, listed, part_named, unique_ids


def test_given_wishes_that_differ_only_in_odd_letters_then_the_ids_are_unique_and_stay() -> None:
    pairs = [("a b", "x/1"), ("a/b", "x/2"), ("A-B", "x/3"), ("c", "x/4"), ("ä", "x/5")]
    ids = unique_ids(pairs)
    assert len({name.casefold() for name in ids}) == 5
    assert ids[3] == "c"
    assert all(name.isascii() and "/" not in name and " " not in name for name in ids)
    assert unique_ids(pairs[::-1]) == ids[::-1]


def test_given_two_images_with_one_id_then_they_are_no_cohort() -> None:
    images = (Image("a", Path("1.nii"), "s"), Image("A", Path("2.nii"), "t"))
    with pytest.raises(ValueError, match="not unique: a"):
        Cohort(images, "two", Path())


def test_given_several_images_of_a_subject_then_the_subject_has_them_all_and_its_columns() -> None:
    images = tuple(Image(f"i{k}", Path(f"{k}.nii"), f"s{k % 2}") for k in range(5))
    cohort = Cohort(images, "five", Path(), columns={"s1": {"age": "40"}})
    first, second = cohort.subjects()
    assert [image.id for image in first.images] == ["i0", "i2", "i4"]
    assert (first.columns, second.columns) == ({}, {"age": "40"})


@pytest.mark.parametrize(
    ("text", "part"),
    [("train", "train"), ("Validation", "val"), ("dev", "val"), ("TEST", "test"), ("", None)],
)
def test_given_a_cell_of_a_split_column_then_it_names_its_part(text: str, part: str | None) -> None:
    assert part_named(text, "row 1") == part


def test_given_an_unknown_part_then_the_message_says_where_and_what_to_write() -> None:
    with pytest.raises(BadRequest, match="row 7: the split 'holdout' is unknown: write train"):
        part_named("holdout", "row 7")


def test_given_many_names_when_listed_then_the_rest_is_counted() -> None:
    assert listed("abc") == "a, b, c"
    assert listed("abcdefg") == "a, b, c, d, e and 2 more"

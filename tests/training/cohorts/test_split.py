from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cohort_files import adni, scan
from parcela.errors import BadRequest
from parcela_training.cohorts.adni import read_adni
from parcela_training.cohorts.cohort import PARTS, Cohort, Image
from parcela_training.cohorts.split import Split, split_cohort, write_split
from parcela_training.cohorts.split_sizes import Sizes
from parcela_training.cohorts.split_subjects import nearest_subset
from parcela_training.cohorts.table import read_table
from parcela_training.options import Part


def cohort_of(visits: list[int], datasets: str = "X", *, split: str = "") -> Cohort:
    """Subject k has ``visits[k]`` images and the data set and part that the letters name, in turn."""
    named: dict[str, Part] = {"r": "train", "v": "val", "t": "test"}
    images = [
        Image(
            id=f"s{subject:04d}_{visit}",
            path=Path("none.nii"),
            subject=f"s{subject:04d}",
            dataset=datasets[subject % len(datasets)],
            split=named.get(split[subject]) if split else None,
        )
        for subject, count in enumerate(visits)
        for visit in range(count)
    ]
    return Cohort(tuple(images), "made up", Path())


def people(split: Split, part: Part) -> set[str]:
    return {image.subject for image in split.images(part)}


@given(st.lists(st.integers(1, 6), min_size=8, max_size=40), st.integers(0, 99))
def test_given_subjects_with_several_images_when_split_then_nobody_is_in_two_parts(
    visits: list[int], seed: int
) -> None:
    split = split_cohort(cohort_of(visits), seed=seed)
    assert all(split.images(part) for part in PARTS)
    assert not any(people(split, a) & people(split, b) for a, b in combinations(PARTS, 2))
    assert split.leak().subjects == ()
    assert sum(split.counts().values()) == sum(visits)
    assert split.asked
    wanted = split.asked.counts(sum(visits))
    off = [abs(n - m) for n, m in zip(split.counts().values(), wanted, strict=True)]
    assert max(off[1:]) <= max(visits)
    assert split.warnings == ()


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 60))
def test_given_sizes_and_a_target_then_no_other_subset_comes_nearer(
    sizes: list[int], target: int
) -> None:
    chosen = nearest_subset(sizes, target)
    sums = {sum(c) for n in range(1, len(sizes) + 1) for c in combinations(sizes, n)}
    assert chosen
    assert abs(sum(sizes[i] for i in chosen) - target) == min(abs(s - target) for s in sums)


def test_given_many_subjects_and_a_large_target_then_the_sum_is_exact() -> None:
    sizes = [1 + (7 * k) % 5 for k in range(40_000)]
    assert sum(sizes[i] for i in nearest_subset(sizes, 30_001)) == 30_001


def test_given_a_seed_when_split_twice_then_it_repeats_wherever_the_files_lie() -> None:
    cohort = cohort_of([1, 2, 3] * 20)
    moved = tuple(replace(i, path=Path("/elsewhere") / i.path) for i in reversed(cohort.images))
    once, twice = (
        split_cohort(c, seed=4) for c in (cohort, Cohort(moved, "other", Path("/elsewhere")))
    )
    assert once.parts == twice.parts
    assert once.parts != split_cohort(cohort, seed=5).parts


def test_given_two_data_sets_when_split_then_each_part_has_its_share_of_both() -> None:
    split = split_cohort(cohort_of([1] * 200, "XXXXY"), asked=Sizes(150, 25, 25))
    assert split.counts() == {"train": 150, "val": 25, "test": 25}
    shares = {part: Counter(i.dataset for i in split.images(part))["Y"] for part in PARTS}
    assert abs(shares["test"] - 5) <= 1
    assert abs(shares["val"] - 5) <= 1
    assert sum(shares.values()) == 40


def test_given_fewer_asked_than_there_are_when_split_then_the_rest_is_counted() -> None:
    split = split_cohort(cohort_of([1] * 30), preset="demo")
    assert split.counts() == {"train": 12, "val": 4, "test": 4}
    assert split.warnings == ("10 of 30 images are in no part and not used",)


def test_given_counts_that_subjects_cannot_meet_when_split_then_the_warning_says_what_came() -> (
    None
):
    split = split_cohort(cohort_of([4] * 5), asked=Sizes(11, 4, 5))
    assert split.counts() == {"train": 12, "val": 4, "test": 4}
    assert split.warnings == (
        "asked for 11/4/5 images, got 12/4/4: subjects with several images are not divided",
    )


def test_given_three_subjects_when_split_then_each_part_gets_one() -> None:
    split = split_cohort(cohort_of([1, 5, 9]), asked=Sizes(1, 7, 7))
    assert sorted(split.counts().values()) == [1, 5, 9]


def test_given_images_of_two_subjects_when_split_then_the_message_says_what_is_needed() -> None:
    with pytest.raises(BadRequest, match=r"20 images of 2 subjects: .* needs three at least"):
        split_cohort(cohort_of([10, 10]))


def test_given_too_few_images_when_split_then_the_preset_that_fits_is_named() -> None:
    with pytest.raises(BadRequest, match="found 30 images of 10 subjects; the preset thesis needs"):
        split_cohort(cohort_of([3] * 10), preset="thesis")


def test_given_a_split_column_when_split_then_it_is_honoured_whatever_the_preset() -> None:
    cohort = cohort_of([2, 1, 1], split="rvt")
    split = split_cohort(cohort, preset="thesis")
    assert (split.by, split.seed) == ("column", None)
    assert split.counts() == {"train": 2, "val": 1, "test": 1}
    assert {i.id: i.split for p in PARTS for i in split.images(p)} == split.parts
    assert split.warnings == ()


def test_given_a_split_column_and_an_explicit_split_then_the_explicit_one_counts() -> None:
    split = split_cohort(cohort_of([2, 1, 1], split="rvt"), asked=Sizes(1, 1, 2))
    assert split.by == "subject"
    assert split.counts() == {"train": 1, "val": 1, "test": 2}


def test_given_a_split_column_with_gaps_then_it_is_an_error_that_counts_them() -> None:
    with pytest.raises(BadRequest, match=r"1 of 4 images have no split .* \(s0002_0\)"):
        split_cohort(cohort_of([1, 1, 1, 1], split="rv-t"))


def test_given_a_split_column_without_a_test_part_then_it_is_an_error() -> None:
    with pytest.raises(BadRequest, match="no image in test"):
        split_cohort(cohort_of([1, 1, 1], split="rvv"))


def test_given_a_split_column_that_leaks_then_the_warning_counts_it() -> None:
    base = cohort_of([3, 1], split="rv")
    images = [replace(i, split="test") if i.id == "s0000_2" else i for i in base.images]
    split = split_cohort(Cohort(tuple(images), "leaks", Path()))
    assert split.leak().subjects == ("s0000",)
    assert "1 of 2 subjects are in more than one part (3 images); 1 of the 2" in split.warnings[0]


def test_given_a_split_when_written_and_read_then_it_is_the_cohorts_own(tmp_path: Path) -> None:
    images = [
        Image(f"i{k}", scan(tmp_path / f"{k}.nii"), f"s{k // 2}", dataset="X") for k in range(20)
    ]
    split = split_cohort(Cohort(tuple(images), "twenty", tmp_path), asked=Sizes(10, 4, 4))
    write_split(tmp_path / "split.tsv", split)
    again = split_cohort(read_table(tmp_path / "split.tsv"))
    assert again.parts == split.parts
    assert again.by == "column"


def visits_of_1600() -> list[int]:
    """400 subjects with one to seven images each, 1,600 in all."""
    return [1 + (3 * k) % 7 for k in range(399)] + [1600 - sum(1 + (3 * k) % 7 for k in range(399))]


@pytest.fixture(scope="module")
def adni_1600(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    visits = visits_of_1600()
    assert (sum(visits), min(visits) > 0) == (1600, True)
    return read_adni(adni(tmp_path_factory.mktemp("adni"), visits))


def test_given_1600_images_of_400_subjects_when_split_by_image_then_the_leak_is_counted(
    adni_1600: Cohort,
) -> None:
    split = split_cohort(adni_1600, preset="thesis", by="image")
    assert split.counts() == {"train": 1200, "val": 200, "test": 200}
    leak = split.leak()
    everyone = {name for part in PARTS for name in people(split, part)}
    twice = {
        name for a, b in combinations(PARTS, 2) for name in people(split, a) & people(split, b)
    }
    assert len(everyone) == 400
    assert set(leak.subjects) == twice
    assert leak.images == sum(image.subject in twice for image in adni_1600.images)
    trained = people(split, "train")
    seen = [i for part in ("val", "test") for i in split.images(part) if i.subject in trained]
    assert leak.tested_on == len(seen) > 300
    (warning,) = split.warnings
    assert (
        f"{len(twice)} of 400 subjects are in more than one part ({leak.images} images)" in warning
    )
    assert f"{len(seen)} of the 400 validation and test images" in warning
    print(warning)


def test_given_1600_images_of_400_subjects_when_split_by_subject_then_the_counts_are_exact_and_none_leaks(
    adni_1600: Cohort,
) -> None:
    split = split_cohort(adni_1600, preset="thesis")
    assert split.counts() == {"train": 1200, "val": 200, "test": 200}
    assert split.leak().subjects == ()
    assert split.warnings == ()
    print({part: len(people(split, part)) for part in PARTS})


def test_given_one_image_fewer_than_1600_when_split_then_the_thesis_preset_refuses(
    adni_1600: Cohort,
) -> None:
    fewer = Cohort(adni_1600.images[:-1], "ADNI", adni_1600.root)
    with pytest.raises(BadRequest, match="found 1599 images of 400 subjects; the preset thesis"):
        split_cohort(fewer, preset="thesis")


@given(st.lists(st.integers(1, 5), min_size=3, max_size=7), st.data())
def test_given_any_explicit_split_that_fits_then_every_part_gets_someone(
    visits: list[int], data: st.DataObject
) -> None:
    train = data.draw(st.integers(1, sum(visits) - 2))
    val = data.draw(st.integers(1, sum(visits) - train - 1))
    test = data.draw(st.integers(1, sum(visits) - train - val))
    split = split_cohort(cohort_of(visits), asked=Sizes(train, val, test))
    assert min(split.counts().values()) >= 1
    assert split.leak().subjects == ()
    if train + val + test == sum(visits):
        assert sum(split.counts().values()) == sum(visits)

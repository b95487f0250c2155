"""Dividing subjects, who have one image or several, into parts of given numbers of images."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import cast

from parcela_training.cohorts.cohort import Subject
from parcela_training.options import Part

EXACT = 2000  # images that a part is still short of when the search for an exact sum begins


def draw(seed: int, name: str) -> bytes:
    """A random sort key of this name alone: it stays the same when others join the cohort."""
    return hashlib.sha256(f"{seed}/{name}".encode()).digest()


def interleaved(subjects: Sequence[Subject], seed: int) -> list[Subject]:
    """The subjects in random order, every data set spread evenly, so that each stretch is a fair sample."""
    strata: dict[str, list[Subject]] = {}
    for subject in sorted(subjects, key=lambda s: draw(seed, s.name)):
        strata.setdefault(subject.images[0].dataset, []).append(subject)
    ranked = [
        ((rank + 0.5) / len(members), draw(seed, member.name), member)
        for members in strata.values()
        for rank, member in enumerate(members)
    ]
    return [member for _, _, member in sorted(ranked, key=lambda entry: entry[:2])]


def divide(subjects: list[Subject], counts: tuple[int, int, int]) -> dict[str, Part]:
    """Image id to part, for as near as possible so many images in train, val and test; nobody in two.

    Test and val choose first, being small, and leave someone for each part after them; train takes what it asks of the
    rest, or all of it where all images are asked for. At least three subjects are needed.
    """
    everything = sum(counts) == sum(len(subject.images) for subject in subjects)
    train, val, test = counts
    parts: dict[str, Part] = {}
    for part, count, followers in (("test", test, 2), ("val", val, 1), ("train", train, 0)):
        chosen = _chosen([len(subject.images) for subject in subjects], count, followers)
        if part == "train" and everything:
            chosen = set(range(len(subjects)))
        parts |= dict.fromkeys((i.id for k in chosen for i in subjects[k].images), cast(Part, part))
        subjects = [subject for k, subject in enumerate(subjects) if k not in chosen]
    return parts


def _chosen(sizes: list[int], count: int, followers: int) -> set[int]:
    """The subset for one part that leaves at least so many subjects, the smallest, for the others."""
    chosen = nearest_subset(sizes, count)
    if len(sizes) - len(chosen) >= followers:
        return chosen
    large = sorted(sorted(range(len(sizes)), key=lambda k: sizes[k])[followers:])
    return {large[k] for k in nearest_subset([sizes[k] for k in large], count)}


def nearest_subset(sizes: Sequence[int], target: int) -> set[int]:
    """Indices of some sizes that sum to the target, or as near to it as any do; never none.

    Early ones are preferred, so that in a random order the choice is random. More than 2,000 short of the target the
    first ones are simply taken.
    """
    head, left = 0, target
    while head < len(sizes) and sizes[head] + EXACT <= left:
        left -= sizes[head]
        head += 1
    reached: dict[int, tuple[int, int]] = {
        0: (-1, 0)
    }  # sum -> the last index in it, the sum before
    for index in range(head, len(sizes)):
        for total in [total for total in reached if total < left]:
            reached.setdefault(total + sizes[index], (index, total))
        if left in reached:
            break
    total = min(
        (total for total in reached if total or head), key=lambda total: (abs(total - left), total)
    )
    chosen = set(range(head))
    while total:
        index, total = reached[total]
        chosen.add(index)
    return chosen

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from parcela.errors import BadRequest
from parcela.settings import settings
from parcela_training.cohorts.cohort import Image
from parcela_training.preparation.settings import (
    Preparation,
    Sources,
    modern,
    parse_shape,
    preparation,
)

SOURCES = Sources("scan", "mask", "label")


def test_given_equal_sources_and_settings_when_keyed_then_the_keys_are_equal() -> None:
    assert modern().key(SOURCES) == preparation("modern").key(replace(SOURCES))


@pytest.mark.parametrize(
    ("how", "sources"),
    [
        (modern(), replace(SOURCES, scan="another")),
        (modern(), replace(SOURCES, mask="another")),
        (modern(), replace(SOURCES, label="another")),
        (modern(), replace(SOURCES, label=None)),
        (replace(modern(), opening="thesis"), SOURCES),
        (replace(modern(), chain="thesis"), SOURCES),
        (replace(modern(), shape=(46, 61, 62)), SOURCES),
    ],
)
def test_given_anything_that_changes_the_bytes_when_keyed_then_the_key_is_another(
    how: Preparation, sources: Sources
) -> None:
    assert how.key(sources) != modern().key(SOURCES)


def test_given_an_imported_mask_when_keyed_then_what_would_have_stripped_does_not_matter() -> None:
    other = replace(modern(), skull_strip="deepbet")
    without = replace(SOURCES, mask=None)

    assert other.key(SOURCES) == modern().key(SOURCES)
    assert other.key(without) != modern().key(without)


def test_given_another_opening_or_label_when_keyed_then_the_preprocessing_is_still_good() -> None:
    other = replace(modern(), opening="thesis")
    assert other.preprocessing_key(replace(SOURCES, label=None)) == modern().preprocessing_key(
        SOURCES
    )


def test_given_other_threads_of_itk_when_keyed_then_the_key_is_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = modern().key(SOURCES)
    monkeypatch.setenv("PARCELA_ITK_THREADS", "2")
    settings.cache_clear()
    try:
        assert modern().key(SOURCES) != before
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def test_given_no_imports_when_hashed_then_masks_and_labels_do_not_count(tmp_path: Path) -> None:
    files: dict[str, Path] = {name: tmp_path / name for name in ("scan", "mask", "label")}
    for name, path in files.items():
        path.write_text(name)
    image = Image("a", files["scan"], "a", mask=files["mask"], label=files["label"])

    found = modern().sources(image)
    alone = replace(modern(), imports=False).sources(image)

    other_brain = replace(modern(), imports_masks=False, skull_strip="deepbet")
    assert len({found.scan, found.mask, found.label}) == 3
    assert alone == Sources(found.scan)
    assert other_brain.sources(image) == Sources(found.scan, label=found.label)


@pytest.mark.parametrize("text", ["182,244,246", "182x244x246", "182×244×246"])
def test_given_three_sizes_when_parsed_then_they_are_a_grid(text: str) -> None:
    assert parse_shape(text) == (182, 244, 246)


@pytest.mark.parametrize(
    ("parse", "text"),
    [(parse_shape, "182"), (parse_shape, "a,b,c"), (parse_shape, "1,2,3"), (preparation, "best")],
)
def test_given_nonsense_when_parsed_then_the_message_says_what_to_write(
    parse: Callable[[str], object], text: str
) -> None:
    with pytest.raises(BadRequest, match=r"write 182,244,246|choose from demo, thesis, modern"):
        parse(text)

"""The three files of a report."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from parcela_training.report.document import Picture, Table
from parcela_training.report.record import ExperimentRecord
from parcela_training.report.write import to_document, write_report

VOID = {"meta", "img"}
TABLES = ["3.1", "4.1", "4.2", "4.3"]
FIGURES = [*(f"3.{k}" for k in range(1, 13)), *(f"4.{k}" for k in range(1, 5))]


class Page(HTMLParser):
    """A page's tags, checked to be balanced, with its pictures, its text, and what it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.pictures: list[str] = []
        self.loads: list[str] = []
        self.words: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href") and value:
                (self.pictures if value.startswith("data:image/png") else self.loads).append(value)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture
def pictured(record: ExperimentRecord, png: Path) -> ExperimentRecord:
    """The made-up run with one file for every figure that shows a scan."""
    return replace(record, pictures=dict.fromkeys(FIGURES[:-2], Path(png.name)))


def test_given_a_whole_run_when_written_then_every_table_and_figure_is_there_and_filled(
    pictured: ExperimentRecord, tmp_path: Path
) -> None:
    document = to_document(pictured, tmp_path)

    tables = {block.number: block for block in document if isinstance(block, Table)}
    pictures = {block.number: block for block in document if isinstance(block, Picture)}
    assert list(tables)[:4] == TABLES
    assert [number for number in pictures if number != "A.1"] == FIGURES
    assert all(picture.png for picture in pictures.values())
    for number in TABLES:
        assert not any("missing" in row for row in tables[number].rows)


def test_given_a_whole_run_when_written_then_the_page_needs_no_other_file(
    pictured: ExperimentRecord, tmp_path: Path
) -> None:
    files = write_report(pictured, tmp_path)

    page = Page(files["html"].read_text(encoding="utf-8"))
    assert page.loads == []
    assert "script" not in page.tags
    assert len(page.pictures) == len(FIGURES) + 1
    assert base64.b64decode(page.pictures[0].split(",")[1]) == (tmp_path / "step.png").read_bytes()
    assert "url(" not in files["html"].read_text(encoding="utf-8")


def test_given_text_with_markup_when_written_then_it_is_shown_as_it_is(
    record: ExperimentRecord, tmp_path: Path
) -> None:
    files = write_report(record, tmp_path)

    page = Page(files["html"].read_text(encoding="utf-8"))
    assert "made-up <cohort> of a test | nothing was measured" in "".join(page.words)
    assert "cohort" not in page.tags
    markdown = files["markdown"].read_text(encoding="utf-8")
    assert r"made-up \<cohort\> of a test \| nothing was measured" in markdown


def test_given_a_whole_run_when_written_then_markdowns_pictures_lie_beside_it(
    pictured: ExperimentRecord, tmp_path: Path
) -> None:
    text = write_report(pictured, tmp_path)["markdown"].read_text(encoding="utf-8")

    linked = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert len(linked) == len(FIGURES) + 1
    assert all((tmp_path / target).is_file() for target in linked)
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_given_an_empty_run_when_written_then_every_figure_and_table_says_missing(
    empty: ExperimentRecord, tmp_path: Path
) -> None:
    files = write_report(empty, tmp_path)

    text = files["markdown"].read_text(encoding="utf-8")
    for number in FIGURES:
        assert re.search(rf"\*\*Figure {re.escape(number)}\..*\*\*\n\n\*Missing: ", text)
    assert "![" not in text
    page = Page(files["html"].read_text(encoding="utf-8"))
    assert page.pictures == []
    assert json.loads(files["metrics"].read_text(encoding="utf-8"))["networks"] == []


@pytest.mark.parametrize(
    ("content", "said"), [(None, "is not there"), (b"<html>", "is not a PNG file")]
)
def test_given_a_picture_that_cannot_be_shown_when_written_then_the_report_says_why(
    record: ExperimentRecord, tmp_path: Path, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "step.png").write_bytes(content)
    run = replace(record, pictures={"3.2": Path("step.png")})

    text = write_report(run, tmp_path)["markdown"].read_text(encoding="utf-8")

    assert f"*Missing: step.png {said}.*" in text


def test_given_a_whole_run_when_written_then_metrics_hold_it_in_full_precision(
    record: ExperimentRecord, tmp_path: Path
) -> None:
    found = json.loads(write_report(record, tmp_path)["metrics"].read_text(encoding="utf-8"))

    unet, evaluation = found["networks"][1], record.networks[1].evaluations[0]
    first = unet["evaluations"][0]
    assert first["dice"]["mean"] == float(evaluation.per_image.mean())
    assert first["dice_by_image"] == dict(
        zip(evaluation.images, evaluation.per_image.tolist(), strict=True)
    )
    assert first["median_dice_by_region"]["Vermis_3"] == float(evaluation.medians[110])
    assert first["regions_absent_from_labels"] == 1
    assert found["networks"][0]["evaluations"][0]["regions_with_median_0"] == ["Vermis_3"]
    assert first["hausdorff95_mm"] is None
    assert unet["times_faster_than_registration"] == pytest.approx(24 / evaluation.seconds.mean())
    assert found["thesis"]["unet"]["interval_percent"] == [82.04, 84.23]
    assert found["comparisons"][0]["result"]["n"] == 12


def test_given_the_same_run_when_written_twice_then_every_byte_is_equal(
    pictured: ExperimentRecord, tmp_path: Path
) -> None:
    first = {kind: path.read_bytes() for kind, path in write_report(pictured, tmp_path).items()}
    second = {kind: path.read_bytes() for kind, path in write_report(pictured, tmp_path).items()}

    assert first == second


def test_given_subjects_that_leak_when_written_then_the_report_warns(
    record: ExperimentRecord, tmp_path: Path
) -> None:
    text = write_report(record, tmp_path)["markdown"].read_text(encoding="utf-8")

    assert "3 subjects have scans in more than one part" in text
    assert "divided by image" in text

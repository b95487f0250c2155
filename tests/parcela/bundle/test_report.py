"""The report of one scan: complete in itself, true to the table, and harmless whatever it is told."""

from __future__ import annotations

import re
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from parcela.atlas.counts import RegionCounts, mean_places
from parcela.bundle.manifest import InputRecord, Manifest, Origin
from parcela.bundle.region_table import region_table
from parcela.bundle.report import write_report
from parcela.imaging.geometry import Geometry
from parcela.quality.verdict import Quality

PNG = b"\x89PNG\r\n\x1a\n picture"


def a_report(
    folder: Path,
    labels: np.ndarray | None = None,
    title: str = "sub-01",
    origin: Origin | None = None,
) -> str:
    if labels is None:
        labels = np.zeros((4, 4, 4), np.uint8)
        labels[0], labels[1, :2], labels[2, 0, 0] = 1, 2, 109  # Precentral_L and _R, Vermis_1_2
    geometry = Geometry.of_grid(labels.shape, np.diag([5.0, 10.0, 10.0, 1.0]))
    manifest = Manifest(
        task="predict",
        software={"parcela": "0.1.0"},
        parameters={"model": "unet", "n4": {"shrink": 2}},
        weights={"unet": "cd" * 32},
        seconds={"skull-strip": 67.54},
        warnings=("voxels < 3 mm & coarse", "QUALITY LOOK: it is odd: look at the picture"),
        input=InputRecord.of("ab" * 32, geometry),
        quality=Quality(
            verdict="look", reasons=("it is odd",), numbers={"brain_ml": 1234.0, "spikes": None}
        ),
        citations=("A work & its authors",),
        files={"dseg.nii.gz": "ef" * 32},
    )
    picture = folder / "qc.png"
    picture.write_bytes(PNG)
    rows = region_table(RegionCounts.of(labels), mean_places(labels), geometry)
    write_report(
        folder / "report.html",
        title=title,
        picture=picture,
        rows=rows,
        manifest=manifest,
        origin=origin,
    )
    return (folder / "report.html").read_text(encoding="utf-8")


def spoken(page: str, language: str = "en") -> str:
    """The page as one who reads this language sees it."""
    mine = re.sub(rf'<span lang="{language}">(.*?)</span>', r"\1", page)
    return re.sub(r'<span lang="..">.*?</span>', "", mine)


class Cells(HTMLParser):
    """The text of each row of each table."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.feed(spoken(page))

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self.rows.append([])

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()


def test_given_a_pair_when_reported_then_volumes_are_in_ml_with_the_asymmetry(
    tmp_path: Path,
) -> None:
    rows = {row[0]: row[1:] for row in Cells(a_report(tmp_path)).rows if row}

    told = ["8.00", "", "4.00", "+0.667", "+0.040", "+0.626", ""]  # 16 and 8 voxels of 0.5 ml
    assert rows["PrecentralPrecentral gyrus"] == told
    assert rows["Vermis_1_2Vermis, lobules I and II"] == ["0.50", ""]
    assert rows["PostcentralPostcentral gyrus"] == ["0.00", "", "0.00", "n/a", "+0.013", "n/a", ""]


def test_given_lobes_when_reported_then_each_has_its_sum_and_bars_of_that_length(
    tmp_path: Path,
) -> None:
    page = a_report(tmp_path)
    rows = {row[0]: row[1:] for row in Cells(page).rows if len(row) in (3, 5)}

    assert rows["Central region"] == ["8.00", "", "4.00", "+0.667"]
    assert rows["Vermis"] == ["0.50", ""]
    assert rows["Frontal lobe"] == ["0.00", "", "0.00", "n/a"]
    widths = re.findall(
        r'width="([0-9.]+)" height="8" class="scan"', page.partition("Regions</span>")[0]
    )
    assert widths[:2] == ["50.00", "25.00"]


def test_given_all_regions_when_reported_then_each_has_its_line(tmp_path: Path) -> None:
    cells = Cells(a_report(tmp_path)).rows
    pairs = [row for row in cells if len(row) == 8 and row[0] != "Region"]
    midline = [row for row in cells if len(row) == 3 and row[0].startswith("Vermis_")]

    assert 2 * len(pairs) + len(midline) == 116


def test_given_a_report_then_it_needs_nothing_else_and_runs_nothing(tmp_path: Path) -> None:
    page = a_report(tmp_path)
    (source,) = re.findall(r'src="([^"]*)"', page)

    assert "default-src 'none'" in page
    assert "style=" not in page  # what a strict policy would not let in
    assert b64decode(source.removeprefix("data:image/png;base64,")) == PNG
    assert "<script" not in page
    assert "://" not in page
    assert "not a medical device" in page


def test_given_a_report_then_it_says_how_it_was_made(tmp_path: Path) -> None:
    page = a_report(tmp_path)
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", spoken(page)))

    assert facts["Scan"] == "4×4×4 voxels, 5×10×10 mm, RAS"
    assert facts["SHA-256 of the scan"] == "ab" * 32
    assert facts["SHA-256 of the label map"] == "ef" * 32
    assert facts["Weights, unet"] == "cd" * 32
    assert facts["Settings"] == "model unet; n4.shrink 2"
    assert facts["Software"] == "parcela 0.1.0"
    assert "67.5" not in page  # equal input, equal bytes: time is the manifest's
    assert "<li>A work &amp; its authors</li>" in page


@pytest.mark.parametrize("title", ["<b>x</b>", 'a"b&c'])
def test_given_awkward_text_when_reported_then_it_is_text(tmp_path: Path, title: str) -> None:
    page = a_report(tmp_path, title=title)

    assert title not in page
    assert "voxels &lt; 3 mm &amp; coarse" in page


def test_given_no_name_when_reported_then_the_page_still_has_a_title(tmp_path: Path) -> None:
    page = a_report(tmp_path, title="")
    assert "<title>Parcellation</title>" in page
    assert "<h1>Parcellation</h1>" in spoken(page)


def test_given_a_job_when_reported_then_its_id_and_day_stand_on_the_page(tmp_path: Path) -> None:
    origin = Origin(job="5b40" * 8, received=1795476941.6)
    page = spoken(a_report(tmp_path, title="", origin=origin))

    assert f"job {'5b40' * 8}, received 2026-11-23." in page
    assert f"<title>Parcellation, 2026-11-23, {'5b40' * 8}</title>" in page
    assert a_report(tmp_path, title="", origin=origin) == a_report(
        tmp_path, title="", origin=origin
    )


def test_given_a_reader_of_another_language_then_the_whole_page_speaks_it(tmp_path: Path) -> None:
    page = a_report(tmp_path)
    for language, texts in {
        "pt": ("Giro pré-central", "Lobo frontal", "Qualidade: conferir", "não é um achado"),
        "es": ("Giro precentral", "Lóbulo frontal", "Calidad: revisar", "no es un hallazgo"),
    }.items():
        told = spoken(page, language)
        assert [text for text in texts if text not in told] == []
        assert "Superior frontal gyrus" not in told
        assert f'href="#{language}"' in page


def test_given_tissues_then_the_report_tells_them_by_region_and_for_the_whole_brain(
    tmp_path: Path,
) -> None:
    labels = np.zeros((4, 4, 4), np.uint8)
    geometry = Geometry.of_grid(labels.shape, np.eye(4))
    by_class = np.zeros(117)
    by_class[[0, 1]] = 3000.0, 4500.0
    picture = tmp_path / "qc.png"
    picture.write_bytes(PNG)
    write_report(
        tmp_path / "report.html",
        title="",
        picture=picture,
        rows=region_table(RegionCounts.of(labels), mean_places(labels), geometry),
        manifest=Manifest(task="predict", volumes={"brain_mm3": 1.4e6, "grey_mm3": 7500.0}),
        tissue_mm3={"grey_mm3": by_class},
    )
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", spoken(page)))
    assert (facts["brain mask"], facts["grey matter"]) == ("1400 ml", "8 ml")
    assert ["Precentral", "4.50", "0.00"] in Cells(page).rows


def test_given_a_judged_map_then_the_report_tells_the_verdict_and_what_was_measured(
    tmp_path: Path,
) -> None:
    page = a_report(tmp_path)

    assert '<span class="badge look">Quality: look</span> See the picture' in spoken(page)
    assert "<li>it is odd</li>" in page
    assert "QUALITY" not in page  # it says the same
    rows = Cells(page).rows
    name = "Volume of the brain mask (ml)The brain as it was cut out of the head."
    assert [name, "1234", "950 to 2000"] in rows
    assert not any(row and row[0].startswith("Spikes") for row in rows)

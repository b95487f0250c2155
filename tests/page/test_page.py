"""A person with a browser: drops a scan, sees it work, looks at the brain, takes the files home."""

from __future__ import annotations

import gzip
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from atlas_bundle import REASON, small_scan
from dicom_series import oblique, series, write_folder
from gateway_server import Gateway, fail_once, serving, work_once
from parcela.atlas.aal import regions
from parcela.settings import Settings

Visit = Callable[..., Page]
DROP = """([name, content]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], name));
    const event = new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true });
    document.querySelector('section.drop').dispatchEvent(event);
}"""
# Well inside a region of the atlas, in mm: left is where x is negative.
PLACES = {
    (-36, -14, 62): "Precentral_L",
    (50, 1, 44): "Precentral_R",
    (-11, 13, 11): "Caudate_L",
    (12, -17, 8): "Thalamus_R",
    (-25, -60, -23): "Cerebelum_6_L",
}


PLAIN = {
    "Precentral_L": "Precentral gyrus, left",
    "Precentral_R": "Precentral gyrus, right",
    "Caudate_L": "Caudate nucleus, left",
    "Thalamus_R": "Thalamus, right",
    "Cerebelum_6_L": "Cerebellum, lobule VI, left",
}


def drop(page: Page, name: str) -> None:
    page.evaluate(DROP, [name, b64encode(small_scan().scan).decode()])


def work(gateway: Gateway) -> None:
    """Finish all stages that wait."""
    while work_once(gateway.ledger, gateway.store, small_scan().bundle):
        pass


@pytest.fixture(scope="module")
def opened(module_visit: Visit, standing: Gateway) -> Page:
    """A scan that was dropped as ``take me.nii.gz``, is done, and is open in the viewer."""
    page = module_visit(standing.url)
    drop(page, "take me.nii.gz")
    expect(page.locator("li.job[data-job]", has_text="take me")).to_be_visible()
    work(standing)
    page.get_by_role("link", name="Open take me", exact=True).click()
    expect(page.locator("[data-ready]")).to_be_visible()
    return page


def test_given_a_scan_when_dropped_then_each_stage_shows_and_at_last_the_verdict(
    visit: Visit, standing: Gateway
) -> None:
    page = visit(standing.url)
    expect(page.get_by_text("is erased 7 days after it is done")).to_be_visible()
    drop(page, "drop me.nii.gz")
    item = page.locator("li.job", has_text="drop me")
    step = item.locator("[aria-current=step]")
    expect(step).to_have_text("waiting")
    claim = standing.ledger.claim("preprocess", "stub", 30)
    assert claim is not None
    standing.ledger.renew(claim, 30, "skull-strip", 0.25)
    expect(step).to_have_text("preprocessing")
    expect(item).to_contain_text("25 % · Finding the brain")
    standing.ledger.advance(claim, {"preprocess": 1.0})
    work(standing)
    expect(item).to_contain_text("Quality: look")
    picture = item.get_by_role("img", name="Slices of drop me")
    expect(picture).to_have_js_property("complete", True)
    assert 80 < picture.evaluate("image => image.naturalWidth") <= 160
    assert str(item.get_attribute("data-job")) in standing.http.get("/jobs").text
    for key in standing.stored():
        with standing.store.open(key) as file:
            assert b"drop me" not in file.read()


def test_given_a_job_that_was_there_before_when_the_page_is_opened_then_it_is_followed(
    visit: Visit, standing: Gateway
) -> None:
    job_id = standing.accepted(small_scan().scan)
    item = visit(standing.url).locator(f"[data-job='{job_id}']")
    expect(item.locator("[aria-current=step]")).to_have_text("waiting")
    fail_once(standing.ledger)
    expect(item).to_contain_text("ROBEX found no brain in this scan")


def test_given_all_choices_open_when_a_scan_is_sent_then_its_progress_comes_into_sight(
    visit: Visit, standing: Gateway
) -> None:
    page = visit(standing.url)
    page.get_by_text("More choices").click()
    item = page.locator("li.job[data-job]", has_text="see me")
    drop(page, "see me.nii.gz")
    expect(item.locator("progress")).to_be_in_viewport()
    standing.http.delete(f"/jobs/{item.get_attribute('data-job')}")


def test_given_a_server_that_does_not_answer_at_first_then_it_is_asked_again(
    visit: Visit, standing: Gateway
) -> None:
    page = visit(standing.url)
    page.route("**/installation", lambda route: route.abort(), times=1)
    page.reload()
    expect(page.get_by_text("is erased 7 days after it is done")).to_be_visible()


def test_given_a_damaged_scan_when_dropped_then_the_reason_is_said(
    visit: Visit, standing: Gateway
) -> None:
    page = visit(standing.url)
    page.evaluate(DROP, ["x.nii.gz", b64encode(b"no scan").decode()])
    expect(page.locator("li.job.failed", has_text="x.nii.gz")).to_contain_text("the scan:")


def test_given_a_folder_without_a_scan_when_chosen_then_it_is_sent_as_a_dicom_series(
    visit: Visit, standing: Gateway, tmp_path: Path
) -> None:
    folder = write_folder(series(np.full((4, 5, 6), 7, np.uint16), oblique()), tmp_path / "visit 7")
    page = visit(standing.url)
    page.get_by_label("Choose a folder", exact=True).last.set_input_files(folder)
    item = page.locator("li.job[data-job]", has_text="visit 7")
    job_id = item.get_attribute("data-job")
    scan = nib.Nifti1Image.from_bytes(
        gzip.decompress(standing.http.get(f"/jobs/{job_id}/scan").content)
    )
    assert scan.shape == (4, 5, 6)
    standing.http.delete(f"/jobs/{job_id}")


def test_given_a_running_job_when_cancelled_then_it_is_erased(
    visit: Visit, standing: Gateway
) -> None:
    page = visit(standing.url)
    drop(page, "no more.nii.gz")
    button = page.get_by_role("button", name="Cancel no more", exact=True)
    page.once("dialog", lambda dialog: dialog.accept())
    job_id = page.locator("li.job[data-job]", has_text="no more").get_attribute("data-job")
    button.click()
    expect(page.locator("li.job", has_text="no more")).to_have_count(0)
    assert standing.http.get(f"/jobs/{job_id}").status_code == 410


def test_given_a_map_when_opened_then_regions_places_and_table_belong_together(
    opened: Page,
) -> None:
    page = opened
    expect(page.locator(".judgement")).to_contain_text(REASON)
    page.get_by_text("What was checked (2)").click()
    for number, here, usual in (
        ("Volume of the brain mask (ml)", "1,355", "950 to 2,000"),
        ("Tilt of the grid (degrees)", "14", "up to 12"),
    ):
        cells = page.locator(".checks tr", has_text=number).locator("td")
        expect(cells).to_have_text([here, usual])
    expect(page.locator(".checks tr.odd")).to_contain_text(["Tilt of the grid"])
    expect(page.locator("section.card .files")).to_contain_text("The table, for any spreadsheet")
    expect(page.locator(".judgement li")).to_have_count(1)  # the reason, not the verdict once more
    report = page.get_by_role("link", name="Report", exact=True)
    assert str(report.get_attribute("href")).endswith("/files/report.html#en")
    picture = page.get_by_role("link", name="Open the picture")
    assert str(picture.get_attribute("href")).endswith("/files/qc.png")
    page.get_by_text("How to cite").click()
    page.get_by_text("Settings (2)").click()
    expect(page.get_by_text("How U-Net computed")).to_be_visible()
    expect(page.locator("dd", has_text="plausible classes: each part")).to_contain_text(
        "plausible classes"
    )
    page.get_by_text("Time: 65 s").click()
    expect(page.locator("dl div", has_text="Finding the brain")).to_contain_text("60 s")
    expect(page.locator(".cite")).to_contain_text("doi:10.1006/nimg.2001.0978")
    names = {region.index: region.name for region in regions()}
    for place, name in PLACES.items():
        assert names[small_scan().region_at(place)] == name
        for axis, value in zip("xyz", place, strict=True):
            page.locator(f"input[name={axis}]").fill(str(value))
        page.get_by_role("button", name="Go", exact=True).click()
        expect(page.locator(".here")).to_have_attribute("data-region", name)
        expect(page.locator("tr.marked th button")).to_have_text(name)
        expect(page.locator("tr.marked th .plain")).to_have_text(PLAIN[name])
        expect(page.locator(".here .plain")).to_have_text(PLAIN[name])

    page.get_by_role("button", name="Go to Hippocampus_R").click()
    expect(page.locator(".here")).to_have_attribute("data-region", "Hippocampus_R")
    assert float(page.locator("input[name=x]").input_value()) > 0

    page.get_by_label("View").select_option("axial")
    canvas = page.locator("canvas")
    box = canvas.bounding_box()
    assert box is not None
    clicked = set()
    for share in (0.3, 0.36, 0.42, 0.58, 0.64, 0.7):
        canvas.click(position={"x": box["width"] * share, "y": box["height"] * 0.45})
        x, y, z = (float(page.locator(f"input[name={axis}]").input_value()) for axis in "xyz")
        assert (x > 0) == (share > 0.5)  # the left of the picture is the left of the head
        name = names.get(small_scan().region_at((x, y, z)), "")
        expect(page.locator(".here")).to_have_attribute("data-region", name)
        expect(page.locator(".over")).to_have_attribute("data-region", name)
        clicked.add(name[-2:])
    assert {"_L", "_R"} <= clicked


def test_given_a_map_when_its_table_is_used_then_it_sorts_searches_and_hides(
    opened: Page,
) -> None:
    page = opened
    volumes = page.locator("td.volume_mm3")
    for direction in ("descending", "ascending"):  # the largest first
        page.get_by_role("button", name="Volume (ml)").click()
        expect(page.locator("th.volume_mm3")).to_have_attribute("aria-sort", direction)
        told = [float(text) for text in volumes.all_inner_texts()]
        assert len(told) == 116
        assert told == sorted(told, reverse=direction == "descending")
    page.get_by_role("button", name="Region", exact=True).click()
    names = page.locator("tbody th button").all_inner_texts()
    assert (names[0], names[-1]) == ("Amygdala_L", "Vermis_9")
    heads = page.locator("section.regions thead button")
    assert all(head.get_attribute("title") for head in heads.all())
    expect(page.locator("section.regions")).to_contain_text(
        "read a scan's asymmetry beside the atlas's own"
    )
    page.get_by_label("Search a region").fill("hippo")
    expect(volumes).to_have_count(4)
    expect(page.get_by_text("4 of 116 found · 116 of 116 shown")).to_be_visible()
    page.get_by_role("button", name="Only these").click()
    expect(page.get_by_text("4 of 116 shown")).to_be_visible()
    page.get_by_label("Show Hippocampus_L").uncheck()
    expect(page.get_by_text("3 of 116 shown")).to_be_visible()
    page.get_by_label("Map").select_option("desc-highresnet_dseg.nii.gz")
    page.get_by_label("Where the networks disagree").check()
    page.get_by_label("Outlines").check()
    for axis, value in zip("xyz", (-36, -14, 62), strict=True):
        page.locator(f"input[name={axis}]").fill(str(value))
    page.get_by_role("button", name="Go", exact=True).click()
    expect(page.locator(".here")).to_have_attribute("data-region", "Precentral_R")  # that map's own


def test_given_a_map_when_all_is_downloaded_then_it_is_what_the_api_gives(
    opened: Page, standing: Gateway, tmp_path: Path
) -> None:
    page = opened
    job = page.url.rsplit("/", 1)[1]
    for link, name, path in (
        ("Download all (zip)", "take me_bundle.zip", "bundle.zip"),
        ("take me_dseg.tsv", "take me_dseg.tsv", "files/dseg.tsv"),
    ):
        with page.expect_download() as download:
            page.get_by_role("link", name=link).click()
        assert download.value.suggested_filename == name
        download.value.save_as(tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == standing.http.get(f"/jobs/{job}/{path}").content
    page.get_by_role("link", name="All scans").click()
    page.get_by_label("Filter by name").fill("take")
    with page.expect_download() as download:
        page.get_by_role("button", name="One table for all").click()
    download.value.save_as(tmp_path / "file")
    head, row = (line.split("\t") for line in (tmp_path / "file").read_text().splitlines())
    assert (row[0], row[1], row[2]) == ("take me", job, "look")
    assert row[head.index("Precentral_L")] == "28539"


def test_given_the_server_ends_and_begins_again_then_the_page_finds_its_way_back(
    visit: Visit, redis_url: str, tmp_path: Path
) -> None:
    settings = Settings(redis=redis_url, store=str(tmp_path / "store"))
    with serving(settings) as gateway:
        page = visit(gateway.url)
        drop(page, "sub-01_T1w.nii.gz")
        expect(page.locator("li.job[data-job]")).to_contain_text("waiting")
    expect(page.get_by_text("The server does not answer")).to_be_visible()
    with serving(settings, port=int(gateway.url.rsplit(":", 1)[1])) as again:
        work(again)
        expect(page.locator("li.job.done")).to_contain_text("sub-01_T1w")
        expect(page.get_by_text("The server does not answer")).to_have_count(0)


def test_given_the_sample_when_asked_for_then_it_is_sent_as_any_scan(
    visit: Visit, standing: Gateway
) -> None:
    page = visit(standing.url)
    page.goto("/#/jobs/" + "0" * 32)
    expect(page.get_by_text("There is no such scan")).to_be_visible()
    page.get_by_role("link", name="All scans").click()
    page.get_by_role("button", name="Try the sample brain").click()
    item = page.locator("li.job[data-job]", has_text="colin27")
    job_id = item.get_attribute("data-job")
    assert standing.http.delete(f"/jobs/{job_id}").status_code == 204

"""The page over a service with every real part: a scan of the cohort, dropped, killed half-way, looked at.

`COHORT=/path/to/bids make test-all` runs it over `parcela serve`; a minute or two. With `docker compose up -d` before
it and `PARCELA_PAGE_URL=http://127.0.0.1:8000` it is run over the containers.
"""

from __future__ import annotations

import gzip
import os
import signal
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import httpx2
import nibabel as nib
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from parcela.atlas.aal import regions
from patience import patient
from served_stack import Containers, Stack

pytestmark = pytest.mark.slow
Visit = Callable[..., Page]
REGIONS = ("Precentral_L", "Precentral_R", "Hippocampus_L", "Thalamus_R", "Cerebelum_6_L")
WORKING_S = 120  # on an idle machine


@pytest.fixture
def stack(tmp_path: Path, checkout: Path) -> Iterator[Stack | Containers]:
    if url := os.environ.get("PARCELA_PAGE_URL"):
        yield Containers(url, checkout)
        return
    running = Stack(tmp_path / "data")
    running.start()
    yield running
    if running.process is not None and running.process.poll() is None:
        running.end()


@pytest.fixture
def scan() -> Path:
    if "COHORT" not in os.environ:
        pytest.skip("set COHORT to a BIDS folder")
    return min(Path(os.environ["COHORT"]).glob("sub-*/anat/*_T1w.nii.gz"), key=os.path.getsize)


def test_given_a_real_scan_when_the_server_is_killed_half_way_then_its_map_is_shown_all_the_same(
    visit: Visit, stack: Stack | Containers, scan: Path
) -> None:
    page = visit(stack.url)
    page.get_by_text("More choices").click()
    page.get_by_label("Skull-stripping").select_option("deepbet")
    page.locator("input[type=file]").first.set_input_files(scan)
    title = scan.name.removesuffix(".nii.gz")
    item = page.locator("li.job[data-job]", has_text=title)
    expect(item.locator("[aria-current=step]")).to_have_text("preprocessing")
    stack.end(signal.SIGKILL)
    expect(page.get_by_text("The server does not answer")).to_be_visible()
    stack.start()
    expect(page.get_by_text("The server does not answer")).to_have_count(0)
    done = page.locator("li.job.done", has_text=title)
    expect(done).to_be_visible(timeout=patient(WORKING_S) * 1000)
    done.get_by_role("link", name="Open").click()
    expect(page.locator("[data-ready]")).to_be_visible()

    job = f"{stack.url}/jobs/{page.url.rsplit('/', 1)[1]}"
    label_map = nib.Nifti1Image.from_stream(
        BytesIO(gzip.decompress(httpx2.get(f"{job}/result").content))
    )
    labels, affine = np.asarray(label_map.dataobj), label_map.affine
    assert affine is not None
    ids = {region.name: region.index for region in regions()}
    for name in REGIONS:
        page.get_by_role("button", name=f"Go to {name}", exact=True).click()
        expect(page.locator(".here")).to_have_attribute("data-region", name)
        mm = [float(page.locator(f"input[name={axis}]").input_value()) for axis in "xyz"]
        voxel = np.rint(np.linalg.inv(affine) @ [*mm, 1])[:3].astype(int)
        assert labels[tuple(voxel)] == ids[name]
        assert (mm[0] < 0) == name.endswith("_L")
    page.get_by_role("button", name="Volume (ml)").click()
    volumes = [float(text) for text in page.locator("td.volume_mm3").all_inner_texts()]
    assert len(volumes) == len(ids)
    assert volumes == sorted(volumes, reverse=True)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all (zip)").click()
    assert download.value.path().read_bytes() == httpx2.get(f"{job}/bundle.zip").content

"""The head's size beside the brain mask's volume, and the tissues beside those that ANTs finds by itself.

    python benchmarks/head_and_tissues.py --prepared DIR --cohort COHORT

The head's size (eTIV) of each test image; the tissues of three of them, once by Parcela and once by ANTs's N4 and
Atropos on the file as ANTs reads it, by region of the cohort's labels. Five minutes of one processor; each subject is
kept as soon as it is done (``--work``). Writes benchmarks/results/head_and_tissues.md and .json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parcela.atlas.aal import CLASS_COUNT
from parcela.atlas.counts import RegionCounts
from parcela.files import write_text
from parcela.imaging.preprocessed import Preprocessed, PreprocessingRecord
from parcela.imaging.standard_space import etiv_mm3
from parcela.imaging.tissues import TISSUES, tissue_volumes_mm3
from parcela.imaging.trail import GeometryTrail
from parcela.imaging.volume import Volume, read_volume
from parcela_benchmarks.results import write_results
from parcela_labelling.to_scan import to_scan
from parcela_preprocess.atlas_affine import colin27_space
from parcela_preprocess.native_tasks import BRIGHTEST
from parcela_preprocess.preprocess import preprocess
from parcela_training.cohorts.cohort import Image
from parcela_training.cohorts.find import find_cohort
from parcela_training.jsonable import to_jsonable
from parcela_training.preparation.imported import read_mask
from parcela_training.preparation.prepared_set import PreparedImage, PreparedSet
from parcela_training.report.document import Table

Record = dict[str, Any]

SEGMENTED = 3  # images whose tissues are compared: the first, the last and one from the middle


def main() -> None:
    arguments = _arguments()
    arguments.work.mkdir(parents=True, exist_ok=True)
    prepared = PreparedSet.read(arguments.prepared)
    images = {image.id: image for image in find_cohort(arguments.cohort).images}
    files = dict(zip(prepared.ids("test"), prepared.files("test"), strict=True))
    heads = [
        _kept(arguments.work / f"head-{name}.json", head, images[name], file)
        for name, file in files.items()
    ]
    some = [list(files)[round(at)] for at in np.linspace(0, len(files) - 1, SEGMENTED)]
    tissues = [
        _kept(arguments.work / f"tissues-{name}.json", segmented, images[name], files[name])
        for name in some
    ]
    tables = [_heads_table(heads, [prepared.datasets[name] for name in files])]
    tables.append(_tissues_table(dict(zip(some, tissues, strict=True))))
    write_results("head_and_tissues", tables, {"heads": heads, "tissues": tissues})


def head(image: Image, file: Path) -> Record:
    """eTIV and the brain mask's volume of one image, in ml."""
    scan, mask = _scan_and_mask(image)
    space = colin27_space(_ready(file))
    mask_ml = np.count_nonzero(mask) * scan.geometry.voxel_volume_mm3 / 1000
    return {"id": image.id, "etiv_ml": etiv_mm3(space.to_template) / 1000, "mask_ml": mask_ml}


def segmented(image: Image, file: Path) -> Record:
    """Each tissue's volume in ml, by us and by ANTs (soft, hard), and how far regions differ."""
    scan, mask = _scan_and_mask(image)
    ready = preprocess(scan, mask=mask, tissues=True)
    if ready.tissues is None:
        raise ValueError(f"{image.id}: no tissues")
    labels = to_scan(PreparedImage.load(file).label, ready.trail)
    voxel_mm3 = scan.geometry.voxel_volume_mm3
    ours = tissue_volumes_mm3(ready.tissues, labels, voxel_mm3)
    inside = RegionCounts.of(labels * (ready.brain_mask > 0)).by_region * voxel_mm3
    soft, hard = _by_ants(image.path, ready.brain_mask)
    record: Record = {
        "id": image.id,
        "brain_ml": np.count_nonzero(ready.brain_mask) * voxel_mm3 / 1000,
        "sum_less_region_mm3": float(np.abs(np.sum([*ours.values()], 0)[1:] - inside).max()),
    }
    for number, tissue in enumerate(TISSUES):
        theirs = np.bincount(labels.ravel(), soft[number].ravel(), CLASS_COUNT) * voxel_mm3
        apart = np.abs(theirs - ours[tissue])[1:] / np.maximum(inside, voxel_mm3)
        record[tissue] = {
            "ours_ml": ours[tissue].sum() / 1000,
            "ants_soft_ml": theirs.sum() / 1000,
            "ants_hard_ml": np.count_nonzero(hard == number + 1) * voxel_mm3 / 1000,
            "regions_apart_median": float(np.median(apart)),
            "regions_apart_most": float(apart.max()),
        }
    return record


def _by_ants(path: Path, mask: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """ANTs's shares, (3, X, Y, Z), and classes, on the file as it reads it."""
    import ants

    scan = ants.image_read(str(path)).clone("float")
    brain = scan.new_image_like(mask.astype(np.float32))
    flat = ants.n4_bias_field_correction(scan * brain, mask=brain)
    values = flat.numpy()
    flat = flat.new_image_like(np.minimum(values, np.percentile(values[mask > 0], BRIGHTEST)))
    found = ants.atropos(a=flat, x=brain, i="kmeans[3]", m="[0.1,1x1x1]", c="[5,0]", r=0)
    shares = np.stack([each.numpy() for each in found["probabilityimages"]])
    return shares, found["segmentation"].numpy()


def _scan_and_mask(image: Image) -> tuple[Volume, NDArray[np.uint8]]:
    scan = read_volume(image.path)
    return scan, read_mask(image.mask, scan) if image.mask else (scan.data > 0).astype(np.uint8)


def _ready(file: Path) -> Preprocessed:
    """A prepared image as the preprocessing left it."""
    prepared = PreparedImage.load(file)
    i, j, k = prepared.image.shape
    trail = GeometryTrail.unmoved((i, j, k), prepared.affine)
    image = prepared.image.astype(np.float32)
    return Preprocessed(image, (image > 0).astype(np.uint8), trail, PreprocessingRecord(seconds={}))


def _kept(path: Path, make: Callable[[Image, Path], Record], image: Image, file: Path) -> Record:
    """What was made before, or is made now."""
    if not path.is_file():
        write_text(path, json.dumps(to_jsonable(make(image, file))))
    record: Record = json.loads(path.read_text(encoding="utf-8"))
    return record


def _heads_table(heads: list[Record], datasets: list[str]) -> Table:
    rows = []
    for name in ("all", *sorted(set(datasets))):
        of = [h for h, dataset in zip(heads, datasets, strict=True) if name in ("all", dataset)]
        etiv, mask = (np.array([h[key] for h in of]) for key in ("etiv_ml", "mask_ml"))
        ratio = etiv / mask
        r = np.corrcoef(etiv, mask)[0, 1]
        rows.append(
            (name, str(len(of)), f"{r:.3f}", f"{ratio.mean():.3f} ± {ratio.std(ddof=1):.3f}")
        )
    columns = ("Data set", "n", "Pearson's r", "eTIV / mask")
    return Table("1", "eTIV and the volume of the brain mask", columns, tuple(rows))


def _tissues_table(tissues: dict[str, Record]) -> Table:
    rows = [
        (
            name,
            tissue,
            *(f"{record[tissue][key]:.1f}" for key in ("ours_ml", "ants_soft_ml", "ants_hard_ml")),
            *(f"{record[tissue][f'regions_apart_{key}']:.1%}" for key in ("median", "most")),
        )
        for name, record in tissues.items()
        for tissue in TISSUES
    ]
    apart = max(record["sum_less_region_mm3"] for record in tissues.values())
    return Table(
        "2",
        "Tissues, ml: Parcela's, and ANTs's own on the file as it reads it",
        ("Image", "Tissue", "Parcela", "ANTs, soft", "ANTs, hard", "Regions: median", "Most"),
        tuple(rows),
        "The last columns: how far a region's volume is apart from ANTs's soft one, as a share of the region. The "
        f"three tissues of a region add up to its volume inside the mask (farthest: {apart:.2g} mm³).",
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--prepared", type=Path, required=True, help="what parcela prepare left")
    parser.add_argument("--cohort", type=Path, required=True, help="the scans themselves")
    parser.add_argument("--work", type=Path, default=Path(".cache/head_and_tissues"))
    return parser.parse_args()


if __name__ == "__main__":
    main()

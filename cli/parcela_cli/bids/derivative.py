"""What makes a folder of bundles a BIDS derivative: its description, its side files, and what BIDS shall ignore."""

from __future__ import annotations

import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

from parcela.atlas.aal import regions
from parcela.bundle.manifest import Manifest
from parcela.bundle.write import FIXED_NAMES, PROBABILITIES, file_name, prefixed
from parcela.files import write_text
from parcela.imaging.tissues import MAP_NAMES
from parcela_cli.bids.dataset import BidsScan

BIDS_VERSION = "1.11.0"  # the first that knows how a derivative describes its atlas
RAW = "raw"  # the name of the data set of scans in BIDS URIs
IGNORED = (
    *(
        "*_qc.png",
        "*_thumbnail.png",
        "*_report.html",
        "*_manifest.json",
        "*_lut.txt",
        "*_itksnap.txt",
        "*_failed.txt",
    ),
    *("*_xfm.mat", "*_xfm.nii.gz", "group_*", "group.html"),
)
README = """The 116 regions of AAL in each participant's own space, made by Parcela.

Each sub-*/[ses-*/]anat has a label map (..._atlas-AAL_dseg.nii.gz, on the scan's own grid), a table of regions and
volumes (..._dseg.tsv, its columns described in ..._dseg.json), a brain mask, a picture to check (..._qc.png), a report
(..._report.html) and how all of it was made (..._manifest.json). group_* are the tables and the page of all scans.

Research software, not a medical device.
"""
ATLAS: dict[str, Any] = {
    "Name": "Automated Anatomical Labeling (AAL, 2002), 116 regions",
    "Authors": [
        *("N. Tzourio-Mazoyer", "B. Landeau", "D. Papathanassiou", "F. Crivello", "O. Etard"),
        *("N. Delcroix", "B. Mazoyer", "M. Joliot"),
    ],
    "License": "See Parcela's NOTICE and the provenance of the atlas",
    "Species": "Homo sapiens",
    "SampleSize": 1,
    "ReferencesAndLinks": ["https://doi.org/10.1006/nimg.2001.0978"],
}
COLUMNS: dict[str, str | dict[str, Any]] = {
    "index": {
        "Description": "The region's id, the value of its voxels in the label map.",
        "Format": "integer",
    },
    "name": "The region's name, as AAL spells it.",
    "color": "Of the region in pictures, #rrggbb.",
    "hemisphere": {
        "Description": "The side of the region.",
        "Levels": {"L": "left", "R": "right", "M": "midline"},
    },
    "lobe": "The group of regions (Tzourio-Mazoyer et al. 2002).",
    "voxels": "How many voxels of the scan's grid the region has.",
    "volume_mm3": {"Description": "The volume of those voxels.", "Units": "mm^3"},
    "asymmetry_index": "(L - R) / (0.5 (L + R)) of the pair, from -2 to 2; n/a on the midline.",
    "atlas_asymmetry_index": "The same of AAL itself on Colin27, the asymmetric brain that it was drawn on.",
    "asymmetry_difference": "asymmetry_index less atlas_asymmetry_index.",
    **{
        f"centroid_{axis}_mm": {
            "Description": f"The mean {axis} of those voxels in the scan's world (RAS+).",
            "Units": "mm",
        }
        for axis in "xyz"
    },
    "dice_unet_highresnet": "Dice of the region between the U-Net's and HighResNet's own maps.",
    **{
        f"{tissue}_mm3": {
            "Description": f"The volume of {words} in the region, by soft memberships (Atropos).",
            "Units": "mm^3",
        }
        for tissue, words in (("grey", "grey matter"), ("white", "white matter"), ("csf", "CSF"))
    },
}


def write_root(dataset: Path, out: Path) -> None:
    """Write what stands at the derivative's root, unless it is there.

    Raises:
        OSError: a file cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    description = {
        "Name": "Parcela: AAL regions in individual space",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "License": "See the license of the source data",
        "GeneratedBy": [
            {
                "Name": "Parcela",
                "Version": version("parcela"),
                "Description": "Parcellation of T1-weighted scans by neural networks",
            }
        ],
        "SourceDatasets": [{"URL": dataset.resolve().as_uri()}],
        "DatasetLinks": {RAW: os.path.relpath(dataset.resolve(), out.resolve())},
    }
    files = {
        "dataset_description.json": _json(description),
        "atlas-AAL_description.json": _json(ATLAS),
        "README": README,
        ".bidsignore": "\n".join(IGNORED) + "\n",
    }
    for name, text in files.items():
        if not (out / name).exists():
            write_text(out / name, text)


def write_side_files(scan: BidsScan, out: Path) -> None:
    """Describe the label map, with the verdict on it, the table's columns and the mask of one finished scan.

    Raises:
        OSError: a file cannot be written. BadRecord: the manifest is damaged.
    """
    folder = scan.folder(out)
    source: dict[str, Any] = {
        "Sources": [f"bids:{RAW}:{scan.relative}"],
        "SpatialReference": "orig",
    }
    table = folder / file_name("table", scan.name)
    columns = table.read_text(encoding="utf-8").splitlines()[0].split("\t")
    manifest = Manifest.from_json((folder / file_name("manifest", scan.name)).read_bytes())
    labels: dict[str, Any] = {
        **source,
        "Description": "The 116 regions of AAL: a label map, and its table of regions",
        "Atlas": "AAL",
        "Manual": False,
        "Quality": manifest.quality and manifest.quality.model_dump(mode="json"),
        **{name: _column(name) for name in columns},
    }
    mask = {
        **source,
        "Description": "The brain that was found, with its CSF",
        "Type": "Brain",
        "RawSources": [scan.relative],
    }
    tissue = {"Description": "Share of a tissue in each voxel, 0 to 1", "Manual": False}
    scores = {
        "Description": "The networks' scores of all classes, on their own grid, 0 to 1",
        "Atlas": "AAL",
        "Manual": False,
        "LabelMap": ["background", *(region.name for region in regions())],
    }
    records: dict[str, dict[str, Any]] = {
        FIXED_NAMES["dseg"]: labels,
        FIXED_NAMES["mask"]: mask,
        **dict.fromkeys(MAP_NAMES.values(), source | tissue),
        **{
            name: labels | {"SpatialReference": _space(name, manifest)}
            for name in manifest.files
            if name.startswith("space-")
        },
        PROBABILITIES: source | scores,
    }
    for fixed_name, record in records.items():
        path = folder / prefixed(fixed_name, scan.name)
        if path.exists():
            write_text(path.with_name(path.name.replace(".nii.gz", ".json")), _json(record))


def _space(map_file: str, manifest: Manifest) -> str:
    """What the standard space of a map is: the atlas's own, or that of a template which the user gave."""
    name = map_file.removeprefix("space-").partition("_")[0]
    if "template" in manifest.parameters:
        return f"{name}: the image of SHA-256 {manifest.parameters['template']}"
    return f"{name}: Holmes 1998, doi:10.1097/00004728-199803000-00032, as MRIcron ships it (ch2)"


def _column(name: str) -> dict[str, Any]:
    text = COLUMNS.get(name, f"See Parcela's page on the bundle: {name}.")
    return {"Description": text} if isinstance(text, str) else dict(text)


def _json(record: dict[str, Any]) -> str:
    return json.dumps(record, indent=2) + "\n"

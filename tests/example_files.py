"""The files that the documentation's commands speak of, small: a reader has her own under these names."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.processing import resample_to_output

from command import parcela
from dicom_series import series, write_folder
from parcela.atlas.aal import COLIN27_BRAIN
from phantoms import Phantom, sample, write

VOLUMES, REPETITION_S = 60, 2.0
TEMPLATE = "tpl-MNI152NLin2009cAsym_res-01_desc-brain_T1w.nii.gz"


def write_examples(folder: Path, checkout: Path) -> None:
    """Write every file that a page of the documentation names. A scan is Colin27's brain at 2 mm, already stripped."""
    phantom = Phantom("LPS", axes="LPS")
    scan = write(phantom, sample(phantom)[0], folder / "scan.nii.gz")
    for name in ("image.nii.gz", "sub-01_T1w.nii.gz", "sub-01/anat/sub-01_T1w.nii.gz"):
        _copy(scan, folder / name)
    for subject in ("sub-01", "sub-02"):
        _copy(scan, folder / "study" / subject / "anat" / f"{subject}_T1w.nii.gz")
    description = {"Name": "Study", "BIDSVersion": "1.10.0"}
    (folder / "study" / "dataset_description.json").write_text(json.dumps(description))
    _copy(COLIN27_BRAIN, folder / TEMPLATE)
    _write_second_images(scan, folder)
    _write_series(scan, folder)
    _copy(checkout / "predict.sh", folder / "predict.sh")
    (folder / "shared").symlink_to(checkout / "shared")
    made = parcela(
        *("predict", "sub-01_T1w.nii.gz", "-o", ".", "--probabilities"), cwd=folder, timeout_s=120
    )
    assert made.code == 0, made.err


def _write_second_images(scan: Path, folder: Path) -> None:
    """PET and BOLD of the same head on coarser grids, and the confounds of the BOLD series."""
    image = nib.Nifti1Image.from_filename(scan)
    coarse = resample_to_output(image, 4.0)
    for name in ("pet.nii.gz", "sub-01_pet.nii.gz"):
        nib.save(coarse, folder / name)
    draw = np.random.default_rng(0)
    noise = draw.normal(scale=20, size=(*coarse.shape, VOLUMES))
    bold = nib.Nifti1Image(coarse.get_fdata()[..., None] + noise, coarse.affine)
    bold.header.set_xyzt_units("mm", "sec")
    bold.header.set_zooms((4.0, 4.0, 4.0, REPETITION_S))
    nib.save(bold, folder / "sub-01_bold.nii.gz")
    with (folder / "sub-01_confounds.tsv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"))
        writer.writerows(draw.normal(size=(VOLUMES, 6)))


def _write_series(scan: Path, folder: Path) -> None:
    """The scan as DICOM: one series by itself, and one in a person's folder."""
    image = nib.as_closest_canonical(nib.Nifti1Image.from_filename(scan))
    data = np.rint(image.get_fdata() * (4000 / image.get_fdata().max())).astype(np.uint16)
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])  # columns run left, rows back
    flip[:2, 3] = np.array(data.shape[:2]) - 1
    images = series(data[::-1, ::-1], image.affine @ flip)
    for name in ("series", "person/T1"):
        write_folder(images, folder / name)
    shutil.make_archive(str(folder / "series"), "zip", folder / "series")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    shutil.copymode(source, target)

"""A virtual cohort on disk: BIDS, with brain masks and exact labels as derivatives, so that ``read_bids`` reads it."""

from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nibabel as nib

from parcela.errors import BadRequest
from parcela.files import atomic_file, write_text, write_tsv
from parcela.imaging.geometry import Geometry
from parcela.imaging.label_map import write_label_map, write_mask
from parcela_training.cohorts.bids import read_bids
from parcela_training.cohorts.cohort import Cohort
from parcela_training.cohorts.virtual.subject import Extent, VirtualSubject, virtual_subject
from parcela_training.progress import OnItem

NAME = "Virtual cohort (Colin27 and AAL, deformed)"
VERSION = 1  # of the recipe: another one draws other subjects from the same seed
DERIVATIVE = "truth"
SPACINGS_MM = (0.5, 6.0)


@dataclass(frozen=True, slots=True)
class VirtualRecipe:
    """What decides every byte of a virtual cohort, its number of subjects aside."""

    seed: int
    spacing_mm: float
    extent: Extent
    version: int = VERSION


@dataclass(frozen=True, slots=True)
class _Files:
    """The files of one subject; the sidecar is written last and says that the others are complete."""

    folder: Path
    name: str

    @property
    def scan(self) -> Path:
        return self.folder / self.name / "anat" / f"{self.name}_T1w.nii.gz"

    @property
    def sidecar(self) -> Path:
        return self.folder / self.name / "anat" / f"{self.name}_T1w.json"

    @property
    def mask(self) -> Path:
        return self._derived(f"{self.name}_desc-brain_mask.nii.gz")

    @property
    def labels(self) -> Path:
        return self._derived(f"{self.name}_seg-AAL_dseg.nii.gz")

    def _derived(self, name: str) -> Path:
        return self.folder / "derivatives" / DERIVATIVE / self.name / "anat" / name

    def complete(self) -> bool:
        return all(p.is_file() for p in (self.scan, self.mask, self.labels, self.sidecar))


def write_virtual_cohort(
    folder: Path,
    subjects: int,
    *,
    seed: int = 0,
    spacing_mm: float = 2.0,
    extent: Extent = "brain",
    progress: OnItem | None = None,
) -> Cohort:
    """Write a virtual cohort, or what is missing of it, and read it back.

    Subjects that are complete are not drawn again, so that a killed run is resumed by repeating it, and a cohort grows
    by asking for more. Equal arguments give equal files. About a second of one core per subject at 2 mm.

    Args:
        folder: empty, new, or a virtual cohort of the same recipe.
        subjects: 1 or more; the cohort returned has just these, even if the folder has more.
        seed: 0 or more.
        spacing_mm: of the scans' cubic voxels, 0.5 to 6.
        extent: ``brain``: skull-stripped scans; ``head``: whole heads.
        progress: called after each subject with (subjects done, of how many, name of the last).

    Raises:
        BadRequest: an argument is out of its bounds, or the folder holds something else.
        Unavailable: the atlas is missing or damaged.
        OSError: a file cannot be written.
    """
    recipe = _checked(subjects, VirtualRecipe(seed, float(spacing_mm), extent))
    _claim(folder, recipe)
    files = [_Files(folder, f"sub-virtual{number:04d}") for number in range(1, subjects + 1)]
    for number, subject_files in enumerate(files, start=1):
        if not subject_files.complete():
            drawn = virtual_subject(seed, number, spacing_mm=recipe.spacing_mm, extent=extent)
            _write_subject(subject_files, drawn)
        if progress:
            progress(number, subjects, subject_files.name)
    _write_participants(folder)
    everyone, wanted = read_bids(folder), {subject_files.name for subject_files in files}
    images = tuple(image for image in everyone.images if image.subject in wanted)
    columns = {name: row for name, row in everyone.columns.items() if name in wanted}
    return Cohort(images, everyone.name, folder, everyone.warnings, columns)


def _checked(subjects: int, recipe: VirtualRecipe) -> VirtualRecipe:
    low, high = SPACINGS_MM
    if subjects < 1 or recipe.seed < 0:
        raise BadRequest(
            f"a virtual cohort of {subjects} subjects, seed {recipe.seed}: give one subject at least, and a seed of 0 "
            "or more"
        )
    if not low <= recipe.spacing_mm <= high:
        raise BadRequest(f"a spacing of {recipe.spacing_mm:g} mm: choose {low:g} to {high:g} mm")
    return recipe


def _claim(folder: Path, recipe: VirtualRecipe) -> None:
    """Mark an empty folder as this recipe's, or make sure that it already is."""
    description = folder / "dataset_description.json"
    derived = folder / "derivatives" / DERIVATIVE / description.name
    common = {"BIDSVersion": "1.9.0", "GeneratedBy": [{"Name": "Parcela"}]}
    if not description.exists():
        if folder.is_dir() and any(p.suffix != ".part" for p in folder.iterdir()):
            raise BadRequest(f"{folder}: holds other files: choose an empty folder, or a new one")
        folder.mkdir(parents=True, exist_ok=True)
        raw = {"Name": NAME, "DatasetType": "raw", "Recipe": asdict(recipe)}
        _write_json(description, common | raw)
    elif (other := _recipe_of(description)) != asdict(recipe):
        raise BadRequest(
            f"{folder}: holds another cohort ({other or 'not a virtual one'}; asked for {asdict(recipe)}): choose "
            "another folder"
        )
    if not derived.exists():
        derived.parent.mkdir(parents=True, exist_ok=True)
        _write_json(derived, common | {"Name": DERIVATIVE, "DatasetType": "derivative"})


def _recipe_of(description: Path) -> Any:
    try:
        return json.loads(description.read_text(encoding="utf-8")).get("Recipe")
    except (OSError, ValueError, AttributeError):
        return None


def _write_subject(files: _Files, subject: VirtualSubject) -> None:
    x, y, z = subject.scan.shape
    geometry = Geometry.of_grid((x, y, z), subject.affine)
    for path in (files.scan, files.labels):
        if path.parent.is_dir():
            shutil.rmtree(path.parent)  # what a killed run left
        path.parent.mkdir(parents=True)
    image = nib.Nifti1Image(subject.scan, subject.affine)
    image.header.set_xyzt_units("mm")
    packed = gzip.compress(image.to_bytes(), 6, mtime=0)
    with atomic_file(files.scan) as stream:
        stream.write(packed)
    write_label_map(files.labels, subject.labels, geometry)
    write_mask(files.mask, subject.mask, geometry)
    _write_json(files.sidecar, {"Modality": "MR", "Virtual": subject.drawn})


def _write_participants(folder: Path) -> None:
    rows = []
    for sidecar in sorted(folder.glob("sub-*/anat/*_T1w.json")):
        drawn = json.loads(sidecar.read_text(encoding="utf-8"))["Virtual"]
        name = sidecar.name.removesuffix("_T1w.json")
        rows.append({"participant_id": name, "dataset": "virtual"} | _rounded(drawn))
    write_tsv(folder / "participants.tsv", list(rows[0]), [list(row.values()) for row in rows])


def _rounded(drawn: dict[str, float]) -> dict[str, str]:
    return {name: f"{value:.5g}" for name, value in drawn.items()}


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_text(path, json.dumps(content, indent=2, sort_keys=True) + "\n")

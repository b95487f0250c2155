"""The preparing of one image as a task for a process: where its files lie, and whether it is done."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from parcela.errors import StepFailed
from parcela.settings import change_settings
from parcela_training.cohorts.cohort import Image
from parcela_training.preparation.contact_sheet import write_tile
from parcela_training.preparation.image import prepare_image
from parcela_training.preparation.prepared_set import PreparedImage
from parcela_training.preparation.settings import Preparation, Sources

IMAGES, HALFWAY, TEMPORARY = "images", "halfway", "temporary"
# Seconds that parts of the work take; only their ratio matters, for the estimate of the time left.
GEOMETRY_S, SKULL_STRIP_S, REGISTRATION_S = 5.0, 60.0, 50.0


@dataclass(frozen=True, slots=True)
class Task:
    """One image to prepare into ``folder``; its files are named by content and settings."""

    image: Image
    how: Preparation
    sources: Sources
    folder: Path

    @property
    def file(self) -> Path:
        """The prepared image; written last: it says that all is done."""
        return self.folder / IMAGES / f"{self.image.id}_{self.how.key(self.sources)}.npz"

    @property
    def tile(self) -> Path:
        """The image's picture, a tile of the contact sheet."""
        return self.file.with_suffix(".png")

    @property
    def halfway(self) -> Path:
        """The preprocessed image, while the registration runs."""
        key = self.how.preprocessing_key(self.sources)
        return self.folder / HALFWAY / f"{self.image.id}_{key}.npz"

    @property
    def cost_s(self) -> float:
        """The seconds that preparing this image may take."""
        mask = 0.0 if self.sources.mask else SKULL_STRIP_S
        return GEOMETRY_S + mask + (0.0 if self.sources.label else REGISTRATION_S)

    def record(self) -> dict[str, Any] | None:
        """How the image was prepared; None while it is not, or where a crash of the machine left half a file."""
        try:
            return PreparedImage.load_record(self.file) if self.tile.exists() else None
        except (OSError, ValueError, KeyError, BadZipFile):
            return None

    def forget(self) -> None:
        """Remove what earlier runs made of it."""
        for path in (self.file, self.tile, self.halfway):
            path.unlink(missing_ok=True)


def do(task: Task) -> dict[str, Any]:
    """Prepare one image in a process that `settle` has made ready; returns its record.

    Raises:
        ParcelaError: as ``prepare_image``; StepFailed also when the disk is full.
    """
    prepared = prepare_image(task.image, task.how, task.sources, task.halfway)
    try:
        write_tile(task.tile, prepared)
        prepared.save(task.file)
        task.halfway.unlink(missing_ok=True)
    except OSError as error:
        raise StepFailed(f"{task.file}: cannot be written ({error.strerror or error})") from error
    return dict(prepared.record)


def settle(folder: Path) -> None:
    """What a process that prepares does first: one thread for it and its children, its temporary files in ``folder``.

    There the next run sweeps what a killed one left.
    """
    import torch

    change_settings(torch_threads=1)
    torch.set_num_threads(1)
    tempfile.tempdir = str(folder / TEMPORARY)

"""What preparation leaves for training: one compressed file an image, and the table of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from parcela.errors import BadRequest
from parcela.files import atomic_file, write_text, write_tsv
from parcela.imaging.geometry import Shape
from parcela_training.options import Part, PresetName

TABLE, RECORD = "prepared.tsv", "prepared.json"
COLUMNS = (
    "id",
    "subject",
    "dataset",
    "split",
    "file",
    "mask_from",
    "label_from",
    "verdict",
    "reasons",
    "seconds_preprocessing",
    "seconds_registration",
    "seconds_total",
)


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """One image on the networks' grid, with its labels.

    Attributes:
        image: (I, J, K) float16 in [0, 1].
        label: (I, J, K) uint8, ids 0–116, opened as the preset does.
        registered: the same before the opening.
        affine: (4, 4), voxel index to world mm (RAS+), in the scan's world.
        record: how it was made; plain JSON values.
    """

    image: NDArray[np.float16]
    label: NDArray[np.uint8]
    registered: NDArray[np.uint8]
    affine: NDArray[np.float64]
    record: Mapping[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write one compressed file, complete or not at all."""
        with atomic_file(path) as stream:
            np.savez_compressed(
                stream,
                image=self.image,
                label=self.label,
                registered=self.registered,
                affine=self.affine,
                record=np.array(json.dumps(self.record)),
            )

    @staticmethod
    def load(path: Path) -> PreparedImage:
        """Read what ``save`` wrote."""
        with np.load(path) as stored:
            return PreparedImage(
                stored["image"],
                stored["label"],
                stored["registered"],
                stored["affine"],
                json.loads(str(stored["record"])),
            )

    @staticmethod
    def load_record(path: Path) -> dict[str, Any]:
        """The record alone, without unpacking a single voxel."""
        with path.open("rb") as stream, np.load(stream) as stored:
            record: dict[str, Any] = json.loads(str(stored["record"]))
        return record


@dataclass(frozen=True, eq=False)
class PreparedSet:
    """All prepared images of a cohort, as ``prepare`` left them in one folder.

    Attributes:
        folder: where they lie.
        rows: of ``prepared.tsv``, by its columns, in the order of the ids.
        record: of ``prepared.json``: preset, shape, split, software.
    """

    folder: Path
    rows: tuple[Mapping[str, str], ...]
    record: Mapping[str, Any]

    @staticmethod
    def read(folder: Path) -> PreparedSet:
        """The images of a folder that ``prepare`` has finished.

        Raises:
            BadRequest: there is none, its tables are damaged, or the run that wrote them did not come to its end.
        """
        try:
            with (folder / TABLE).open(newline="", encoding="utf-8") as table:
                rows = tuple(csv.DictReader(table, delimiter="\t"))
            record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise BadRequest(
                f"{folder}: no prepared cohort in it: run parcela prepare COHORT -o {folder} first"
            ) from error
        except (OSError, ValueError) as error:
            raise BadRequest(
                f"{folder}: its prepared cohort cannot be read ({error}): run parcela prepare again"
            ) from error
        if not record.get("complete", True):
            raise BadRequest(
                f"{folder}: {len(rows)} of {record['images']} images are prepared, and the run did not end: "
                "repeat parcela prepare to finish them"
            )
        return PreparedSet(folder, rows, record)

    def write(self) -> None:
        """Write both tables; ``read`` gives an equal set.

        Raises:
            OSError: they cannot be written.
        """
        write_text(self.folder / RECORD, json.dumps(self.record, indent=2) + "\n")
        cells = [[row[name] for name in COLUMNS] for row in self.rows]
        write_tsv(self.folder / TABLE, COLUMNS, cells)

    def of(self, part: Part) -> list[Mapping[str, str]]:
        """The rows of one part that are used.

        Labels that the automatic check calls failed are left out, except in the preset ``thesis``, which has no check.
        """
        used = ("ok", "doubtful", "failed") if self.preset == "thesis" else ("ok", "doubtful")
        return [row for row in self.rows if row["split"] == part and row["verdict"] in used]

    def files(self, part: Part) -> list[Path]:
        """The prepared files of one part, in the order of ``ids``."""
        return [self.folder / row["file"] for row in self.of(part)]

    def files_by_id(self, part: Part) -> dict[str, Path]:
        """The same, by image."""
        return dict(zip(self.ids(part), self.files(part), strict=True))

    def ids(self, part: Part) -> list[str]:
        """The images of one part."""
        return [row["id"] for row in self.of(part)]

    @cached_property
    def datasets(self) -> dict[str, str]:
        """The data set of every image, by id."""
        return {row["id"]: row["dataset"] for row in self.rows}

    @property
    def preset(self) -> PresetName:
        """``demo``, ``thesis`` or ``modern``."""
        return cast(PresetName, self.record["preset"])

    @property
    def shape(self) -> Shape:
        """The grid of the prepared images, (I, J, K)."""
        i, j, k = self.record["shape"]
        return int(i), int(j), int(k)

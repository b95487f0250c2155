"""One image of a cohort, from the raw scan to image and label on one grid."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parcela.atlas.opening import open_labels
from parcela.errors import BadScan
from parcela.files import atomic_file
from parcela.imaging.trail import GeometryTrail, Grid
from parcela.imaging.volume import read_volume
from parcela_labelling.label import label
from parcela_preprocess.preprocess import preprocess
from parcela_preprocess.transforms.skull_strip import STRIPPED_BY
from parcela_training.cohorts.cohort import Image
from parcela_training.preparation.imported import check_labels, matched, read_labels, read_mask
from parcela_training.preparation.prepared_set import PreparedImage
from parcela_training.preparation.settings import Preparation, Sources


@dataclass(frozen=True, eq=False)
class UnlabelledImage:
    """A preprocessed image that waits for its label.

    Attributes:
        image: (I, J, K) float32 in [0, 1].
        trail: from the scan's grid to this one.
        record: how it was made.
    """

    image: NDArray[np.float32]
    trail: GeometryTrail
    record: Mapping[str, Any]

    def save(self, path: Path) -> None:
        """Write one file, complete or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        trail, record = np.array(self.trail.to_json()), np.array(json.dumps(self.record))
        with atomic_file(path) as stream:
            np.savez_compressed(stream, image=self.image, trail=trail, record=record)

    @staticmethod
    def load(path: Path) -> UnlabelledImage:
        """Read what ``save`` wrote."""
        with path.open("rb") as stream, np.load(stream) as stored:
            trail = GeometryTrail.from_json(str(stored["trail"]))
            return UnlabelledImage(stored["image"], trail, json.loads(str(stored["record"])))


def prepare_image(
    image: Image, how: Preparation, sources: Sources, halfway: Path | None = None
) -> PreparedImage:
    """Preprocess one scan, find its label, open it, and bring both onto one grid.

    Args:
        image: the scan, with its mask and label where it has them.
        how: the settings.
        sources: hashes of the image's files, as ``how.sources`` has them.
        halfway: where the preprocessed image is kept while the registration runs, so that a killed run does not
            preprocess again.

    Raises:
        BadScan: a file cannot be used, or has changed since it was hashed. StepFailed: a step crashed.
    """
    started = time.perf_counter()
    if sources.label is not None and image.label is not None:
        prepared = _with_imported(image, image.label, how, sources)
    else:
        prepared = _with_registration(_halfway(image, how, sources, halfway), how)
    total = prepared.record["seconds"] | {"total": round(time.perf_counter() - started, 3)}
    record = {**prepared.record, "id": image.id, "seconds": total}
    return PreparedImage(
        prepared.image, prepared.label, prepared.registered, prepared.affine, record
    )


def preprocessed(
    image: Image, how: Preparation, sources: Sources, onto: Grid | None = None
) -> UnlabelledImage:
    """The nine steps on one scan, with its imported mask where there is one; ``onto`` a grid where that is given."""
    scan = read_volume(image.path)
    if scan.sha256 != sources.scan:
        raise BadScan(f"{image.path}: the file changed while it was being prepared: run again")
    mask = read_mask(image.mask, scan) if sources.mask and image.mask else None
    done = preprocess(
        scan,
        preset=how.chain,
        skull_strip=how.skull_strip,
        mask=mask,
        shape=how.shape,
        onto=onto,
    )
    record = {
        "mask_from": "imported" if mask is not None else done.record.parameters[STRIPPED_BY],
        "seconds": {"preprocessing": round(sum(done.record.seconds.values()), 3)},
        "steps": done.record.seconds,
        "warnings": [*scan.warnings, *done.record.warnings],
    }
    return UnlabelledImage(done.image, done.trail, record)


def _halfway(
    image: Image, how: Preparation, sources: Sources, file: Path | None
) -> UnlabelledImage:
    if file is None:
        return preprocessed(image, how, sources)
    if not file.exists():
        preprocessed(image, how, sources).save(file)
    return UnlabelledImage.load(file)


def _with_registration(ready: UnlabelledImage, how: Preparation) -> PreparedImage:
    labelling = label(ready.image, ready.trail, opening=how.opening)
    record = {
        **ready.record,
        "label_from": "registration",
        "verdict": labelling.check.verdict,
        "reasons": labelling.check.reasons,
        "measures": labelling.check.measures,
        "seconds": ready.record["seconds"] | {"registration": labelling.seconds["registration"]},
    }
    image = ready.image.astype(np.float16)
    return PreparedImage(
        image, labelling.labels, labelling.registered, ready.trail.model.affine, record
    )


def _with_imported(image: Image, path: Path, how: Preparation, sources: Sources) -> PreparedImage:
    """Labels on a grid of the networks' size stay as they came: another mask moves the image, not them."""
    labels, affine = read_labels(path)
    onto = Grid(shape=how.shape, affine=affine) if labels.shape == how.shape else None
    ready = preprocessed(image, how, sources, onto)
    pair = matched(ready.image, ready.trail.model.affine, labels, affine)
    verdict, reasons = check_labels(pair)
    record = {**ready.record, "label_from": "imported", "verdict": verdict, "reasons": reasons}
    opened = open_labels(pair.labels, how.opening)
    return PreparedImage(pair.image.astype(np.float16), opened, pair.labels, pair.affine, record)

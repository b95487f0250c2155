"""One picture of the shipped networks: image, bronze label, each one's map, three planes.

    python -m parcela_training.publish.figure --prepared DIR --out picture.png [--image ID]

Of an image of the validation split.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from parcela.errors import BadRequest
from parcela.files import atomic_file
from parcela.options import NETWORKS
from parcela.settings import settings
from parcela_inference.parcellate import parcellate
from parcela_training.cohorts.cohort import listed
from parcela_training.evaluation.engine import unmoved
from parcela_training.metrics.measures import dice, image_mean
from parcela_training.options import TITLES
from parcela_training.preparation.prepared_set import PreparedImage, PreparedSet
from parcela_training.report.pictures.labels import draw_side_by_side
from parcela_training.report.pictures.slices import Scan


def draw(prepared: PreparedSet, name: str | None, out: Path) -> None:
    """Predict one validation image with the shipped networks and save the picture.

    Raises:
        BadRequest: the image is not in the validation split.
    """
    files = dict(zip(prepared.ids("val"), prepared.files("val"), strict=True))
    if not files or (name is not None and name not in files):
        raise BadRequest(f"{name}: choose a validation image, such as {listed(files)}")
    subject = PreparedImage.load(files[name or next(iter(files))])
    image = subject.image.astype(np.float32)
    maps = {}
    for model in NETWORKS:
        labels = parcellate(image, unmoved(image), model=model, space="model").labels
        mean = float(image_mean(dice(labels, subject.label)))
        maps[f"{TITLES[model]}, Dice {mean:.3f}"] = labels
    scan = Scan(image, np.asarray(subject.affine, np.float64))
    png = draw_side_by_side("Bronze label and the networks' own", scan, subject.label, maps)
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(out) as stream:
        stream.write(png)


def main() -> None:
    """Read the command line and draw."""
    parser = argparse.ArgumentParser(prog="parcela_training.publish.figure", description=__doc__)
    parser.add_argument("--prepared", type=Path, required=True)
    parser.add_argument("--image", help="its id; the first unless set")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(settings().torch_threads)
    draw(PreparedSet.read(arguments.prepared), arguments.image, arguments.out)


if __name__ == "__main__":
    main()

"""One picture of a validation prediction: image, bronze label, U-Net, HighResNet, three planes.

python -m parcela_training.figure --prepared DIR --weights weights --out picture.png
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from numpy.typing import NDArray
from safetensors.torch import load_file

from parcela.atlas import color_table
from parcela_inference.card import Model
from parcela_inference.networks import MODEL_SHAPE, build
from parcela_training.cohort import read_split
from parcela_training.predict import dice_per_region, predict
from parcela_training.samples import Samples

PLANES = ("sagittal", "coronal", "axial")
TITLES = {"unet": "U-Net", "highresnet": "HighResNet"}


def draw(prepared: Path, weights: Path, subject: int, out: Path) -> None:
    """Predict one validation subject with both networks and save the picture."""
    samples = Samples(read_split(prepared, "val"))
    sample = samples.get(subject)
    i, j, k = MODEL_SHAPE
    image = sample.image[0, 0, :i, :j, :k].numpy()
    truth = sample.label[:i, :j, :k].numpy()
    maps: list[tuple[str, NDArray[np.uint8]]] = [("bronze label", truth)]
    for model in get_args(Model):
        network = build(model, "modern")
        network.load_state_dict(load_file(weights / model / "model.safetensors"))
        found = predict(network.eval(), sample.image)
        dice = np.nanmean(dice_per_region(found, truth))
        maps.append((f"{TITLES[model]}, Dice {dice:.3f}", found))
    _save(image, maps, out)


def _save(image: NDArray[np.float32], maps: list[tuple[str, NDArray[np.uint8]]], out: Path) -> None:
    mpl.use("Agg")
    figure, axes = plt.subplots(3, 1 + len(maps), figsize=(11, 8), facecolor="black")
    for row, plane in zip(axes, range(3), strict=True):
        _show(row[0], "image", _slice(image, plane), None, plane)
        for axis, (title, labels) in zip(row[1:], maps, strict=True):
            _show(axis, title, _slice(image, plane), _slice(labels, plane), plane)
    figure.tight_layout(pad=0.4)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110, facecolor="black")
    plt.close(figure)


def _slice(volume: NDArray[np.generic], plane: int) -> NDArray[np.generic]:
    """The plane through the grid's middle (off it for the sagittal), first axis up."""
    place = volume.shape[plane] // 2 if plane else volume.shape[0] // 3
    return np.flipud(np.take(volume, place, axis=plane).T)


def _show(
    axis: Axes,
    title: str,
    image: NDArray[np.generic],
    labels: NDArray[np.generic] | None,
    plane: int,
) -> None:
    axis.imshow(image, cmap="gray", vmin=0, vmax=1)
    if labels is not None:
        ids = labels.astype(np.uint8)
        colours = color_table()[ids]
        opacity = np.where(ids > 0, 190, 0).astype(np.uint8)
        axis.imshow(np.dstack([colours, opacity]), interpolation="nearest")
    if plane == 0:
        axis.set_title(title, color="white", fontsize=10)
    axis.axis("off")


def main() -> None:
    """Read the command line and draw."""
    parser = argparse.ArgumentParser(prog="parcela_training.figure", description=__doc__)
    parser.add_argument("--prepared", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    parser.add_argument("--subject", type=int, default=10, help="its place in the split")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    draw(arguments.prepared, arguments.weights, arguments.subject, arguments.out)


if __name__ == "__main__":
    main()

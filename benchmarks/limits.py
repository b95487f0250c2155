"""Why the networks agree no better with the labels, and the U-Net less than HighResNet.

    python benchmarks/limits.py --prepared DIR

Three questions: do they do better on images that they learned from; how well could a map agree that knows every other
voxel alone, as MONAI's U-Net does; and is HighResNet further ahead the more surface a region has. On the validation
images and as many training images; half an hour on two cores, and repeating the command goes on.
Writes benchmarks/results/limits.md and .json.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from parcela_benchmarks import accuracy, limits
from parcela_benchmarks.methods import method_groups
from parcela_benchmarks.results import write_results
from parcela_training.metrics.measures import dice, image_mean
from parcela_training.metrics.statistics import summarise
from parcela_training.preparation.prepared_set import PreparedImage, PreparedSet
from parcela_training.progress import counting
from parcela_training.report.document import Table


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--prepared", type=Path, required=True, help="what parcela prepare left")
    parser.add_argument("--work", type=Path, default=Path(".cache/benchmarks"))
    arguments = parser.parse_args()

    prepared = PreparedSet.read(arguments.prepared)
    networks = next(group for group in method_groups(0) if group.name == "networks")
    networks = replace(networks, images=len(prepared.files("val")))
    results = {
        part: accuracy.run_methods(
            networks,
            prepared,
            part,
            arguments.work,
            counting(lambda line: print(line, file=sys.stderr, flush=True), part),
        )
        for part in ("val", "train")
    }
    labels = [PreparedImage.load(file).label for file in prepared.files("val")]
    coarse = np.array(
        [image_mean(dice(limits.at_every_other_voxel(each), each)) for each in labels]
    )
    rows = {("the labels at every other voxel, put back", "validation"): coarse}
    for part, name in (("val", "validation"), ("train", "training")):
        rows |= {
            (result.title, name): image_mean(result.dice["opened"]) for result in results[part]
        }
    means = {key: summarise(values) for key, values in rows.items()}
    unet, highresnet = (result.dice["opened"] for result in results["val"][:2])
    surface = np.array([limits.surface_per_volume(each) for each in labels])
    gap = limits.gap(highresnet, unet, surface)

    table = Table(
        "5",
        "What limits the networks",
        ("Map", "Images", "n", "Mean-117 Dice"),
        tuple(
            (title, part, str(each.n), f"{each.mean:.4f} ± {each.sd:.4f}")
            for (title, part), each in means.items()
        ),
        f"Against opened labels. HighResNet is ahead of the U-Net in {gap.ahead} of the 116 regions, by the median "
        "Dice of the validation images; Spearman's ρ of that gap with the surface of a region for its volume is "
        f"{gap.rho:.2f} (p = {gap.p:.0e}).",
    )
    record = {
        "dice": [
            {"map": title, "part": part, **asdict(each)} for (title, part), each in means.items()
        ],
        "gap": gap,
    }
    write_results("limits", [table], record)


if __name__ == "__main__":
    main()

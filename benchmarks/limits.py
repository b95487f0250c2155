"""Why the networks agree no better with the labels, and the U-Net less than HighResNet.

    python benchmarks/limits.py --prepared DIR

Three questions: do they do better on images that they learned from; how well could a map agree that knows every other
voxel alone, as MONAI's U-Net does; and is HighResNet further ahead the more surface a region has. On the validation
images and as many training images; half an hour on two cores, and repeating the command goes on.
Writes benchmarks/results/limits.md and .json.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from parcela_benchmarks import accuracy, limits
from parcela_benchmarks.methods import families
from parcela_training.hardware import hardware, versions
from parcela_training.metrics.measures import dice, image_mean
from parcela_training.metrics.statistics import summarise
from parcela_training.preparation.prepared import Prepared, PreparedSet
from parcela_training.progress import counting
from parcela_training.report.document import Table
from parcela_training.report.markdown import to_markdown

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--prepared", type=Path, required=True, help="what parcela prepare left")
    parser.add_argument("--work", type=Path, default=Path(".cache/benchmarks"))
    arguments = parser.parse_args()

    prepared = PreparedSet.read(arguments.prepared)
    networks = next(family for family in families(0) if family.name == "networks")
    networks = replace(networks, images=len(prepared.files("val")))
    lines = {
        part: accuracy.run_family(
            networks,
            prepared,
            part,
            arguments.work,
            counting(lambda line: print(line, file=sys.stderr, flush=True), part),
        )
        for part in ("val", "train")
    }
    labels = [Prepared.load(file).label for file in prepared.files("val")]
    coarse = np.array(
        [image_mean(dice(limits.at_every_other_voxel(each), each)) for each in labels]
    )
    rows = {("the labels at every other voxel, put back", "validation"): coarse}
    for part, name in (("val", "validation"), ("train", "training")):
        rows |= {(line.title, name): image_mean(line.dice["opened"]) for line in lines[part]}
    found = {key: summarise(values) for key, values in rows.items()}
    unet, highresnet = (line.dice["opened"] for line in lines["val"][:2])
    surface = np.array([limits.surface_per_volume(each) for each in labels])
    gap = limits.gap(highresnet, unet, surface)

    table = Table(
        "5",
        "What limits the networks",
        ("Map", "Images", "n", "Mean-117 Dice"),
        tuple(
            (title, part, str(each.n), f"{each.mean:.4f} ± {each.sd:.4f}")
            for (title, part), each in found.items()
        ),
        f"Against opened labels. HighResNet is ahead of the U-Net in {gap.ahead} of the 116 regions, by the median "
        "Dice of the validation images; Spearman's ρ of that gap with the surface of a region for its volume is "
        f"{gap.rho:.2f} (p = {gap.p:.0e}).",
    )
    text = to_markdown([table], ".")
    (RESULTS / "limits.md").write_text(text, encoding="utf-8")
    record = {
        "hardware": hardware(),
        "versions": versions(),
        "dice": [
            {"map": title, "part": part, **asdict(each)} for (title, part), each in found.items()
        ],
        "gap": asdict(gap),
    }
    (RESULTS / "limits.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

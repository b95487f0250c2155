"""Half an hour on a bare machine with a GPU: trains both networks, measures, and brings the results back.

    python benchmarks/gpu_kit.py pack runs/prepared --also runs/prepared-fast   # here; makes .gpu-kit
    python benchmarks/gpu_kit.py run                                            # there, in a checkout with .gpu-kit

The machine needs Python with PyTorch, NumPy, SciPy and safetensors; the rest comes as wheels, and the code and the
weights from the checkout. ``run`` works for at most ``--minutes`` and then writes to ``--out`` (``$OUT``, where it is
set): ``speed.json`` and an experiment's folder of each network, at most eight files of 16 MB. Called again it goes on:
on the same machine with everything, on another with what came back, put into ``.gpu-kit/back``. Without a GPU it
does the same on the CPU.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Literal

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCES = (
    "shared",
    "services/inference",
    "services/preprocess",
    "services/labelling",
    "training",
    "benchmarks",
)
KIT = REPOSITORY / ".gpu-kit"
WORK = Path(tempfile.gettempdir()) / "parcela-gpu-kit"
Piece = Literal["unet", "speed", "highresnet"]
PIECES: tuple[Piece, ...] = ("unet", "speed", "highresnet")
MINUTES = {"unet": 7.0, "highresnet": 15.0}
NEEDED_S = {
    "unet": 30.0,
    "speed": 240.0,
    "highresnet": 90.0,
}  # beyond the training itself, or at least
PACKED_MB = 17.0  # with the repository's 49 MB below the 64 MiB that such a machine may take


def main() -> None:
    arguments = _arguments()
    if arguments.work == "pack":
        _pack(arguments)
    else:
        _make_ready(arguments.kit)
        _run(arguments)


def _pack(arguments: argparse.Namespace) -> None:
    from parcela_benchmarks.gpu.pack import pack
    from parcela_training.preparation.prepared_set import PreparedSet

    sets = [PreparedSet.read(folder) for folder in (arguments.prepared, *arguments.also)]
    images = pack(sets, arguments.kit, arguments.megabytes, arguments.python)
    size = sum(file.stat().st_size for file in arguments.kit.rglob("*") if file.is_file())
    print(f"{arguments.kit}\t{images} images\t{size / 1e6:.1f} MB")


def _make_ready(kit: Path) -> None:
    """The wheels and the checkout on the path, of child processes too."""
    site = WORK / "site"
    if not site.exists():
        for wheel in sorted((kit / "wheels").glob("*.whl")):
            zipfile.ZipFile(wheel).extractall(site)
    paths = [str(site), *(str(REPOSITORY / source) for source in SOURCES)]
    sys.path[:0] = paths
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    os.environ["PARCELA_WEIGHTS"] = str(REPOSITORY / "weights")
    os.environ.setdefault("PARCELA_TORCH_THREADS", str(os.cpu_count() or 1))


def _run(arguments: argparse.Namespace) -> None:
    import torch

    from parcela_benchmarks.gpu.pack import unpack
    from parcela_benchmarks.gpu.pieces import bring_back, can_go_on, time_everything, train_on

    end = time.monotonic() + 60 * arguments.minutes
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cudnn.benchmark = True
    run = WORK / "run"
    if not run.exists() and (arguments.kit / "back").is_dir():
        shutil.copytree(arguments.kit / "back", run)
    prepared = unpack(arguments.kit, WORK / "prepared")
    print(
        f"{device}: {len(prepared.of('train'))} images, {len(prepared.of('val'))} for validation",
        flush=True,
    )

    for piece in PIECES:
        left_s = end - time.monotonic()
        if _done(run, piece) or left_s < NEEDED_S[piece] * (device == "cuda"):
            continue
        if piece == "speed":
            time_everything(prepared, run, device, arguments.small)
            continue
        minutes = arguments.train_minutes or MINUTES[piece]
        file = run / piece / "checkpoint.pt"
        if file.exists() and not can_go_on(file):
            file.unlink()
        if (
            piece == "unet"
            and device == "cuda"
            and not file.exists()
            and left_s < 60 * minutes + NEEDED_S[piece]
        ):
            continue  # too large to come back half-trained
        train_on(prepared, piece, run, device, minutes, max(1.0, left_s - NEEDED_S[piece] / 3))
    print(*bring_back(run, arguments.out), sep="\n")
    left = [piece for piece in PIECES if not _done(run, piece)]
    print(f"left: {', '.join(left)}: run again" if left else "all done")


def _done(run: Path, piece: str) -> bool:
    if piece != "speed":
        return (run / piece / "trained.json").exists()
    file = run / "speed.json"
    return file.exists() and '"steps"' in file.read_text()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    work = parser.add_subparsers(dest="work", required=True)
    pack = work.add_parser("pack", help="fill the kit, here")
    pack.add_argument("prepared", type=Path, help="a folder that parcela prepare has finished")
    pack.add_argument(
        "--also", type=Path, action="append", default=[], help="the same images, other masks"
    )
    pack.add_argument(
        "--megabytes", type=float, default=PACKED_MB, help="the most that the kit may weigh"
    )
    pack.add_argument("--python", default="3.12", help="the bare machine's")
    run = work.add_parser("run", help="work, there")
    run.add_argument("--minutes", type=float, default=9.5, help="of this call")
    run.add_argument("--out", type=Path, default=Path(os.environ.get("OUT") or KIT / "results"))
    run.add_argument("--train-minutes", type=float, help="of each network, instead of 7 and 15")
    run.add_argument(
        "--small", action="store_true", help="speed on tiny volumes: a trial of the kit itself"
    )
    for each in (pack, run):
        each.add_argument("--kit", type=Path, default=KIT)
    return parser.parse_args()


if __name__ == "__main__":
    main()

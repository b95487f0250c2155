"""Evaluate the networks of one experiment, the shipped ones beside them, and the registration they stand in for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import nn

from parcela.errors import BadRequest
from parcela.files import write_text
from parcela.imaging.preprocessed import MODEL_SHAPE
from parcela.settings import settings
from parcela.weights.cards import MODELS, Model
from parcela_inference.scores import choose_device
from parcela_inference.weights import network as shipped_network
from parcela_training.cohorts.cohort import Part
from parcela_training.evaluation.images import Way, evaluate
from parcela_training.evaluation.record import Evaluation
from parcela_training.evaluation.registrations import measure_registrations
from parcela_training.experiment_folder import RunFolder
from parcela_training.hardware import hardware
from parcela_training.networks.predict import monai_predictor, predictor
from parcela_training.preparation.prepared import Prepared, PreparedSet
from parcela_training.progress import Say, Tell, counting
from parcela_training.report.pictures.catalogue import PREDICTION_FIGURES
from parcela_training.report.pictures.labels import draw_prediction
from parcela_training.report.pictures.slices import Scan
from parcela_training.report.record import Registration
from parcela_training.training import checkpoint
from parcela_training.training.trained import load_network

SHIPPED = "shipped-"
REGISTRATION_FILE = "registration.json"
TIMED = 2
_REGISTRATION = TypeAdapter(Registration)


@dataclass(frozen=True, slots=True)
class Depth:
    """How much is measured.

    Attributes:
        part: which images.
        surface: surface distances too, some 8 s an image.
        shipped: the shipped weights beside; None: where the images lie on their grid.
        monai: how many images each network also predicts by MONAI alone, to be timed.
        registrations: how many images are registered, to be timed; None: as few as needed, none where ``prepare`` made
            the labels itself.
        noise: how many of them twice, with two seeds.
    """

    part: Part = "test"
    surface: bool = False
    shipped: bool | None = None
    monai: int = 2
    registrations: int | None = None
    noise: int = 1


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network to evaluate: its kind, the name of its files, how it is come by, and whether it runs in bf16."""

    model: Model
    name: str
    load: Callable[[], nn.Module]
    mixed_precision: bool = True


def evaluate_run(folder: RunFolder, depth: Depth, say: Say) -> dict[str, tuple[Evaluation, ...]]:
    """Evaluate everything that a run's folder holds; the files lie in its ``evaluations`` afterwards.

    What an earlier call found is not measured again.

    Returns:
        The evaluations by network, such as ``unet`` and ``shipped-unet``: against opened labels, then unopened.

    Raises:
        BadRequest: the run has no prepared images in this part, or the shipped weights do not fit their grid.
    """
    torch.set_num_threads(settings().torch_threads)
    prepared = PreparedSet.read(folder.prepared_of(folder.plan()))
    if not prepared.ids(depth.part):
        raise BadRequest(
            f"{prepared.folder}: no image in the part {depth.part}: choose another --part"
        )
    found = {}
    for candidate in candidates(folder, prepared, depth.shipped):
        tell = counting(say, f"evaluate {candidate.name} on {depth.part}")
        found[candidate.name] = _evaluate(folder, prepared, candidate, depth, tell)
    _register(folder, prepared, depth, say)
    return found


def candidates(
    folder: RunFolder, prepared: PreparedSet, shipped: bool | None
) -> Iterator[Candidate]:
    """The run's own networks, then the shipped ones where they are wanted."""
    fits = prepared.shape == MODEL_SHAPE
    if shipped and not fits:
        raise BadRequest(
            f"the shipped weights take {MODEL_SHAPE}, these images are {prepared.shape}: leave --shipped out"
        )
    for model in folder.models:
        own = folder.network(model)
        mixed = checkpoint.load(own / checkpoint.FILE)["settings"]["precision"] == "bfloat16"
        yield Candidate(model, model, partial(load_network, own), mixed)
    if fits and shipped is not False:
        for model in MODELS:
            yield Candidate(model, SHIPPED + model, partial(shipped_network, model, "cpu"))


def _evaluate(
    folder: RunFolder, prepared: PreparedSet, candidate: Candidate, depth: Depth, tell: Tell
) -> tuple[Evaluation, ...]:
    network = candidate.load().to(choose_device())
    way = Way(
        candidate.model,
        predictor(network, mixed_precision=candidate.mixed_precision),
        monai_predictor(network),
        depth.monai,
        depth.surface,
        {"weights": weights_hash(network), "prepared": prepared_hash(prepared, depth.part)},
    )
    stem = f"{candidate.name}-{depth.part}"
    found = evaluate(way, prepared, depth.part, folder.evaluation(f"{stem}.jsonl"), tell=tell)
    for evaluation in found:
        evaluation.save(folder.evaluation(f"{stem}-{evaluation.against}.json"))
    if candidate.name == candidate.model and depth.part == "test":
        _draw(folder, prepared, way, found[0])
    return found


def _draw(folder: RunFolder, prepared: PreparedSet, way: Way, found: Evaluation) -> None:
    """Figure 4.1 or 4.2, of the image whose mean Dice is the median; not again while the rows are the same."""
    figure = folder.figure(PREDICTION_FIGURES[way.network])
    rows = folder.evaluation(f"{way.network}-test.jsonl")
    if figure.exists() and figure.stat().st_mtime_ns > rows.stat().st_mtime_ns:
        return
    place = int(np.argsort(found.per_image, kind="stable")[len(found.images) // 2])
    subject = Prepared.load(prepared.files("test")[place])
    image = subject.image.astype(np.float32)
    scan = Scan(image, np.asarray(subject.affine, np.float64))
    drawn = draw_prediction(
        scan, subject.label, way.predict(image), way.network, float(found.per_image[place])
    )
    folder.save_figures(drawn)


def _register(folder: RunFolder, prepared: PreparedSet, depth: Depth, say: Say) -> None:
    timed = depth.registrations
    if timed is None:
        timed = 0 if registration_seconds(prepared) else TIMED
    if not (timed or depth.noise):
        return
    found = measure_registrations(
        prepared,
        depth.part,
        folder.evaluation(f"registrations-{depth.part}.jsonl"),
        timed=timed,
        repeated=depth.noise,
        tell=counting(say, "register the atlas"),
    )
    if found is None:
        return
    path = folder.evaluation(REGISTRATION_FILE)
    write_text(path, _REGISTRATION.dump_json(found, indent=2).decode() + "\n")


def read_registration(folder: RunFolder, prepared: PreparedSet) -> Registration | None:
    """What was measured of registrations; their seconds are those of ``prepare`` where it made the labels."""
    path = folder.evaluation(REGISTRATION_FILE)
    found = _REGISTRATION.validate_json(path.read_bytes()) if path.exists() else None
    if seconds := registration_seconds(prepared):
        repeats = found.repeat_dice if found else ()
        return Registration(seconds, hardware(), repeats)
    return found


def registration_seconds(prepared: PreparedSet) -> tuple[float, ...]:
    """Of each label that ``prepare`` made itself."""
    cells = [row["seconds_registration"] for row in prepared.rows]
    return tuple(float(cell) for cell in cells if cell != "n/a")


def weights_hash(network: nn.Module) -> str:
    """SHA-256 over a network's parameters and buffers, in the order of their names."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def prepared_hash(prepared: PreparedSet, part: Part) -> str:
    """SHA-256 over the names of a part's files, which their content decides."""
    names = sorted(file.name for file in prepared.files(part))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()

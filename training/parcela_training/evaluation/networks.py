"""Evaluate the networks of one experiment, the shipped ones beside them, and the registration they stand in for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn

from parcela.errors import BadRequest
from parcela.files import atomic_file
from parcela.imaging.preprocessed import MODEL_SHAPE
from parcela.options import BOTH, Network
from parcela.settings import settings
from parcela_inference.weights import network as shipped_network
from parcela_training.evaluation.engine import parcellator
from parcela_training.evaluation.images import Evaluator, evaluate
from parcela_training.evaluation.record import Evaluation, RegistrationRecord
from parcela_training.evaluation.registrations import measure_registrations
from parcela_training.experiment_folder import ExperimentFolder
from parcela_training.hardware import hardware
from parcela_training.networks.predict import monai_predictor
from parcela_training.options import Part
from parcela_training.preparation.prepared_set import PreparedImage, PreparedSet
from parcela_training.progress import OnItem, OnLine, counting
from parcela_training.training.record import load_network

SHIPPED = "shipped-"
REGISTRATION_FILE = "registration.json"
TIMED = 2


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """Which measures an evaluation takes, and on how many images.

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
class EvaluatedNetwork:
    """A network to evaluate: its kind, the name of its files, and how it is come by."""

    model: Network
    name: str
    load: Callable[[], nn.Module]


def evaluate_experiment(
    folder: ExperimentFolder, options: EvaluationOptions, on_line: OnLine
) -> dict[str, tuple[Evaluation, ...]]:
    """Evaluate everything that a run's folder holds; the files lie in its ``evaluations`` afterwards.

    What an earlier call measured is not measured again.

    Returns:
        The evaluations by network, such as ``unet`` and ``shipped-unet``: against opened labels, then unopened.

    Raises:
        BadRequest: the run has no prepared images in this part, or the shipped weights do not fit their grid.
    """
    torch.set_num_threads(settings().torch_threads)
    prepared = PreparedSet.read(folder.prepared_of(folder.plan()))
    if not prepared.ids(options.part):
        raise BadRequest(
            f"{prepared.folder}: no image in the part {options.part}: choose another --part"
        )
    evaluations = {}
    for tested in networks_of(folder, prepared, options.shipped):
        on_item = counting(on_line, f"evaluate {tested.name} on {options.part}")
        evaluations[tested.name] = _evaluate(folder, prepared, tested, options, on_item)
    _register(folder, prepared, options, on_line)
    return evaluations


def networks_of(
    folder: ExperimentFolder, prepared: PreparedSet, shipped: bool | None
) -> Iterator[EvaluatedNetwork]:
    """The run's own networks, then the shipped ones where they are wanted."""
    fits = prepared.shape == MODEL_SHAPE
    if shipped and not fits:
        raise BadRequest(
            f"the shipped weights take {MODEL_SHAPE}, these images are {prepared.shape}: leave --shipped out"
        )
    for model in folder.models:
        trained = folder.network(model)
        yield EvaluatedNetwork(model, model, partial(load_network, trained))
    if fits and shipped is not False:
        for model in BOTH:
            yield EvaluatedNetwork(model, SHIPPED + model, partial(shipped_network, model, "cpu"))


def _evaluate(
    folder: ExperimentFolder,
    prepared: PreparedSet,
    tested: EvaluatedNetwork,
    options: EvaluationOptions,
    on_item: OnItem,
) -> tuple[Evaluation, ...]:
    network = tested.load()
    evaluator = Evaluator(
        tested.model,
        parcellator(tested.model, network),
        monai_predictor(network),
        options.monai,
        options.surface,
        made_from(network, prepared, options.part),
    )
    stem = f"{tested.name}-{options.part}"
    rows = folder.evaluation(f"{stem}.jsonl")
    evaluations = evaluate(evaluator, prepared, options.part, rows, on_item=on_item)
    for evaluation in evaluations:
        evaluation.save(folder.evaluation(f"{stem}-{evaluation.reference}.json"))
    if tested.name == tested.model and options.part == "test":
        _keep_prediction(folder, prepared, evaluator, evaluations[0])
    return evaluations


def _keep_prediction(
    folder: ExperimentFolder, prepared: PreparedSet, evaluator: Evaluator, evaluation: Evaluation
) -> None:
    """The label map of the test image whose mean Dice is the median: what its figure shows."""
    file = folder.prediction(evaluator.network)
    rows = folder.evaluation(f"{evaluator.network}-test.jsonl")
    if file.exists() and file.stat().st_mtime_ns > rows.stat().st_mtime_ns:
        return
    place = int(np.argsort(evaluation.per_image, kind="stable")[len(evaluation.images) // 2])
    subject = PreparedImage.load(prepared.files("test")[place])
    labels = evaluator.predict(subject.image.astype(np.float32))
    with atomic_file(file) as stream:
        np.savez_compressed(stream, image=np.array(evaluation.images[place]), labels=labels)


def _register(
    folder: ExperimentFolder, prepared: PreparedSet, options: EvaluationOptions, on_line: OnLine
) -> None:
    timed = options.registrations
    if timed is None:
        timed = 0 if registration_seconds(prepared) else TIMED
    if not (timed or options.noise):
        return
    record = measure_registrations(
        prepared,
        options.part,
        folder.evaluation(f"registrations-{options.part}.jsonl"),
        timed=timed,
        repeated=options.noise,
        on_item=counting(on_line, "register the atlas"),
    )
    if record:
        record.save(folder.evaluation(REGISTRATION_FILE))


def read_registration(folder: ExperimentFolder, prepared: PreparedSet) -> RegistrationRecord | None:
    """What was measured of registrations; their seconds are those of ``prepare`` where it made the labels."""
    path = folder.evaluation(REGISTRATION_FILE)
    record = RegistrationRecord.load(path) if path.exists() else None
    if seconds := registration_seconds(prepared):
        repeats = record.repeat_dice if record else ()
        return RegistrationRecord(seconds, hardware(), repeats)
    return record


def registration_seconds(prepared: PreparedSet) -> tuple[float, ...]:
    """Of each label that ``prepare`` made itself."""
    cells = [row["seconds_registration"] for row in prepared.rows]
    return tuple(float(cell) for cell in cells if cell != "n/a")


def made_from(network: nn.Module, prepared: PreparedSet, part: Part) -> dict[str, str]:
    """What decides the rows of an evaluation."""
    return {
        "weights": weights_hash(network),
        "prepared": prepared_hash(prepared, part),
        "precision": settings().torch_precision,
    }


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

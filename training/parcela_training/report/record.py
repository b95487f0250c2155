"""The record of one run, complete and plain: the report is made from it and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from parcela.files import write_text
from parcela.options import Network
from parcela_training.cohorts.split import By
from parcela_training.evaluation.record import Evaluation, RegistrationRecord
from parcela_training.thesis import PUBLISHED, Published


@dataclass(frozen=True, slots=True)
class SplitCounts:
    """How the images were divided.

    Attributes:
        train, validation, test: images.
        by: ``subject``, ``image`` (several scans of one subject may then be divided), or
            ``column`` (the cohort's own).
        subjects: all subjects, None where unknown.
        leaking_subjects: those with scans in more than one part.
    """

    train: int
    validation: int
    test: int
    by: By
    subjects: int | None = None
    leaking_subjects: int = 0


@dataclass(frozen=True, slots=True)
class Epoch:
    """One point of the training curves; a loss is None where it was not measured."""

    number: float
    train_loss: float | None
    validation_loss: float | None


@dataclass(frozen=True, slots=True)
class NetworkRecord:
    """One network as trained and evaluated; None or empty for what a run does not have.

    Attributes:
        network: ``highresnet`` or ``unet``.
        variant: ``thesis`` or ``modern``.
        origin: what sets it apart from another of the same kind, such as ``shipped weights``;
            empty for the run's own.
        training_hours: wall-clock, validation each epoch included.
        epochs_reached, epochs_planned: whole passes over the training images.
        training_images: images per epoch.
        settings: learning rate, batch size and the like, by name.
        curve: in the order of training.
        evaluations: the first is the one that Tables 4.1 to 4.3 speak of first.
    """

    network: Network
    variant: str
    origin: str = ""
    training_hours: float | None = None
    epochs_reached: float | None = None
    epochs_planned: float | None = None
    training_images: int | None = None
    settings: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    curve: tuple[Epoch, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()

    @property
    def published(self) -> Published:
        """The thesis's values for this kind of network."""
        return PUBLISHED[self.network]

    @property
    def title(self) -> str:
        """Such as ``U-Net`` or ``U-Net (shipped weights)``."""
        return self.published.title + (f" ({self.origin})" if self.origin else "")

    @property
    def training_s_per_image(self) -> float | None:
        """Seconds per training image and epoch; None where hours, epochs or images are unknown."""
        if not (self.training_hours and self.epochs_reached and self.training_images):
            return None
        return self.training_hours * 3600 / (self.epochs_reached * self.training_images)


@dataclass(frozen=True, slots=True)
class ExperimentRecord:
    """Everything that a report says of a run.

    Attributes:
        preset: ``demo``, ``thesis`` or ``modern``.
        cohort: which images, in words.
        split: how they were divided.
        hardware: what the networks were trained and timed on.
        versions: of each program and library that had a part.
        seeds: by purpose.
        networks: the run's own.
        beside: others on the same images, such as the shipped weights.
        registration: None where nothing was registered.
        pictures: PNG files of the figures that show scans, by figure number such as ``3.2``;
            relative paths start at the run's folder.
        remarks: what a reader must know, a sentence or two each: the budget, warnings.
    """

    preset: str
    cohort: str
    split: SplitCounts
    hardware: str
    versions: Mapping[str, str]
    seeds: Mapping[str, int]
    networks: tuple[NetworkRecord, ...]
    beside: tuple[NetworkRecord, ...] = ()
    registration: RegistrationRecord | None = None
    pictures: Mapping[str, Path] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def all_networks(self) -> tuple[NetworkRecord, ...]:
        """The run's own, then those beside."""
        return *self.networks, *self.beside

    def first(self, network: Network) -> NetworkRecord | None:
        """The run's own network of a kind."""
        return next((run for run in self.networks if run.network == network), None)

    def save(self, path: Path) -> None:
        """Write as JSON, without loss. Raises OSError."""
        write_text(path, _ADAPTER.dump_json(self, by_alias=True).decode() + "\n")

    @classmethod
    def load(cls, path: Path) -> ExperimentRecord:
        """Read what ``save`` wrote. Raises OSError, ValueError where it is no record of a run."""
        return _ADAPTER.validate_json(path.read_bytes())


_ADAPTER = TypeAdapter(ExperimentRecord)

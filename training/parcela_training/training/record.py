"""What a training run leaves: its record, its curves, and the network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from parcela.errors import BadRequest
from parcela.files import atomic_file, write_text
from parcela_inference.networks import build
from parcela_training.training import checkpoint
from parcela_training.training.curve import CurvePoint
from parcela_training.training.recipe import Recipe

RECORD, NETWORK = "trained.json", "network.safetensors"


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """The record of a finished training.

    Attributes:
        recipe: complete.
        steps, epochs: reached; an epoch is a pass over the training images.
        hours: wall-clock, validation included, over all sittings.
        stopped_early: by the preset's rule.
        training_images, validation_images: how many.
        device, processes: what it ran on.
        from_weights: the SHA-256 of the weights that it started from; None: from random ones.
        curve: in the order of training. With ``from_weights`` the first row is before any step.
    """

    recipe: Annotated[Recipe, Field(alias="settings")]
    steps: int
    epochs: float
    hours: float
    stopped_early: bool
    training_images: int
    validation_images: int
    device: str
    processes: int
    from_weights: str | None
    curve: tuple[CurvePoint, ...]

    def save(self, folder: Path) -> None:
        """Write ``trained.json``."""
        write_text(
            folder / RECORD, _ADAPTER.dump_json(self, indent=2, by_alias=True).decode() + "\n"
        )

    @staticmethod
    def read(folder: Path) -> TrainingRecord:
        """The run that finished in a folder.

        Raises:
            BadRequest: none did.
        """
        try:
            return _ADAPTER.validate_json((folder / RECORD).read_bytes())
        except (OSError, ValidationError) as error:
            raise BadRequest(
                f"{folder}: no finished training in it: run parcela train -o {folder.parent}"
            ) from error


_ADAPTER = TypeAdapter(TrainingRecord)


def save_network(folder: Path, network: nn.Module) -> None:
    """Write the result's weights as they are, in 32 bits."""
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    with atomic_file(folder / NETWORK) as stream:
        stream.write(save(weights))


def load_network(folder: Path) -> nn.Module:
    """The network that a run made, on the CPU, in evaluation mode.

    Averaged weights where the recipe averages, else those of the best validation loss; of an
    unfinished run, those of its last checkpoint.

    Raises:
        BadRequest: there is none.
    """
    file = folder / checkpoint.FILE
    if not file.exists():
        raise BadRequest(f"{folder}: no network in it: run parcela train -o {folder.parent}")
    state = checkpoint.load(file)
    network = result(state)
    if (folder / NETWORK).exists():
        network.load_state_dict(load_file(folder / NETWORK))
    return network


def result(state: dict[str, Any]) -> nn.Module:
    """The network of a checkpoint as ``load_network`` says, before its batch norm is re-estimated."""
    network = build(state["settings"]["model"], state["settings"]["variant"])
    average = state["average"] and checkpoint.part(state["average"], "module")
    network.load_state_dict(
        average or state["best"] or checkpoint.part(state["modules"], "network")
    )
    return network.eval()


def read_weights(folder: Path, model: str) -> tuple[dict[str, Tensor], Path]:
    """Published weights and their file: ``folder`` holds them, or a folder per network.

    Raises:
        BadRequest: there are none.
    """
    for file in (folder / model / "model.safetensors", folder / "model.safetensors"):
        if file.exists():
            try:
                return load_file(file), file
            except (OSError, SafetensorError) as error:
                raise BadRequest(f"{file} cannot be read ({error})") from error
    raise BadRequest(
        f"{folder}: no weights of {model} in it: give a folder with {model}/model.safetensors"
    )


def load_weights(network: nn.Module, weights: dict[str, Tensor], file: Path) -> None:
    """Put weights into a network. Raises BadRequest where they are another network's."""
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise BadRequest(f"{file} holds the weights of another network") from error


def clone(network: nn.Module) -> dict[str, Tensor]:
    """A copy of a network's state on the CPU."""
    return {n: v.detach().to("cpu", copy=True) for n, v in network.state_dict().items()}

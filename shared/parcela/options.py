"""What a caller may choose, and how a manifest records it: the same for the command, the Python API and the service."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from parcela.errors import BadRequest
from parcela.settings import settings
from parcela.weights.cards import MODELS, read_card

Model = Literal["unet", "highresnet", "both"]
SkullStrip = Literal["robex", "deepbet"]
Space = Literal["native", "model"]
Device = Literal["auto", "cpu", "cuda"]
Preset = Literal["modern", "thesis"]


class Choices(Protocol):
    """What a manifest records of how a bundle was made, and what a repeated run is compared by."""

    def parameters(self) -> dict[str, Any]:
        """Every setting that changes the result."""
        ...

    def weights(self) -> dict[str, str | None]:
        """SHA-256 of the weights in use, by network."""
        ...


@dataclass(frozen=True)
class Options:
    """Everything that changes a prediction.

    Raises:
        BadRequest: a value that is none of those known.
    """

    model: Model = "unet"
    preprocess: bool = True
    skull_strip: SkullStrip = "robex"
    space: Space = "native"
    device: Device = "auto"

    def __post_init__(self) -> None:
        _check("model", self.model, ("unet", "highresnet", "both"))
        _check("skull_strip", self.skull_strip, ("robex", "deepbet"))
        _check("space", self.space, ("native", "model"))
        _check("device", self.device, ("auto", "cpu", "cuda"))

    def parameters(self) -> dict[str, Any]:
        """As recorded in the manifest, thread counts included: the bytes of N4 depend on them."""
        return {
            "model": self.model,
            "preprocess": self.preprocess,
            "skull_strip": self.skull_strip if self.preprocess else None,
            "preset": "modern",
            "space": self.space,
            "torch_precision": settings().torch_precision,
            **_threads(),
        }

    def weights(self) -> dict[str, str | None]:
        """SHA-256 of the weights in use, by network."""
        return {name: read_card(name).sha256 for name in MODELS if self.model in (name, "both")}


@dataclass(frozen=True)
class LabelOptions:
    """Everything that changes a bronze label."""

    preset: Preset = "modern"
    skull_strip: SkullStrip = "robex"
    preprocess: bool = True

    def parameters(self) -> dict[str, Any]:
        """As recorded in the manifest; the bytes of N4 and of the registration depend on the thread count."""
        return {
            "preset": self.preset,
            "preprocess": self.preprocess,
            "skull_strip": self.skull_strip if self.preprocess else None,
            "registration": "SyN",
            **_threads(),
        }

    def weights(self) -> dict[str, str | None]:
        """No network has a part in it."""
        return {}


def _check(name: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        raise BadRequest(f"{name}={value!r}: choose from {', '.join(known)}")


def _threads() -> dict[str, int]:
    return {"itk_threads": settings().itk_threads, "torch_threads": settings().torch_threads}

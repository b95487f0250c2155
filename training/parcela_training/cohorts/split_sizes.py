"""How many images each part of a split shall have: what the presets ask for, and what ``--split`` may say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from parcela.errors import BadRequest

HELP = "write counts such as 150/25/25, or fractions that sum to 1 such as 0.75/0.125/0.125"


@dataclass(frozen=True, slots=True)
class Sizes:
    """What is asked of train, val and test.

    Attributes:
        train, val, test: numbers of images, or fractions of all of them that sum to 1; all above 0.
        unit: which of the two.
    """

    train: float
    val: float
    test: float
    unit: Literal["images", "fractions"] = "images"

    def __str__(self) -> str:
        return f"{self.train:g}/{self.val:g}/{self.test:g}"

    @property
    def least(self) -> int:
        """The fewest images that can be split so."""
        return int(self.train + self.val + self.test) if self.unit == "images" else 3

    def counts(self, images: int) -> tuple[int, int, int]:
        """Images for train, val and test out of so many; a fraction rounds to at least one image.

        Raises:
            BadRequest: more images are asked for than there are.
        """
        if images < self.least:
            raise BadRequest(
                f"found {images} images; a split {self} needs {self.least}: ask for smaller parts"
            )
        if self.unit == "images":
            return int(self.train), int(self.val), int(self.test)
        val, test = (max(1, round(share * images)) for share in (self.val, self.test))
        while val + test >= images:  # a handful of images, and hardly a share for train
            val, test = (val - 1, test) if val > test else (val, test - 1)
        return images - val - test, val, test


def parse_sizes(text: str) -> Sizes:
    """Read ``150/25/25`` or ``0.75/0.125/0.125`` (also ``75%/12.5%/12.5%``), in the order train, val, test.

    Raises:
        BadRequest: it is neither; the message says what to write.
    """
    words = text.replace(" ", "").split("/")
    percent = all(word.endswith("%") for word in words)
    try:
        train, val, test = (float(word.removesuffix("%" if percent else "")) for word in words)
    except ValueError:
        raise BadRequest(f"the split {text!r} is not three numbers: {HELP}") from None
    if not min(train, val, test) > 0 or max(train, val, test) == float("inf"):
        raise BadRequest(f"the split {text!r} leaves a part empty: {HELP}")
    total = train + val + test
    if percent or total < 1.5:
        if abs(total / (100 if percent else 1) - 1) > 0.01:
            raise BadRequest(f"the split {text!r} sums to {total:g}: {HELP}")
        return Sizes(train / total, val / total, test / total, "fractions")
    if not all(size.is_integer() for size in (train, val, test)):
        raise BadRequest(f"the split {text!r} has parts of images: {HELP}")
    return Sizes(train, val, test)


@dataclass(frozen=True, slots=True)
class SplitPreset:
    """The split of one preset of the experiment, and the fewest images it makes sense for."""

    sizes: Sizes
    least: int

    def __str__(self) -> str:
        return f"{self.sizes} of {self.least} images" + (
            " or more" if self.sizes.unit == "fractions" else ""
        )


SPLIT_PRESETS = {
    "thesis": SplitPreset(Sizes(1200, 200, 200), 1600),
    "modern": SplitPreset(Sizes(0.75, 0.125, 0.125, "fractions"), 8),
    "demo": SplitPreset(Sizes(12, 4, 4), 20),
}


def split_preset(preset: str) -> SplitPreset:
    """The split of a preset. Raises BadRequest where there is no such preset."""
    if preset not in SPLIT_PRESETS:
        raise BadRequest(f"there is no preset {preset!r}: choose from {', '.join(SPLIT_PRESETS)}")
    return SPLIT_PRESETS[preset]


def preset_sizes(preset: str, images: int, subjects: int) -> Sizes:
    """What a preset asks for, once there are enough images for it.

    Raises:
        BadRequest: there is no such preset, or there are too few images: the message says how many were found, how many
            the preset needs, and which presets fit.
    """
    chosen = split_preset(preset)
    if images >= chosen.least:
        return chosen.sizes
    fitting = [
        f"{name} ({fitting_preset})"
        for name, fitting_preset in SPLIT_PRESETS.items()
        if images >= fitting_preset.least
    ]
    fit = f"--preset {' or '.join(fitting)} fits" if fitting else "no preset fits so few"
    raise BadRequest(
        f"found {images} images of {subjects} subjects; the preset {preset} needs {chosen.least} ({chosen.sizes}): "
        f"{fit}; or give --split train/val/test, or a column `split` in the cohort's table"
    )

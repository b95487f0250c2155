"""What the thesis published, with the numbers of its tables: what a run's report stands beside.

The thesis: UFSCar 2025, "Implementação de um pipeline para parcelamento cerebral … utilizando o
framework MONAI". Percent and fractions are kept as printed; what we derive says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from parcela.options import Network

Z_95: Final = 1.96  # standard normal, both sides: its intervals take it so rounded
TRAIN_IMAGES: Final = 1200
VALIDATION_IMAGES: Final = 200
TEST_IMAGES: Final = 200
MOST_EPOCHS: Final = 150
HARDWARE: Final = "RTX 4090"
REGISTRATION_S: Final = 10.0
TIMES_FASTER: Final = 196  # printed for HighResNet alone
WORST_REGIONS_MISSED: Final = 4  # of the five in Figure 4.4, by HighResNet


def implied_sd(low: float, high: float, n: int) -> float:
    """The SD from which a 95 % interval of a mean over ``n`` values has these ends, in their unit."""
    return (high - low) / 2 * math.sqrt(n) / Z_95


@dataclass(frozen=True, slots=True)
class Published:
    """One network's published values.

    Attributes:
        title: as printed.
        training_hours, epochs_reached: Table 3.1.
        mean_dice_percent, sd_dice: Table 4.1; the SD is a fraction rounded to two places.
        interval_percent: Table 4.2, the 95 % interval of the mean Dice.
        prediction_s, prediction_sd_s: Table 4.3.
    """

    title: str
    training_hours: float
    epochs_reached: int
    mean_dice_percent: float
    sd_dice: float
    interval_percent: tuple[float, float]
    prediction_s: float
    prediction_sd_s: float

    @property
    def implied_sd_dice(self) -> float:
        """Derived: the SD, as a fraction, that Table 4.2's interval takes over the test images."""
        low, high = self.interval_percent
        return implied_sd(low, high, TEST_IMAGES) / 100

    @property
    def training_s_per_image(self) -> float:
        """Derived from Table 3.1: seconds per training image and epoch."""
        return self.training_hours * 3600 / (self.epochs_reached * TRAIN_IMAGES)

    @property
    def times_faster(self) -> float:
        """Derived: registration's seconds over those of Table 4.3."""
        return REGISTRATION_S / self.prediction_s


HIGHRESNET: Final = Published(
    title="HighResNet",
    training_hours=37,
    epochs_reached=150,
    mean_dice_percent=81.64,
    sd_dice=0.09,
    interval_percent=(80.40, 82.88),
    prediction_s=0.051,
    prediction_sd_s=0.001,
)
UNET: Final = Published(
    title="U-Net",
    training_hours=0.31,
    epochs_reached=43,
    mean_dice_percent=83.13,
    sd_dice=0.08,
    interval_percent=(82.04, 84.23),
    prediction_s=0.079,
    prediction_sd_s=0.013,
)
PUBLISHED: Final[dict[Network, Published]] = {"highresnet": HIGHRESNET, "unet": UNET}

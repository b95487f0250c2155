"""From a preprocessed scan to a bronze label on its own grid: what ``parcela label`` and the worker both call."""

from __future__ import annotations

from dataclasses import dataclass

from parcela.bundle.prediction import Prediction, manifest_of
from parcela.imaging.preprocessed import Preprocessed
from parcela.imaging.standard_space import etiv_mm3
from parcela.imaging.volume import Volume
from parcela.options import LabelOptions
from parcela.quality.assess import Evidence, assess
from parcela.stopwatch import OnStep, Stopwatch
from parcela_labelling.label import Labelling, label
from parcela_labelling.to_scan import to_scan

CHECK_FILE = "desc-registration_check.json"


@dataclass(frozen=True, eq=False, kw_only=True)
class Labelled(Prediction):
    """One scan labelled by registration: a prediction's bundle, with the transforms and the check beside it.

    Attributes:
        labelling: what the registration gave, on the model's grid.
    """

    labelling: Labelling

    @property
    def remarks(self) -> tuple[str, ...]:
        """Whether the registration can be trusted."""
        return (*super().remarks, f"registration {self.labelling.check.verdict}")


def label_scan(
    volume: Volume, ready: Preprocessed, options: LabelOptions, on_step: OnStep | None = None
) -> Labelled:
    """Register the atlas, open, check, bring the labels to the scan's grid, and record how.

    Args:
        volume: the scan as received.
        ready: the same, preprocessed.
        options: what was chosen.
        on_step: called with each step's name as it begins.

    Raises:
        StepFailed: see ``label``.
    """
    labelling = label(ready.image, ready.trail, opening=options.preset, on_step=on_step)
    watch = Stopwatch(on_step)
    with watch.step("to native"):
        labels = ready.in_view(to_scan(labelling.labels, ready.trail), ready.trail.scan)
    quality = assess(Evidence(volume, ready, labelling.labels, labels, ready.trail.scan.affine))
    manifest = manifest_of(
        "label",
        ready,
        parameters=options.parameters(),
        seconds=labelling.seconds | watch.seconds,
        warnings=labelling.warnings,
    )
    manifest = manifest.model_copy(update={"quality": quality})
    check = labelling.check.to_json().encode()
    return Labelled(
        volume,
        labels,
        ready.brain_mask,
        manifest,
        tissues=ready.tissues,
        etiv_mm3=etiv_mm3(labelling.transforms.affine),
        attachments={CHECK_FILE: check, **labelling.transforms.files},
        labelling=labelling,
    )

"""The engines of this machine: its networks, and the registration of the atlas."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parcela.bundle.prediction import Prediction
from parcela.bundle.write import FIXED_NAMES, names_of_bundle, names_on_request
from parcela.imaging.label_map import write_label_map
from parcela.imaging.standard_space import COLIN27
from parcela.imaging.volume import Volume
from parcela.options import Device, LabelOptions, PredictOptions, networks_of
from parcela.weights.cards import hashes_of
from parcela_cli.bundles import NamedScan
from parcela_cli.destination import names_one_file, writing
from parcela_cli.pipeline import run, run_label, template_parameter
from parcela_cli.progress import Progress, Result


@dataclass(frozen=True)
class NetworkEngine:
    """The networks, on a device of this machine."""

    options: PredictOptions
    device: Device = "auto"
    template: Volume | None = None

    def parameters(self) -> dict[str, Any]:
        """As a manifest records them."""
        return self.options.parameters() | template_parameter(self.template)

    def weights(self) -> dict[str, str | None]:
        """SHA-256 of the weights, by network."""
        return hashes_of(self.options.model)

    def files(self) -> Iterable[str]:
        """The bundle's, with several networks each one's own map, and what was asked for."""
        space = self.template.name if self.template else COLIN27
        of_bundle = names_of_bundle(networks_of(self.options.model))
        return (*of_bundle, *names_on_request(self.options, space))

    def make(self, scan: NamedScan, out: Path, progress: Progress) -> Result:
        """Parcellate one scan and write what came of it."""
        made = run(scan.volume, self.options, self.device, progress.step, self.template)
        return write(made, out, scan.name, progress)


@dataclass(frozen=True)
class RegistrationEngine:
    """The atlas, registered to each scan."""

    options: LabelOptions

    def parameters(self) -> dict[str, Any]:
        """As a manifest records them."""
        return self.options.parameters()

    def weights(self) -> dict[str, str | None]:
        """No network has a part in it."""
        return {}

    def files(self) -> Iterable[str]:
        """The bundle's, the check and the transforms."""
        from parcela_labelling.labelled import CHECK_FILE
        from parcela_labelling.transforms import FILES

        return (*FIXED_NAMES.values(), CHECK_FILE, *FILES, *names_on_request(self.options))

    def make(self, scan: NamedScan, out: Path, progress: Progress) -> Result:
        """Label one scan and write what came of it."""
        return write(run_label(scan.volume, self.options, progress.step), out, scan.name, progress)


def write(prediction: Prediction, out: Path, name: str, progress: Progress) -> Result:
    """The bundle into a folder, or the label map alone.

    Raises:
        StepFailed: the disk refused.
    """
    progress.step("write")
    with writing(out):
        if names_one_file(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            write_label_map(out, prediction.labels, prediction.scan.geometry)
            return result_of(prediction, out)
        return result_of(prediction, prediction.save(out, name)["dseg"])


def result_of(prediction: Prediction, path: Path) -> Result:
    """The result of a scan that was parcellated here."""
    return Result.of(
        path,
        [(row.voxels, row.volume_mm3) for row in prediction.table],
        prediction.manifest.seconds.values(),
        remarks=prediction.remarks,
        warnings=prediction.warnings,
    )

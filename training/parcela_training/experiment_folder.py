"""Where the files of an experiment lie, and what it was asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from parcela.errors import BadRequest
from parcela.files import atomic_file, write_text
from parcela.options import BOTH, Network
from parcela_training.options import Part, PresetName, SplitBy
from parcela_training.training.checkpoint import FILE as CHECKPOINT


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides an experiment; kept beside its results, which answer to no other plan.

    Attributes:
        preset: ``demo``, ``thesis`` or ``modern``.
        cohort: the path of the scans; None: the virtual cohort.
        prepared: where the prepared images lie; None: in the experiment's own folder. Without a cohort ``prepare`` has
            finished there.
        budget: of the training of each network, such as ``10m``, ``500steps``, ``3epochs``; None: the preset's own.
        split: such as ``150/25/25``; None: the cohort's own, else the preset's.
        by: split by subject or by image.
        seed: of the split, the networks and the virtual cohort.
    """

    preset: PresetName
    cohort: str | None = None
    prepared: str | None = None
    budget: str | None = None
    split: str | None = None
    by: SplitBy = "subject"
    seed: int = 0


_PLAN = TypeAdapter(Plan)


@dataclass(frozen=True, slots=True)
class ExperimentFolder:
    """The folder of one experiment."""

    path: Path

    @property
    def prepared(self) -> Path:
        """The prepared images, unless the plan names another folder."""
        return self.path / "prepared"

    @property
    def split(self) -> Path:
        """Which image is in which part."""
        return self.path / "split.tsv"

    @property
    def virtual(self) -> Path:
        """The scans of the virtual cohort."""
        return self.path / "virtual"

    @property
    def figures(self) -> Path:
        """The pictures of scans."""
        return self.path / "figures"

    @property
    def record(self) -> Path:
        """The run's record, which the report is made from."""
        return self.path / "run.json"

    @property
    def models(self) -> tuple[Network, ...]:
        """The networks whose training has come far enough to be kept."""
        return tuple(model for model in BOTH if (self.network(model) / CHECKPOINT).exists())

    def figure(self, number: str) -> Path:
        """Where a figure lies, by its number, such as 3.2."""
        return self.figures / f"figure-{number}.png"

    def save_figures(self, drawn: Mapping[str, bytes]) -> None:
        """Keep pictures by their figure's number."""
        self.figures.mkdir(parents=True, exist_ok=True)
        for number, png in drawn.items():
            with atomic_file(self.figure(number)) as stream:
                stream.write(png)

    def network(self, model: Network) -> Path:
        """What training leaves of a network."""
        return self.path / model

    def evaluation(self, name: str) -> Path:
        """A file of what evaluation found, such as ``unet-test-opened.json``."""
        return self.path / "evaluations" / name

    def prediction(self, model: Network) -> Path:
        """The predicted label map of one test image, which a figure shows."""
        return self.evaluation(f"{model}-test-prediction.npz")

    def claim(self, plan: Plan) -> None:
        """Make the folder this plan's. Raises BadRequest as ``check`` does."""
        self.check(plan)
        self.path.mkdir(parents=True, exist_ok=True)
        write_text(self._plan, _PLAN.dump_json(plan, indent=2).decode() + "\n")

    def check(self, plan: Plan) -> None:
        """Refuse a folder that is another plan's.

        Raises:
            BadRequest: it holds an experiment with another plan; the message says what differs.
        """
        if not self._plan.exists():
            return
        present, asked = asdict(self.plan()), asdict(plan)
        if differing := [
            f"{name} {present[name]}, not {asked[name]}"
            for name in asked
            if present[name] != asked[name]
        ]:
            raise BadRequest(
                f"{self.path}: holds an experiment with {'; '.join(differing)}: repeat its own options to go on with "
                "it, or choose another folder"
            )

    def plan(self) -> Plan:
        """What the experiment in this folder was asked to do.

        Raises:
            BadRequest: there is none, or its file is damaged.
        """
        try:
            return _PLAN.validate_json(self._plan.read_bytes())
        except (OSError, ValueError) as error:
            raise BadRequest(
                f"{self.path}: no experiment in it: give the folder that parcela experiment -o wrote to"
            ) from error

    @property
    def _plan(self) -> Path:
        return self.path / "experiment.json"

    def prepared_of(self, plan: Plan) -> Path:
        """The folder of prepared images that a plan uses."""
        return Path(plan.prepared) if plan.prepared else self.prepared

    def evaluations(self, part: Part) -> list[Path]:
        """The evaluations of a part, in the order of their names."""
        return sorted((self.path / "evaluations").glob(f"*-{part}-*opened.json"))

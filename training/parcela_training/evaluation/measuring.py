"""One loop for all that is measured piece by piece: a row is on disk at once, and a killed run goes on after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parcela_training.journal import Journal, Row
from parcela_training.options import Part
from parcela_training.preparation.prepared_set import PreparedImage, PreparedSet
from parcela_training.progress import OnItem


@dataclass(frozen=True, slots=True)
class Measurement:
    """One row of a journal, and how it is come by.

    Attributes:
        name: of the row.
        measure: makes the row; called only where the journal lacks it.
        suffices: whether a row of an earlier run still holds; None: it does.
    """

    name: str
    measure: Callable[[], Row]
    suffices: Callable[[Row], bool] | None = None


def measure(
    measurements: Sequence[Measurement],
    journal: Path,
    made_from: Mapping[str, Any],
    *,
    describe: Callable[[Row], str] = lambda row: str(row["name"]),
    on_item: OnItem | None = None,
) -> list[Row]:
    """Measure what the journal lacks, one after another.

    Args:
        measurements: what is wanted, in this order.
        journal: the file of JSON lines that keeps the rows.
        made_from: what decides the rows, such as the hash of the weights; other rows are not used.
        describe: a row in a few words, for the progress.
        on_item: called after each.

    Returns:
        A row for each measurement.
    """
    done = Journal(journal, made_from)
    for number, wanted in enumerate(measurements, start=1):
        row = done.rows.get(wanted.name)
        if row is None or (wanted.suffices is not None and not wanted.suffices(row)):
            done.add(wanted.name, wanted.measure())
        if on_item:
            on_item(number, len(measurements), describe(done.rows[wanted.name]))
    return [done.rows[wanted.name] for wanted in measurements]


def for_each_image(
    prepared: PreparedSet,
    part: Part,
    row_of: Callable[[PreparedImage], Row],
    first: int | None = None,
) -> list[Measurement]:
    """A measurement of each of the first images of a part; an image that was prepared anew is measured anew.

    Args:
        prepared: the images and their labels.
        part: ``train``, ``val`` or ``test``.
        row_of: measures one image.
        first: how many; None: all.
    """

    def measurement(name: str, file: Path) -> Measurement:
        return Measurement(
            name,
            lambda: {"file": file.name, **row_of(PreparedImage.load(file))},
            lambda row: bool(row["file"] == file.name),
        )

    files = zip(prepared.ids(part)[:first], prepared.files(part)[:first], strict=True)
    return [measurement(name, file) for name, file in files]

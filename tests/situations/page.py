"""``docs/situations.md`` from the situations: ``PYTHONPATH=tests .venv/bin/python -m situations.page`` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from situations import commands, heads, surroundings
from situations.situation import SITUATIONS, Situation

PAGE = Path(__file__).resolve().parents[2] / "docs" / "situations.md"
WRITTEN_BY = (heads, commands, surroundings)  # importing them declares the situations

HELD = "what held"
# By the letter of the fault: what it is about, what happened once, what happens now.
KINDS: dict[str, tuple[str, str, str]] = {
    "A": (
        "Intensities of any sign, scale and offset",
        "one voxel of −20 in a brain: a map of garbage (Dice 0.000), exit code 0, no word of it",
        "brought to what the steps can bear, and said",
    ),
    "B": (
        "A field of view that cuts the brain",
        "the whole atlas squeezed into what was in view, without a word",
        "said in capitals with side and cm²; Colin27's brain stands in for what is missing",
    ),
    "C": (
        "What is no stripped brain, under `--no-preprocess`",
        "a whole head gave 3,547 ml of regions; a stray voxel a Dice of 0.925",
        "refused, or the brain alone is taken and it is said",
    ),
    "D": (
        "Grids tilted against the world",
        "Dice fell to 0.847 at 15° and 0.706 at 30° in silence",
        "resampled once along the world's axes, and said",
    ),
    "E": (
        "sform and qform that contradict each other",
        "not a word",
        "a warning in capitals; `L?` and `R?` in the picture",
    ),
    "F": (
        "A proxy in the environment",
        "a scan meant for 127.0.0.1 went to the proxy",
        "what is meant for this computer goes to no proxy",
    ),
    "G": (
        "The same file name from another folder",
        "the first person's bundle was overwritten; files were not compared with their hashes",
        "refused unless `--force`; a bundle whose bytes have changed is made again",
    ),
    "H": (
        "Fields of the form beside the scan",
        "`-F model=highresnet` gave 202 and the U-Net; a wrong field name the sentence about options",
        "400, each with its own sentence",
    ),
    "I": (
        "A user whom the system does not know",
        "`predict` and `doctor` died of `getpwuid()`",
        "both run",
    ),
    "J": (
        "Names that are no text, or too long",
        "a failure after all the computing, called a fault of Parcela's",
        "shown with replacement characters; a name too long is refused before anything is computed",
    ),
    "K": (
        "Too little memory",
        "a traceback, exit code 1",
        "exit code 3 and how much is needed",
    ),
    "L": (
        "Nobody reads what is said",
        "complete bundles, and “2 of 2 scans failed”",
        "the bundles count",
    ),
    "M": ("HEAD", "405 on all but the results", "as GET, without a body"),
    "N": (
        "Strict without need",
        (
            "an sform of 0, a voxel size of 0, metres and µm were refused; `x.NII.GZ` became a folder; links lacked "
            "the path under which a proxy publishes the gateway; deepbet failed on a head in a box of 512 mm; words "
            "over narrow panels of the picture ran into each other; a scan of 0.5 mm took 98 s back to its grid"
        ),
        (
            "taken, and said where it is odd; links begin with that path; empty margins are cut off first; the words "
            "stand apart; the way back to the grid is shorter"
        ),
    ),
    HELD: ("What held", "so", "so still"),
}
HEAD = """# Situations

What happens with files and commands that are not as they should be. `tests/situations` brings each of them about
and compares; the same declarations make this page, and a test fails when it is stale. The heads are Colin27's with
voxels of 3 mm. Quoted is a part of what is said; “(nothing)” means that there is no warning. The rules behind it:
[scans](scans.md).

"""


def render() -> str:
    """The whole page."""
    return HEAD + "".join(_faults()) + "".join(_rows())


def _faults() -> Iterator[str]:
    yield "## Before and after\n\n| | about | once | now |\n|---|---|---|---|\n"
    for kind, (about, before, after) in KINDS.items():
        if kind != HELD:
            yield f"| {kind} | {about} | {before} | {after} |\n"


def _rows() -> Iterator[str]:
    for kind, (about, _, _) in KINDS.items():
        title = about if kind == HELD else f"{kind}. {about}"
        yield f"\n## {title}\n\n| file | command | ends | says |\n|---|---|---|---|\n"
        for row in SITUATIONS:
            if row.kind == kind:
                yield f"| {row.file} | `{_cell(row.command)}` | {row.outcome} | {_words(row)} |\n"


def _words(row: Situation) -> str:
    return _cell(row.said.strip("\t")) or "(nothing)"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")

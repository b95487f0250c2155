"""Damaged files end in a refusal or in what nibabel reads too: never in a crash, a hang, or another geometry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bad_inputs import mutants
from bad_inputs.mutants import mutant, originals, outcome
from parcela.imaging.volume import read_volume

MANY = 20_000
SOME = 200


def test_given_sound_files_when_read_then_they_are_what_nibabel_reads(tmp_path: Path) -> None:
    for name, content in originals():
        assert outcome(name, content, tmp_path) == "accepted"


def test_given_some_damaged_files_when_read_then_none_crashes_or_is_read_wrongly(
    tmp_path: Path,
) -> None:
    outcomes = [outcome(*mutant(seed), tmp_path) for seed in range(SOME)]
    assert set(outcomes) == {"refused", "accepted"}
    assert outcomes.count("refused") > SOME // 4
    assert outcomes.count("accepted") > SOME // 4


def test_given_a_reader_that_errs_then_it_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, content = originals()[0]

    def mirrored(path: Path) -> object:
        volume = read_volume(path)
        return volume.with_data(volume.data[::-1])

    def broken(_: Path) -> object:
        raise KeyError(7)

    monkeypatch.setattr(mutants, "read_volume", mirrored)
    assert outcome(name, content, tmp_path) == "other intensities"
    monkeypatch.setattr(mutants, "read_volume", broken)
    assert outcome(name, content, tmp_path) == "crash: KeyError: 7"


@pytest.mark.slow
def test_given_many_damaged_files_when_read_in_limited_children_then_none_crashes_or_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])  # where the child finds this package
    counts, faults = mutants.run(MANY)
    print(json.dumps(counts))
    assert counts.total() == MANY
    assert faults == {}

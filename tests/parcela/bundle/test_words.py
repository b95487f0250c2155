"""The words that page and reports share: in three languages, for all that a scan, a step or a file can bring."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from parcela.atlas.aal import regions
from parcela.bundle.manifest import Manifest
from parcela.bundle.write import names_of_bundle, names_on_request
from parcela.options import NETWORKS, LabelOptions, PredictOptions
from parcela.quality.verdict import BOUNDS
from parcela_inference import stage as inference
from parcela_labelling import stage as labelling
from parcela_preprocess import stage as preprocess

Table = Mapping[str, Mapping[str, str]]
TABLES = ("atlas/data/names.tsv", "bundle/data/words.tsv")
EVERYTHING = PredictOptions(
    model="both", tissues=True, standard_space=True, probabilities=True, exact=True
)


def rows(checkout: Path, name: str) -> list[dict[str, str]]:
    text = (checkout / "shared/parcela" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))


@pytest.fixture(scope="module")
def words(checkout: Path) -> Table:
    """All of them, by key."""
    return {row["key"]: row for name in TABLES for row in rows(checkout, name)}


@pytest.mark.parametrize("name", TABLES)
def test_given_the_table_then_each_key_is_there_once_and_in_every_language(
    checkout: Path, name: str
) -> None:
    table = rows(checkout, name)
    keys = [row["key"] for row in table]
    assert len(keys) == len(set(keys))
    assert [row for row in table if not all(row[tag] for tag in ("en", "pt", "es"))] == []
    assert [row for row in table if len(row) != 4] == []


def test_given_the_atlas_then_every_region_and_lobe_has_its_plain_name(words: Table) -> None:
    stems = {region.name.removesuffix("_L").removesuffix("_R") for region in regions()}
    told = {key.removeprefix("region.") for key in words if key.startswith("region.")}
    assert told == stems
    lobes = {key.removeprefix("lobe.") for key in words if key.startswith("lobe.")}
    assert lobes == {region.lobe for region in regions()}
    for tag in ("en", "pt", "es"):
        names = [words[f"region.{stem}"][tag] for stem in stems]
        assert len(names) == len(set(names))  # no two regions share one


def test_given_the_pages_own_words_then_none_hides_a_shared_one(
    checkout: Path, words: Table
) -> None:
    text = (checkout / "web/src/words/en.ts").read_text(encoding="utf-8")
    own = set(re.findall(r'^  "?([\w.]+)"?: "', text, re.MULTILINE))
    assert len(own) > 150
    assert own & set(words) == set()


def steps() -> Iterator[str]:
    """Every step that a stage can report."""
    for options in (EVERYTHING, PredictOptions(space="model", model="both"), PredictOptions()):
        yield from preprocess.typical_s(options)
        yield from inference.typical_s(options)
    yield from labelling.TYPICAL_S


def test_given_a_stage_then_each_of_its_steps_can_be_said(words: Table) -> None:
    assert len(set(steps())) > 15
    assert [step for step in steps() if f"step.{step}" not in words] == []


def test_given_a_bundle_then_each_of_its_files_is_described(words: Table) -> None:
    files = (*names_of_bundle(NETWORKS), *names_on_request(EVERYTHING))
    assert len(files) > 15
    assert [name for name in files if f"file.{name}" not in words] == []


def test_given_a_manifest_then_each_setting_and_each_judged_number_has_name_and_meaning(
    words: Table,
) -> None:
    made = Manifest(task="predict", parameters=EVERYTHING.parameters()).parameters
    keys = {f"setting.{name}" for name in (*made, *LabelOptions().parameters())}
    keys |= {f"number.{name}" for name in (*(bound.number for bound in BOUNDS), "certainty")}
    assert [key for key in keys if key not in words or f"{key}.hint" not in words] == []

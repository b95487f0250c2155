"""The stages of a job leave what the command makes of the same scan, to the byte."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from in_process import run_here
from job_requests import job_request
from labelling import coarse
from parcela.bundle.manifest import Origin
from parcela.bundle.write import names_on_request
from parcela.errors import BadScan
from parcela.imaging.preprocessed import IMAGE, Preprocessed
from parcela.imaging.trail import GeometryTrail
from parcela.imaging.volume import read_volume
from parcela.jobs.doorbell import Doorbell
from parcela.jobs.keys import request_key, scan_key, stage_key, stage_prefix
from parcela.jobs.ledger import Ledger
from parcela.jobs.records import STAGES, Job, JobRequest, Kind, Stage
from parcela.jobs.stage_task import DamagedInputs, StageTask
from parcela.options import LabelOptions, PredictOptions
from parcela.store.checksums import SUMS, DamagedFile
from parcela.store.folder import FolderStore
from parcela.store.store import read
from parcela_cli.pipeline import run, run_label
from parcela_inference import stage as inference
from parcela_inference.block_scores import BlockScores
from parcela_labelling import stage as labelling
from parcela_labelling.register import Registration, register
from parcela_preprocess import stage as preprocessing
from parcela_preprocess.preprocess import preprocess
from patience import patient
from phantoms import Phantom, sample, write
from processes import wait_until

SCAN = Phantom("scan", axes="PSR", spacing_mm=(4.0, 4.2, 3.8), degrees=(5.0, 4.0, -6.0))
RUN: dict[Stage, Callable[[StageTask], dict[str, float]]] = {
    "preprocess": preprocessing.run,
    "inference": inference.run,
    "labelling": labelling.run,
}


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    image, _ = sample(SCAN)
    return write(SCAN, image, tmp_path_factory.mktemp("scan") / "scan.nii.gz")


@pytest.fixture(scope="module")
def small_scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a head: enough where nothing is registered."""
    small = replace(SCAN, size=0.5)
    return write(small, sample(small)[0], tmp_path_factory.mktemp("small") / "scan.nii.gz")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A coarse grid, scores by intensity in place of the networks, an affine registration in place of SyN."""
    coarsely = partial(preprocess, shape=(46, 61, 62))

    def scores(image: NDArray[np.float32], model: str, *_: object) -> BlockScores:
        classes = torch.from_numpy(image * (115 if model == "unet" else 100)).long()
        return BlockScores.of(torch.nn.functional.one_hot(classes, 117).half())

    def affine(image: NDArray[np.float32], trail: GeometryTrail, **_: object) -> Registration:
        return register(image, trail, method="Affine", atlas=coarse.atlas())

    monkeypatch.setattr("parcela_inference.parcellate.class_scores", scores)
    monkeypatch.setattr("parcela_labelling.register.run_isolated", run_here)
    monkeypatch.setattr("parcela_labelling.label.register", affine)
    monkeypatch.setattr("parcela_preprocess.atlas_affine.colin27", coarse.atlas)
    for place in ("atlas_affine", "transforms.tissues"):
        monkeypatch.setattr(f"parcela_preprocess.{place}.run_isolated", run_here)
    for place in ("preprocess", "stage"):
        monkeypatch.setattr(f"parcela_preprocess.{place}.preprocess", coarsely)


class Submitted:
    """A job in a store, and its stages on demand."""

    def __init__(
        self,
        folder: Path,
        scan: Path,
        kind: Kind,
        options: PredictOptions | LabelOptions,
        **software: str,
    ) -> None:
        self.folder, self.store = folder, FolderStore(folder / "store")
        sha256 = hashlib.sha256(b"as received").hexdigest()
        received = {"sha256": sha256, "options": options, "software": software}
        self.request: JobRequest = job_request(kind).model_copy(update=received)
        self.store.put(scan_key(self.request.id, self.request.upload), scan.read_bytes())
        self.store.put(request_key(self.request.id), self.request.to_json().encode())
        self.told: list[tuple[str, float]] = []
        self.tokens: dict[Stage, str] = {}

    @property
    def origin(self) -> Origin:
        """What the report says of it."""
        return Origin(self.request.id, self.request.created)

    def run(self, stage: Stage) -> dict[str, float]:
        """Do one stage."""
        scratch = self.folder / f"scratch-{stage}"
        scratch.mkdir()
        token = f"token-{stage}"
        task = StageTask.of(
            self.request.id, stage, token, self.tokens, self.store, scratch, self._tell
        )
        seconds = RUN[stage](task)
        self.tokens[stage] = token
        return seconds

    def _tell(self, step: str, share: float) -> None:
        self.told.append((step, share))

    def left(self, stage: Stage) -> dict[str, bytes]:
        """The files of a finished stage by their names."""
        prefix = stage_prefix(self.request.id, stage, self.tokens[stage])
        found = {}
        for stored in self.store.list(prefix):
            if stored.key == f"{prefix}{SUMS}":  # no file of the bundle's
                continue
            with self.store.open(stored.key) as file:
                found[stored.key.removeprefix(prefix)] = file.read()
        return found


def assert_same_bundle(job: Submitted, made: dict[str, bytes], own: Path) -> None:
    """The service's bundle is the command's; only the seconds, and the hash of the received bytes, differ."""
    assert set(made) == {path.name for path in own.iterdir()}
    theirs, ours = (
        json.loads(text) for text in (made["manifest.json"], (own / "manifest.json").read_text())
    )
    received, sha256 = theirs["input"].pop("sha256"), ours["input"].pop("sha256")
    assert received == job.request.sha256
    assert list(theirs.pop("seconds")) == list(ours.pop("seconds"))
    assert {**theirs, "files": None} == {**ours, "files": None}
    report = made["report.html"].replace(received.encode(), sha256.encode())
    assert report == (own / "report.html").read_bytes()
    for name in set(made) - {"manifest.json", "report.html"}:
        assert made[name] == (own / name).read_bytes(), name


def assert_progress(told: list[tuple[str, float]], last: str) -> None:
    shares = [share for _, share in told]
    assert told[-1][0] == last
    assert all(0 <= share < 1 for share in shares)
    assert shares == sorted(shares)
    assert len(set(shares)) == len(shares)


EVERYTHING = {"tissues": True, "standard_space": True, "probabilities": True}


@pytest.mark.parametrize(
    ("model", "space", "further"), [("both", "native", {}), ("unet", "model", EVERYTHING)]
)
def test_given_a_prediction_by_stages_then_its_bundle_is_the_commands(
    quick: None, small_scan: Path, tmp_path: Path, model: str, space: str, further: dict[str, bool]
) -> None:
    options = PredictOptions.model_validate(
        {"model": model, "preprocessing": False, "space": space, **further}
    )
    job = Submitted(tmp_path, small_scan, "predict", options)
    assert "resize" in job.run("preprocess")
    assert_progress(job.told, "to Colin27" if further else "resize")
    job.told.clear()
    assert "unet" in job.run("inference")
    assert_progress(job.told, "write")

    run(read_volume(small_scan), options).save(tmp_path / "own", prefix=False, origin=job.origin)
    made = job.left("inference")
    assert_same_bundle(job, made, tmp_path / "own")
    assert set(names_on_request(options)) <= set(made)
    told = {"brain_mm3", *(["etiv_affine_mm3"] if further else [])}
    assert told <= set(json.loads(made["manifest.json"])["volumes"])


def test_given_noise_in_what_preprocessing_left_then_the_next_stage_says_so_and_leaves_nothing(
    quick: None, small_scan: Path, tmp_path: Path
) -> None:
    job = Submitted(tmp_path, small_scan, "predict", PredictOptions(preprocess=False))
    job.run("preprocess")
    key = stage_key(job.request.id, "preprocess", job.tokens["preprocess"], IMAGE)
    image = bytearray(read(job.store, key))
    image[-1000] ^= 1
    job.store.put(key, bytes(image))
    with pytest.raises(DamagedInputs, match=r"image\.npy is damaged") as raised:
        job.run("inference")
    assert raised.value.stage == "preprocess"
    assert list(job.store.list(stage_prefix(job.request.id, "inference", "token-inference"))) == []


def test_given_a_scan_that_has_changed_in_the_store_then_no_stage_computes_on_it(
    small_scan: Path, tmp_path: Path
) -> None:
    job = Submitted(tmp_path, small_scan, "predict", PredictOptions())
    whole = hashlib.sha256(small_scan.read_bytes()).hexdigest()
    for kept, damaged in ((whole, False), (whole[::-1], True)):
        told = job.request.model_copy(update={"kept_sha256": kept})
        job.store.put(request_key(told.id), told.to_json().encode())
        folder = tmp_path / kept
        folder.mkdir()
        task = StageTask.of(told.id, "preprocess", "token", {}, job.store, folder, job._tell)
        with pytest.raises(DamagedFile, match="damaged") if damaged else nullcontext():
            assert task.scan().sha256 == told.sha256


def test_given_a_label_by_stages_then_its_bundle_is_the_commands(
    quick: None, scan: Path, tmp_path: Path
) -> None:
    options = LabelOptions(preset="thesis", preprocess=False, tissues=True)
    job = Submitted(tmp_path, scan, "label", options)
    for stage in STAGES["label"]:
        job.run(stage)
    made = job.left("labelling")
    assert {"desc-registration_check.json", "label-GM_probseg.nii.gz"} <= set(made)
    assert made["dseg.tsv"].splitlines()[0].endswith(b"\tgrey_mm3\twhite_mm3\tcsf_mm3")
    assert "etiv_affine_mm3" in json.loads(made["manifest.json"])["volumes"]
    run_label(read_volume(scan), options).save(tmp_path / "own", prefix=False, origin=job.origin)
    assert_same_bundle(job, made, tmp_path / "own")


def test_given_what_preprocessing_left_then_it_reads_back_equal(scan: Path, tmp_path: Path) -> None:
    job = Submitted(tmp_path, scan, "predict", PredictOptions(preprocess=False), dcm2niix="1.0")
    job.run("preprocess")
    assert set(job.left("preprocess")) == {
        *("image.npy", "brain_mask.npy", "trail.json", "preprocessed.json")
    }
    (tmp_path / "back").mkdir()
    for name, content in job.left("preprocess").items():
        (tmp_path / "back" / name).write_bytes(content)
    ready = Preprocessed.load(tmp_path / "back")
    assert ready.image.shape == (91, 122, 123)
    assert ready.image.dtype == np.float32
    assert ready.brain_mask.shape == read_volume(scan).geometry.shape
    assert ready.record.parameters == {"itk_threads": 1}
    assert {"torch", "antspyx"} <= set(ready.record.software)
    assert ready.record.software["dcm2niix"] == "1.0"  # by which the gateway converted it


def test_given_a_scan_that_cannot_be_used_then_the_stage_says_so_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    (tmp_path / "broken.nii.gz").write_bytes(b"\x1f\x8b no scan at all")
    job = Submitted(tmp_path, tmp_path / "broken.nii.gz", "predict", PredictOptions())
    with pytest.raises(BadScan, match="gzip stream is damaged"):
        job.run("preprocess")
    assert len(list(job.store.list())) == 2


@pytest.mark.slow
def test_given_real_workers_then_a_jobs_label_map_is_the_commands_to_the_byte(
    scan: Path, tmp_path: Path, redis_url: str
) -> None:
    ledger, doorbell = Ledger(redis_url), Doorbell(redis_url)
    ledger.mark()
    job = Submitted(tmp_path, scan, "predict", PredictOptions(model="both", preprocess=False))
    where = {"PARCELA_REDIS": redis_url, "PARCELA_STORE": str(tmp_path / "store")}
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "parcela_cli.app", "worker", *stages], env=os.environ | where
        )
        for stages in (["preprocess", "labelling"], ["inference"])
    ]
    try:
        ledger.add(job.request)
        doorbell.ring("preprocess")
        wait_until(lambda: known(ledger, job.request.id).ended, 120)
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(patient(10))
    ended = known(ledger, job.request.id)
    assert (ended.status, ended.problem) == ("done", None)
    job.tokens = dict(ended.tokens)
    run(read_volume(scan), PredictOptions(model="both", preprocess=False)).save(
        tmp_path / "own", prefix=False, origin=job.origin
    )
    assert_same_bundle(job, job.left("inference"), tmp_path / "own")


def known(ledger: Ledger, job_id: str) -> Job:
    job = ledger.get(job_id)
    assert job is not None
    return job

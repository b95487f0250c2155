"""``parcela predict --server``: the files, the lines and the exit codes of the local command."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from command import PARCELA, Finished, parcela, parcela_here
from parcela.bundle.manifest import Manifest
from parcela.bundle.prediction import Prediction
from parcela.bundle.write import write_bundle
from parcela.imaging.volume import read_volume
from patience import patient
from processes import wait_until
from scripted_server import Asked, Reply, Scripted, json_reply, problem, serving

ID = "0123456789abcdef" * 2
JOB = {"id": ID, "kind": "predict", "status": "queued", "stage": "preprocess", "progress": 0.0}
CARD = {"model": "warp", "variant": "modern", "sha256": "ab" * 32, "card": {}}


def bundle(scan: Path, folder: Path) -> bytes:
    """What the service would give for this scan, with the fixed names: three regions, one warning."""
    volume = read_volume(scan)
    labels = np.zeros(volume.data.shape, np.uint8)
    labels[:3, 0, 0] = (1, 2, 116)
    parameters = {
        "model": "warp",
        "preprocess": True,
        "skull_strip": "auto",
        "fast": False,
        "preset": "modern",
        "space": "native",
        "tissues": False,
        "standard_space": False,
        "probabilities": False,
        "exact": False,
        "itk_threads": 7,
    }
    manifest = Manifest(
        task="predict",
        parameters=parameters,
        weights={"warp": CARD["sha256"]},
        seconds={"N4": 3.0, "warp": 4.0},
        warnings=("look twice",),
    )
    mask = (labels > 0).astype(np.uint8)
    write_bundle(Prediction(volume, labels, mask, manifest), folder, prefix=False)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        for path in folder.iterdir():
            packed.write(path, path.name)
    return stream.getvalue()


@pytest.fixture(scope="module")
def packed(brain: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return bundle(brain, tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def server(packed: bytes) -> Iterator[Scripted]:
    """A service that needs three polls for a job."""
    polls = iter(range(1000))

    def script(asked: Asked) -> Reply:
        if asked.path == "/models":
            return json_reply({"models": [CARD]})
        if asked.method == "POST":
            return json_reply(JOB, 202)
        if asked.path.endswith("bundle.zip"):
            return Reply(200, packed, "application/zip")
        if asked.path.endswith("dseg.nii.gz"):
            with zipfile.ZipFile(io.BytesIO(packed)) as archive:
                return Reply(200, archive.read("dseg.nii.gz"), "application/gzip")
        if asked.method == "DELETE":
            return Reply(204)
        if next(polls) < 2:
            return json_reply(
                JOB | {"status": "preprocessing", "step": "bias correction", "progress": 0.3}
            )
        return json_reply(JOB | {"status": "done", "stage": None, "progress": 1.0})

    with serving(script) as found:
        yield found


def predict(scan: Path, out: Path, server: Scripted, *options: str) -> Finished:
    return parcela_here("predict", scan, "-o", out, "--server", server.url, *options)


def test_given_a_server_when_a_scan_is_predicted_then_files_and_line_are_the_local_ones(
    brain: Path, tmp_path: Path, server: Scripted
) -> None:
    done = parcela("predict", brain, "-o", tmp_path / "out", "--server", server.url)
    assert done.code == 0, done.err
    assert done.out == f"{tmp_path / 'out' / 'colin_dseg.nii.gz'}\t3/116 regions\t0 ml\t7.0 s\n"
    steps = [line.split("  ")[1] for line in done.err.splitlines()[1:] if " s" in line]
    assert [step.strip() for step in steps] == ["send", "bias correction", "fetch"]
    assert "warning look twice" in done.err
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"colin_dseg.nii.gz", "colin_dseg.tsv", "colin_qc.png", "colin_manifest.json"} <= names
    assert all(name.startswith("colin_") for name in names)
    record = json.loads((tmp_path / "out" / "colin_manifest.json").read_text())
    assert record["input"]["sha256"] == hashlib.sha256(brain.read_bytes()).hexdigest()


def test_given_a_bundle_that_is_there_when_repeated_then_nothing_is_sent(
    brain: Path, tmp_path: Path, server: Scripted
) -> None:
    assert predict(brain, tmp_path, server).code == 0
    before = len(server.asked)
    again = predict(brain, tmp_path, server)
    assert again.out == f"{tmp_path / 'colin_dseg.nii.gz'}\talready done\n"
    assert [asked.path for asked in server.asked[before:]] == ["/models"]
    assert predict(brain, tmp_path, server, "--force").out.endswith("7.0 s\n")
    other = predict(brain, tmp_path, server, "--model", "highresnet")
    assert "already done" not in other.out


def test_given_a_file_name_when_predicted_then_the_label_map_alone_is_kept(
    brain: Path, tmp_path: Path, server: Scripted
) -> None:
    out = tmp_path / "out" / "map.nii.gz"
    done = predict(brain, out, server)
    assert (done.code, done.out) == (0, f"{out}\n")
    assert [path.name for path in out.parent.iterdir()] == ["map.nii.gz"]


def test_given_a_scan_that_is_none_then_it_is_not_sent_and_the_next_one_is(
    brain: Path, tmp_path: Path, server: Scripted
) -> None:
    bad = tmp_path / "bad.nii"
    bad.write_bytes(b"x" * 400)
    done = parcela_here("predict", bad, brain, "-o", tmp_path / "out", "--server", server.url)
    assert done.code == 2
    assert "bad.nii" in done.err
    assert "1 of 2 scans failed" in done.err
    assert sum(asked.method == "POST" for asked in server.asked) == 1


def test_given_a_job_that_fails_then_its_detail_and_exit_code_are_the_local_ones(
    brain: Path, tmp_path: Path, server: Scripted
) -> None:
    usual = server.script
    detail = {"type": "/docs#step-failed", "title": "", "status": 500, "detail": "ROBEX crashed"}

    def script(asked: Asked) -> Reply:
        if asked.path == f"/jobs/{ID}":
            return json_reply(JOB | {"status": "failed", "problem": detail})
        return usual(asked)

    server.script = script
    done = predict(brain, tmp_path / "out", server)
    assert (done.code, done.out) == (3, "")
    assert "ROBEX crashed" in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--device", "cuda"), "the server chooses its own device"),
        (("--threads", "3"), "the server has its own setting"),
        (("--template", "mni.nii.gz"), "a server takes scans alone"),
        (("--server", "nowhere"), "is not a server's address"),
    ],
)
def test_given_options_that_no_server_takes_then_that_is_said(
    brain: Path, tmp_path: Path, server: Scripted, options: tuple[str, ...], words: str
) -> None:
    done = predict(brain, tmp_path, server, *options)
    assert done.code == 2
    assert words in done.err
    assert server.asked == []


def test_given_a_key_that_is_not_known_then_the_servers_words_are_told(
    brain: Path, tmp_path: Path, server: Scripted
) -> None:
    server.script = lambda _: problem("no-key", 401, "a key is needed")
    done = predict(brain, tmp_path, server, "--key", "wrong")
    assert (done.code, done.err) == (2, "parcela: a key is needed\n")
    assert server.asked[0].headers["authorization"] == "Bearer wrong"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_when_interrupted_then_the_job_is_taken_along(
    brain: Path, tmp_path: Path, server: Scripted, number: signal.Signals
) -> None:
    usual = server.script
    server.script = lambda asked: (
        json_reply(JOB) if asked.path == f"/jobs/{ID}" and asked.method == "GET" else usual(asked)
    )
    process = subprocess.Popen(
        [*PARCELA, "predict", brain, "-o", tmp_path / "out", "--server", server.url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_until(lambda: any(asked.path == f"/jobs/{ID}" for asked in server.asked), 30)
    os.kill(process.pid, number)
    assert process.wait(patient(10)) != 0
    assert (server.asked[-1].method, server.asked[-1].path) == ("DELETE", f"/jobs/{ID}")

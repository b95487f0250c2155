"""What a client fetches: whole, under its own name, or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from base64 import b64encode
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import pytest

from client_replies import ID, MAP
from parcela.bundle.manifest import Manifest
from parcela.errors import (
    ParcelaError,
    StepFailed,
)
from parcela.store.checksums import DamagedFile
from parcela_cli.client.client import Client
from scripted_server import Reply, Scripted, in_turn, problem


def test_given_a_finished_job_when_downloaded_then_the_bytes_are_there(
    server: Scripted, client: Client, tmp_path: Path
) -> None:
    server.script = in_turn(Reply(200, MAP, "application/gzip"))
    path = client.download(ID, tmp_path / "new" / "map.nii.gz")
    assert path.read_bytes() == MAP
    assert server.asked[0].path == f"/jobs/{ID}/files/dseg.nii.gz"


def test_given_a_download_cut_short_then_it_begins_again_and_nothing_half_is_seen(
    server: Scripted, client: Client, tmp_path: Path
) -> None:
    server.script = in_turn(
        Reply(200, MAP, "application/gzip", cut=True), Reply(200, MAP, "application/gzip")
    )
    assert client.download(ID, tmp_path / "map.nii.gz").read_bytes() == MAP
    assert [path.name for path in tmp_path.iterdir()] == ["map.nii.gz"]


def test_given_the_servers_hash_when_downloaded_then_other_bytes_are_not_kept(
    server: Scripted, client: Client, tmp_path: Path
) -> None:
    told = {"Repr-Digest": f"sha-256=:{b64encode(hashlib.sha256(MAP).digest()).decode()}:"}
    for content, passes in ((MAP, True), (MAP[:-1] + b"?", False)):
        server.script = in_turn(Reply(200, content, "application/gzip", headers=told))
        target = tmp_path / f"{passes}.nii.gz"
        with nullcontext() if passes else pytest.raises(DamagedFile, match="came damaged"):
            client.download(ID, target)
        assert target.exists() == passes


@pytest.mark.parametrize(
    "reply",
    [
        problem("not-done", 409, "the job is not done"),
        Reply(200, b"<h1>a page</h1>", "text/html"),
        Reply(200, b"", "application/gzip"),
    ],
)
def test_given_no_map_when_downloaded_then_what_lay_there_stays(
    server: Scripted, client: Client, tmp_path: Path, reply: Reply
) -> None:
    target = tmp_path / "map.nii.gz"
    target.write_bytes(MAP)
    server.script = in_turn(reply)
    with pytest.raises(ParcelaError):
        client.download(ID, target)
    assert target.read_bytes() == MAP
    assert len(list(tmp_path.iterdir())) == 1


def archive(files: Mapping[str, bytes] | None = None, folder: str = f"parcela-{ID}/") -> bytes:
    """A bundle with two files, less or with others than its manifest says."""
    whole = {"dseg.nii.gz": MAP, "dseg.tsv": b"index\tname\n"}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in whole.items()}
    manifest = Manifest(task="predict", files=hashes).to_json().encode()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        for name, data in {"manifest.json": manifest, **whole, **(files or {})}.items():
            packed.writestr(folder + name, data)
    return stream.getvalue()


@pytest.mark.parametrize("inside", [f"parcela-{ID}/", ""])  # "": of an older release
def test_given_a_bundle_when_fetched_then_it_carries_the_scans_name(
    server: Scripted, client: Client, tmp_path: Path, inside: str
) -> None:
    server.script = in_turn(Reply(200, archive(folder=inside), "application/zip"))
    paths = client.bundle(ID, tmp_path / "out", "sub-1_T1w")
    assert paths["dseg.nii.gz"] == tmp_path / "out" / "sub-1_T1w_dseg.nii.gz"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"sub-1_T1w_{name}" for name in ("dseg.nii.gz", "dseg.tsv", "manifest.json")
    }


@pytest.mark.parametrize(
    "body", [archive({"dseg.tsv": b"tampered"}), archive()[:-30], b"no archive"]
)
def test_given_a_damaged_bundle_then_no_manifest_says_it_is_whole(
    server: Scripted, client: Client, tmp_path: Path, body: bytes
) -> None:
    server.script = in_turn(Reply(200, body, "application/zip"))
    with pytest.raises(StepFailed, match="damaged"):
        client.bundle(ID, tmp_path)
    assert not (tmp_path / "manifest.json").exists()
    assert not list(tmp_path.glob(".*"))


def test_given_a_bundle_with_a_path_in_a_name_then_it_stays_in_the_folder(
    server: Scripted, client: Client, tmp_path: Path
) -> None:
    server.script = in_turn(Reply(200, archive({"../../evil.txt": b"x"}), "application/zip"))
    client.bundle(ID, tmp_path / "a" / "b")
    assert not (tmp_path / "evil.txt").exists()
    assert os.listdir(tmp_path) == ["a"]  # noqa: PTH208

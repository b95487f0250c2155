"""What comes in: every kind of NIfTI, nothing that names a person, nothing that is no scan, nothing half."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import socket
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Literal

import nibabel as nib
import numpy as np
import pytest

from gateway_server import SCAN, Gateway, serving
from nifti_files import CLASSES, image, nifti
from parcela.imaging.header import IDENTIFYING, USELESS
from parcela.jobs.job_files import read_request
from parcela.jobs.keys import request_key, scan_key
from parcela.jobs.records import JobRequest
from parcela_gateway.upload.scrub import scrubbed
from processes import wait_until
from s3_server import s3_server, store_settings

NAMES: dict[str, Any] = {
    "descrip": b"Jane Doe 1970",
    "aux_file": b"jane.txt",
    "intent_name": b"Jane",
}
GEOMETRY: tuple[str, ...] = (
    "dim",
    "pixdim",
    "qform_code",
    "sform_code",
    "quatern_b",
    "quatern_c",
    "quatern_d",
)
GEOMETRY += ("qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z", "xyzt_units")

Start = Callable[..., Gateway]


def named(**fields: Any) -> bytes:
    """A scan whose header is full of names, with an extension that holds one too."""
    content = nifti(
        image(), vox_offset=352 + 32, **NAMES, db_name=b"Doe", data_type=b"Jane", **fields
    )
    extension = (32).to_bytes(4, "little") + (6).to_bytes(4, "little") + b"Jane Doe".ljust(24)
    return content[:348] + b"\1\0\0\0" + extension + content[352:]


def with_name(content: bytes) -> bytes:
    """Packed as gzip does it, with the file's name and time in the header."""
    packed = io.BytesIO()
    with gzip.GzipFile("Jane Doe.nii", "wb", fileobj=packed, mtime=12345) as file:
        file.write(content)
    return packed.getvalue()


def kept(gateway: Gateway, job_id: str) -> bytes:
    upload = read_request(gateway.store, job_id).upload
    with gateway.store.open(scan_key(job_id, upload)) as file:
        return file.read()


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packed", [True, False])
def test_given_any_nifti_when_kept_then_geometry_and_voxels_are_the_same_bytes(
    version: int, order: Literal["<", ">"], packed: bool
) -> None:
    data = image(dtype="float32")
    scan = nifti(data, version=version, order=order, **NAMES, qoffset_x=1.25, qform_code=1)
    stream = io.BufferedReader(io.BytesIO(with_name(scan) if packed else scan))
    found = gzip.decompress(b"".join(scrubbed(stream, 512**3, 2**31)))

    size = {1: 348, 2: 540}[version]
    before, after = (CLASSES[version](block[:size], order, False) for block in (scan, found))
    for field in GEOMETRY:
        assert before[field].tobytes() == after[field].tobytes(), field
    names = before.keys()
    changed = {name for name in names if before[name].tobytes() != after[name].tobytes()}
    assert changed <= {*IDENTIFYING, *USELESS}
    assert found[size + 4 :] == scan[size + 4 :]
    assert b"Jane" not in found


def test_given_names_everywhere_when_kept_then_none_is_left(gateway: Gateway) -> None:
    scan = with_name(named() + b"Jane Doe")
    assert b"Jane" in scan
    job_id = gateway.accepted(scan)
    packed = kept(gateway, job_id)
    assert packed[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00" + packed[8:10]  # no name, no time
    found = gzip.decompress(packed)
    assert not re.search(rb"Jane|Doe|jane", found)
    assert found[352:] == image().tobytes(order="F")
    with gateway.store.open(request_key(job_id)) as file:
        request = JobRequest.from_json(file.read())
    assert request.sha256 == hashlib.sha256(scan).hexdigest()
    assert request.kept_sha256 == hashlib.sha256(packed).hexdigest()
    for key in gateway.stored():
        with gateway.store.open(key) as file:
            assert b"Jane" not in file.read()


def test_given_freesurfers_file_when_kept_then_it_is_nifti_with_the_same_voxels() -> None:
    mgh = nib.MGHImage(image(), np.diag([2.0, 2.0, 2.0, 1.0]))
    stream = io.BufferedReader(io.BytesIO(mgh.to_bytes()))
    found = nib.Nifti1Image.from_bytes(gzip.decompress(b"".join(scrubbed(stream, 512**3, 2**31))))
    np.testing.assert_array_equal(np.asarray(found.dataobj), image())
    np.testing.assert_allclose(found.affine, mgh.affine)


@pytest.mark.parametrize("version", [1, 2])
def test_given_a_text_in_the_bytes_of_numbers_when_kept_then_it_is_gone(version: int) -> None:
    scan, layout = nifti(image(), version=version), CLASSES[version]().structarr.dtype.fields
    hidden = {name: layout[name] for name in USELESS if name in layout}
    for kind, place in hidden.values():
        scan = scan[:place] + b"JaneDoe!"[: kind.itemsize] + scan[place + kind.itemsize :]
    stream = io.BufferedReader(io.BytesIO(scan))
    found = gzip.decompress(b"".join(scrubbed(stream, 512**3, 2**31)))
    assert len(hidden) >= 11
    for name, (kind, place) in hidden.items():
        assert found[place : place + kind.itemsize] == bytes(kind.itemsize), name
    assert b"Jan" in scan
    assert b"Jan" not in found


def test_given_a_packed_scan_with_some_padding_and_several_members_then_it_is_taken() -> None:
    scans = [SCAN + bytes(100_000), with_long_name(200), HALVES[0] + EMPTY * 1000 + HALVES[1]]
    noise = nifti(np.random.default_rng(0).integers(-9999, 9999, (99, 99, 99)).astype("int16"))
    scans.append(
        b"".join(gzip.compress(noise[i : i + 65280], 0) for i in range(0, len(noise), 65280))
    )
    for scan in scans:
        stream = io.BufferedReader(io.BytesIO(scan))
        found = gzip.decompress(b"".join(scrubbed(stream, 512**3, 2**31)))
        assert found[352:] == gzip.decompress(scan)[352:]


def test_given_a_scan_sent_twice_when_kept_then_the_bytes_are_equal(gateway: Gateway) -> None:
    one, other = (
        kept(gateway, gateway.accepted(scan)) for scan in (SCAN, with_name(nifti(image())))
    )
    assert one == other


def with_long_name(length: int) -> bytes:
    """A gzip file whose own record of its name takes so many bytes."""
    return SCAN[:3] + b"\x08" + SCAN[4:10] + b"x" * length + b"\0" + SCAN[10:]


EMPTY = gzip.compress(b"", mtime=0)
HALVES = [gzip.compress(half) for half in (nifti(image())[:3000], nifti(image())[3000:])]
BROKEN = {
    "a long name": (with_long_name(20_000_000), "far more data"),
    "much padding": (SCAN + bytes(5_000_000), "far more data"),
    "empty members": (SCAN + EMPTY * 100_000, "far more data"),
    "empty members within": (HALVES[0] + EMPTY * 100_000 + HALVES[1], "far more data"),
    "nothing": (b"", "too short"),
    "text": (b"hello" * 200, "not a NIfTI file"),
    "DICOM": (bytes(128) + b"DICM" + bytes(400), "dcm2niix"),
    "half a pair": (nifti(image(), magic=b"ni1"), "pair"),
    "short": (nifti(image())[:-10], "truncated"),
    "a cut header": (nifti(image(), version=2)[:400], "cut short"),
    "a packed half": (SCAN[: len(SCAN) // 2], "gzip stream is damaged"),
    "a wrong checksum": (SCAN[:-8] + b"\0\0\0\0" + SCAN[-4:], "gzip stream is damaged"),
    "rubbish after gzip": (SCAN + b"rubbish", "gzip stream is damaged"),
    "too much": (nifti(image()) + bytes(2 * 1024**2), "far more data"),
    "a bomb": (gzip.compress(nifti(image()) + bytes(64 * 1024**2)), "far more data"),
    "a lying header": (nifti(image((2, 300, 300)), dim=(1, 30000)), "over the limit"),
    "no spacing": (nifti(image(), sform_code=0, pixdim=(1, 0.0)), "must be positive"),
    "two volumes": (nifti(image((4, 4, 4, 2))), "more than one volume"),
    "a vast field": (nifti(image((64, 64, 64)), affine=np.diag([20, 20, 20, 1])), "field of view"),
    "complex": (nifti(image(dtype="complex64")), "one real number"),
}


@pytest.mark.parametrize("kind", sorted(BROKEN))
def test_given_no_scan_when_submitted_then_it_says_why_and_nothing_is_kept(
    standing: Gateway, kind: str
) -> None:
    scan, words = BROKEN[kind]
    response = standing.submit(scan)
    assert (response.status_code, response.json()["type"]) == (422, "/docs#bad-scan")
    assert words in response.json()["detail"]
    assert "Jane" not in response.text
    assert standing.stored() == []


FORMS: dict[str, tuple[str, bytes, int]] = {
    "no form": ("application/gzip", SCAN, 415),
    "no boundary": ("multipart/form-data", SCAN, 415),
    "not begun": ("multipart/form-data; boundary=x", b"hello", 400),
    "not ended": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + SCAN,
        400,
    ),
    "another field": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="scan"\r\n\r\n' + SCAN + b"\r\n--x--\r\n",
        400,
    ),
    "two files": (
        "multipart/form-data; boundary=x",
        (b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + SCAN + b"\r\n") * 2
        + b"--x--\r\n",
        400,
    ),
    "much beside it": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="note"\r\n\r\n'
        + bytes(100_000)
        + b"\r\n--x--",
        400,
    ),
    "a long boundary": ("multipart/form-data; boundary=" + "x" * 5000, SCAN, 400),
    "nothing": ("multipart/form-data; boundary=x", b"", 400),
}


@pytest.mark.parametrize("kind", sorted(FORMS))
def test_given_a_bad_form_when_sent_then_it_says_what_to_do_and_nothing_is_kept(
    standing: Gateway, kind: str
) -> None:
    content_type, body, status = FORMS[kind]
    headers = {"Content-Type": content_type}
    response = standing.http.post("/predict/", content=body, headers=headers)
    assert (response.status_code, response.json()["status"]) == (status, status)
    assert response.headers["content-type"] == "application/problem+json"
    assert standing.stored() == []


def test_given_other_fields_beside_the_scan_when_sent_then_they_are_read_over(
    gateway: Gateway,
) -> None:
    response = gateway.http.post("/predict/", data={"note": "Jane"}, files={"file": SCAN})
    assert response.status_code == 202


@pytest.mark.parametrize(
    "field", ["model", "preprocessing", "preprocess", "skull_strip", "space", "preset", "Model"]
)
@pytest.mark.parametrize("path", ["/predict/", "/label/"])
def test_given_an_option_as_a_field_of_the_form_then_it_is_refused_and_not_dropped(
    standing: Gateway, path: str, field: str
) -> None:
    response = standing.http.post(path, data={field: "highresnet"}, files={"file": SCAN})
    assert (response.status_code, response.json()["type"]) == (400, "/docs#bad-form")
    assert f"{field.lower()} came as a field of the form" in response.json()["detail"]
    assert f"options belong in the query: ?{field.lower()}=" in response.json()["detail"]
    assert standing.stored() == []


def test_given_an_option_behind_the_scan_then_nothing_is_kept(standing: Gateway) -> None:
    fields = [("file", ("scan.nii.gz", SCAN)), ("skull-strip", (None, b"deepbet"))]
    response = standing.http.post("/predict/", files=fields)
    assert response.status_code == 400
    assert "?skull_strip=" in response.json()["detail"]
    assert standing.stored() == []


@pytest.mark.parametrize(
    "fields", [["scan"], ["files"], ["File"], ["file", "scan"], ["scan", "file"]]
)
def test_given_a_file_in_another_field_then_the_right_one_is_named_and_not_the_options(
    standing: Gateway, fields: list[str]
) -> None:
    files = [(field, ("Jane.nii.gz", SCAN)) for field in fields]
    response = standing.http.post("/predict/", files=files)
    assert response.status_code == 400
    detail = response.json()["detail"]
    assert "a file came in another field than 'file'" in detail
    assert "curl -F file=@scan.nii.gz" in detail
    assert "option" not in detail
    assert standing.stored() == []


def test_given_a_form_in_drops_when_sent_then_the_bytes_are_the_same(gateway: Gateway) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
    body = head + SCAN + b"\r\n--x--\r\n"

    def drops() -> Iterator[bytes]:
        cuts = [*range(0, 200, 1), *range(200, len(body), 997), len(body)]
        for start, end in pairwise(cuts):
            yield body[start:end]

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    response = gateway.http.post("/predict/", content=drops(), headers=headers)
    assert response.status_code == 202
    assert gzip.decompress(kept(gateway, response.json()["id"])) == nifti(image())


def test_given_a_client_that_goes_away_when_sending_then_nothing_is_left(gateway: Gateway) -> None:
    host, port = gateway.url.removeprefix("http://").split(":")
    head = (
        f"POST /predict/ HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 9000000\r\n"
        'Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\nContent-Disposition: form-data; name="file"'
        "\r\n\r\n"
    )
    scan = nifti(np.random.default_rng(0).integers(0, 9, (128, 128, 128)).astype("int16"))
    with socket.create_connection((host, int(port))) as client:
        client.sendall(head.encode() + scan[:3_000_000])
        wait_until(lambda: list(_parts(gateway)))
        assert list(_parts(gateway))
    wait_until(lambda: not list(_parts(gateway)))
    assert list(_parts(gateway)) == []
    assert gateway.stored() == []
    assert gateway.accepted()


def _parts(gateway: Gateway) -> Iterator[str]:
    """Files that are being written to the folder."""
    root = gateway.store.root  # type: ignore[attr-defined]
    return (path.name for path in (root / ".parts").glob("*.part"))


def test_given_the_same_key_twice_at_once_when_sent_then_it_is_one_job(gateway: Gateway) -> None:
    key = {"Idempotency-Key": "visit 7"}
    with ThreadPoolExecutor(8) as threads:
        ids = set(threads.map(lambda _: gateway.accepted(headers=key), range(8)))
    assert len(ids) == 1
    assert len(gateway.http.get("/jobs").json()["jobs"]) == 1


def test_given_an_s3_store_when_submitted_then_the_scan_is_there_and_its_map_comes_back(
    redis_url: str,
) -> None:
    with s3_server() as address:
        settings = store_settings(address).model_copy(update={"redis": redis_url})
        with serving(settings) as gateway:
            noise = np.random.default_rng(0).integers(0, 2**15, (160, 160, 400)).astype("int16")
            scan = nifti(noise)
            job_id = gateway.accepted(scan)
            assert zlib.decompress(kept(gateway, job_id), 31) == scan
            assert gateway.submit(SCAN[:-8]).status_code == 422
            done = gateway.done()
            result = gateway.http.get(f"/jobs/{done}/result", headers={"Range": "bytes=0-1"})
            assert (result.status_code, result.content) == (206, b"\x1f\x8b")
            assert json.loads(gateway.http.get(f"/jobs/{done}/files/manifest.json").text)

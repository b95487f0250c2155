"""Situations F, G, H, J, M, N: not the scan, but where it is sent, how it is called, and who asks."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from command import parcela_here
from gateway_server import SCAN
from nifti_files import image, nifti, write
from scripted_server import Asked, Reply, Scripted, json_reply, serving
from situations.situation import (
    Happening,
    World,
    brain,
    changed,
    save,
    scan,
    situation,
)

CHECKOUT = Path(__file__).resolve().parents[2]


# ---------------------------------------------------------------------------------------- F: a proxy is set


PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY")
JOB = {
    "id": "0123456789abcdef" * 2,
    "kind": "predict",
    "status": "done",
    "stage": None,
    "progress": 1,
}
LABEL_MAP = gzip.compress(b"a label map")


def _answer(asked: Asked) -> Reply:
    if asked.path.startswith("/models"):
        return json_reply({"models": []})
    if asked.path.startswith("/jobs?"):
        return json_reply({"jobs": [JOB]})
    if asked.path.endswith(".gz") or asked.headers.get("accept") == "application/gzip":
        return Reply(200, LABEL_MAP, "application/gzip")
    return json_reply(JOB, 202 if asked.method == "POST" else 200)


def _counted(proxy: Scripted, outcome: str) -> Happening:
    return outcome, f"the proxy is asked {len(proxy.asked)} times"


def _with_proxy(stack: ExitStack) -> tuple[Scripted, Scripted, dict[str, str]]:
    server = stack.enter_context(serving(_answer))
    proxy = stack.enter_context(serving(lambda _: json_reply({}, 502)))
    return server, proxy, dict.fromkeys(PROXIES, proxy.url)


UNASKED = "the proxy is asked 0 times"


@situation(
    "F",
    "a scan, `http_proxy` set",
    "parcela predict SCAN --server http://127.0.0.1",
    "exit 0",
    UNASKED,
)
def _(world: World) -> Happening:
    path = write(world.folder / "scan.nii", nifti(image()))
    with ExitStack() as stack:
        server, proxy, env = _with_proxy(stack)
        out = world.folder / "map.nii.gz"
        done = parcela_here("predict", path, "--server", server.url, "-o", out, env=env)
        assert out.read_bytes() == LABEL_MAP
        return _counted(proxy, f"exit {done.code}")


@situation(
    "F", "`http_proxy` set", "parcela jobs list --server http://localhost", "exit 0", UNASKED
)
def _(world: World) -> Happening:
    with ExitStack() as stack:
        server, proxy, env = _with_proxy(stack)
        url = server.url.replace("127.0.0.1", "localhost")
        done = parcela_here("jobs", "list", "--server", url, env=env)
        return _counted(proxy, f"exit {done.code}")


@situation("F", "a scan, `all_proxy` set", "predict.sh -i SCAN -o MAP.nii.gz", "exit 0", UNASKED)
def _(world: World) -> Happening:
    if not shutil.which("curl"):
        pytest.skip("needs curl")
    path = write(world.folder / "scan.nii", nifti(image()))
    with ExitStack() as stack:
        server, proxy, env = _with_proxy(stack)
        out = str(world.folder / "map.nii.gz")
        script = ["sh", str(CHECKOUT / "predict.sh")]
        command = [*script, "-i", str(path), "-o", out, "--server", server.url]
        done = subprocess.run(
            command, env=os.environ | env, capture_output=True, text=True, check=False
        )
        return _counted(proxy, f"exit {done.returncode}")


# ---------------------------------------------------------------------------------------- G: whose bundle


def _two_scans(world: World) -> tuple[Path, Path, Path]:
    data, affine = brain()
    paths = [world.folder / name / "T1.nii" for name in ("a", "b")]
    for number, path in enumerate(paths):
        path.parent.mkdir()
        save(path, data + number * (data > 0), affine)
    out = world.folder / "out"
    assert parcela_here("predict", "--no-preprocess", paths[0], "-o", out).code == 0
    return paths[0], paths[1], out


@situation(
    "G",
    "another scan of the same name",
    "parcela predict b/T1.nii -o OUT, after a/T1.nii",
    "exit 2",
    "is that of another scan of the same name: give another folder, or --force",
)
def _(world: World) -> Happening:
    _, other, out = _two_scans(world)
    before = {path: path.read_bytes() for path in out.iterdir()}
    done = parcela_here("predict", "--no-preprocess", other, "-o", out)
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    return f"exit {done.code}", done.err


@situation(
    "G",
    "another scan of the same name",
    "parcela predict b/T1.nii -o OUT --force",
    "exit 0",
    "T1_dseg.nii.gz\t",
)
def _(world: World) -> Happening:
    _, other, out = _two_scans(world)
    done = parcela_here("predict", "--no-preprocess", other, "-o", out, "--force")
    return f"exit {done.code}", done.out


@situation(
    "G",
    "the same scan, its map changed since",
    "parcela predict a/T1.nii -o OUT, again",
    "exit 0",
    "made again",
)
def _(world: World) -> Happening:
    scan_path, _, out = _two_scans(world)
    label_map = out / "T1_dseg.nii.gz"
    good = label_map.read_bytes()
    label_map.write_bytes(good[:-1])
    done = parcela_here("predict", "--no-preprocess", scan_path, "-o", out)
    assert label_map.read_bytes() == good
    return f"exit {done.code}", "made again" if "/116 regions" in done.out else done.out


@situation("G", "the same scan", "parcela predict a/T1.nii -o OUT", "exit 0", "already done")
def _(world: World) -> Happening:
    scan_path, _, out = _two_scans(world)
    done = parcela_here("predict", "--no-preprocess", scan_path, "-o", out)
    return f"exit {done.code}", done.out


# ---------------------------------------------------------------------------------------- H: the form


FILE: tuple[str, object] = ("file", ("scan.nii.gz", SCAN))
Fields = list[tuple[str, object]]


def option(name: str) -> tuple[str, object]:
    return name, (None, b"highresnet")


def form(file: str, fields: str, outcome: str, words: str, sent: Fields) -> None:
    @situation("H", file, f"curl {fields} …/predict/", outcome, words)
    def _(world: World) -> Happening:
        response = world.gateway().http.post("/predict/", files=sent)  # type: ignore[arg-type]
        return f"HTTP {response.status_code}", response.text


WITH = "-F file=@SCAN -F"
REFUSED = (
    "came as a field of the form, where it would count for nothing: options belong in the query"
)
ANOTHER = "a file came in another field than 'file', which is the scan's"
form(
    "an option", f"{WITH} model=highresnet", "HTTP 400", f"model {REFUSED}", [FILE, option("model")]
)
form(
    *("an option before the scan", "-F space=model -F file=@SCAN", "HTTP 400", f"space {REFUSED}"),
    [option("space"), FILE],
)
form(
    *("an option as the command spells it", f"{WITH} skull-strip=deepbet", "HTTP 400"),
    *(f"skull_strip {REFUSED}", [FILE, option("skull-strip")]),
)
form("the scan in another field", "-F scan=@SCAN", "HTTP 400", ANOTHER, [("scan", FILE[1])])
form("a note", f"{WITH} note=…", "HTTP 202", '"status":"queued"', [FILE, option("note")])


# ---------------------------------------------------------------------------------------- J: names


def named(file: str, shown: str, name: str, code: int, words: str) -> None:
    @situation("J", file, f"parcela predict {shown} -o OUT", f"exit {code}", words)
    def _(world: World) -> Happening:
        data, affine = brain()
        path = world.folder / name
        save(world.folder / "plain.nii", data, affine)
        (world.folder / "plain.nii").rename(path)
        done = parcela_here("predict", "--no-preprocess", path, "-o", world.folder / "out")
        return f"exit {done.code}", done.out + done.err


named(
    "a name in Latin-1",
    "Fran�ois.nii",
    os.fsdecode(b"Fran\xe7ois.nii"),
    0,
    "Fran�ois_dseg.nii.gz\t",
)
named("a line feed in the name", "two�lines.nii", "two\nlines.nii", 0, "two�lines_dseg.nii.gz\t")
named(
    "a name of 247 bytes",
    "xxx….nii",
    "x" * 243 + ".nii",
    2,
    "11 bytes too long: a result's name would have 266 bytes",
)
named("a mathematician's name", "$x_$.nii", "$x_$.nii", 0, "$x_$_dseg.nii.gz\t")


# ---------------------------------------------------------------------------------------- M: HEAD


def head_of(path: str, outcome: str) -> None:
    @situation("M", f"`{path}`", f"curl -I …{path}", outcome, "no body, the headers of GET")
    def _(world: World) -> Happening:
        http = world.gateway().http
        http.get(path)
        head, get = http.head(path), http.get(path)
        same = all(
            head.headers[name] == get.headers[name] for name in ("content-type", "content-length")
        )
        words = "no body, the headers of GET" if same and not head.content else "something else"
        return f"HTTP {head.status_code}", words


for path, outcome in (
    ("/", "200"),
    ("/healthz", "200"),
    ("/readyz", "503"),
    ("/jobs", "200"),
    ("/openapi.json", "200"),
):
    head_of(path, f"HTTP {outcome}")


# ---------------------------------------------------------------------------------------- N: the rest


@situation(
    "N",
    "a destination in capitals",
    "parcela predict SCAN -o MAP.NII.GZ",
    "exit 0",
    "MAP.NII.GZ, a label map",
)
def _(world: World) -> Happening:
    path, out = world.folder / "scan.nii.gz", world.folder / "MAP.NII.GZ"
    save(path, *brain())
    done = parcela_here("predict", "--no-preprocess", path, "-o", out)
    packed = out.is_file() and out.read_bytes()[:2] == b"\x1f\x8b"
    return f"exit {done.code}", f"{out.name}, a {'label map' if packed else 'folder'}"


@situation(
    "N",
    "a proxy that took `/tools` off the path",
    "curl -H 'X-Forwarded-Prefix: /tools' …/jobs",
    "HTTP 200",
    "/tools/jobs/",
)
def _(world: World) -> Happening:
    gateway = world.gateway()
    gateway.accepted()
    response = gateway.http.get("/jobs", headers={"X-Forwarded-Prefix": "/tools"})
    return f"HTTP {response.status_code}", response.text


scan("N", "a scan called SCAN.NII.GZ", changed(lambda data: data), "", name="SCAN.NII.GZ")

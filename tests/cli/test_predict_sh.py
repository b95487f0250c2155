"""``predict.sh``: the thesis's client. Either the label map lies where it was asked for, or nothing new does."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from patience import patient
from processes import wait_until
from scripted_server import Reply, Scripted, in_turn, problem, serving

MAP = gzip.compress(b"a label map")
GOOD = Reply(200, MAP, "application/gzip")
SHELLS = [shell for shell in ("sh", "dash", "bash", "busybox") if shutil.which(shell)]
Script = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving(lambda _: GOOD) as found:
        yield found


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / 'Jane "D;oe",1.nii.gz'
    path.write_bytes(gzip.compress(b"a scan"))
    return path


@pytest.fixture
def map_path(tmp_path: Path) -> Path:
    (tmp_path / "results here").mkdir()
    return tmp_path / "results here" / "out.nii.gz"


@pytest.fixture
def script(checkout: Path, scan: Path, map_path: Path, server: Scripted) -> Script:
    """Run the script on the scan, against the server."""

    def run(*options: str, shell: str = "sh", **env: str) -> subprocess.CompletedProcess[str]:
        shells = [shell, "sh"] if shell == "busybox" else [shell]
        where = [] if "--server" in options else ["--server", server.url]
        return subprocess.run(
            [*shells, checkout / "predict.sh", "-i", scan, "-o", map_path, *where, *options],
            capture_output=True,
            text=True,
            timeout=patient(20),
            env=os.environ | env,
            check=False,
        )

    return run


@pytest.mark.parametrize("shell", SHELLS)
def test_given_the_thesiss_options_then_the_map_is_kept_and_its_path_printed(
    script: Script, server: Scripted, scan: Path, map_path: Path, shell: str
) -> None:
    done = script("--preprocess", "-model", "highresnet", shell=shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{map_path}\n"
    assert map_path.read_bytes() == MAP
    (asked,) = server.asked
    assert asked.path == "/predict/?model=highresnet&preprocessing=true"
    assert asked.headers["accept"] == "application/gzip"
    assert scan.read_bytes() in asked.body
    assert b'name="file"' in asked.body
    assert b"Jane" not in asked.body
    assert [path.name for path in map_path.parent.iterdir()] == [map_path.name]


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ([], "/predict/?model=&preprocessing=true"),
        (["--model", "both", "--no-preprocess"], "/predict/?model=both&preprocessing=false"),
        (["--label"], "/label/?preprocessing=true"),
    ],
)
def test_given_other_options_then_they_reach_the_server(
    script: Script, server: Scripted, options: list[str], path: str
) -> None:
    assert script(*options).returncode == 0
    assert server.asked[0].path == path


PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY")
NOWHERE = dict.fromkeys(PROXIES, "http://127.0.0.1:9")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "user@127.0.0.1"])
def test_given_a_proxy_in_the_environment_then_a_scan_for_this_computer_stays_on_it(
    script: Script, server: Scripted, shell: str, host: str
) -> None:
    port = server.url.rsplit(":", 1)[1]
    done = script("--server", f"http://{host}:{port}", shell=shell, **NOWHERE)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(server.asked) == 1


def test_given_a_proxy_and_a_server_elsewhere_then_the_proxy_is_asked(
    script: Script, server: Scripted
) -> None:
    script("--server", "http://parcela.invalid", http_proxy=server.url)
    (asked,) = server.asked
    assert asked.path.startswith("http://parcela.invalid/predict/")


def test_given_a_name_in_capitals_then_the_map_is_kept_under_it(
    script: Script, map_path: Path
) -> None:
    assert script("-o", str(map_path.with_name("OUT.NII.GZ"))).returncode == 0
    assert map_path.with_name("OUT.NII.GZ").read_bytes() == MAP


@pytest.mark.parametrize("way", ["option", "environment"])
def test_given_a_key_then_it_is_sent(script: Script, server: Scripted, way: str) -> None:
    key = 'a"b\\c d'
    done = script("--key", key) if way == "option" else script(PARCELA_API_KEY=key)
    assert done.returncode == 0
    assert server.asked[0].headers["authorization"] == f"Bearer {key}"


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (problem("bad-scan", 422, 'not "NIfTI": export it'), 2, 'not "NIfTI": export it'),
        (problem("step-failed", 500, "ROBEX crashed"), 3, "ROBEX crashed"),
        (problem("unavailable", 503, "no weights", Location="/jobs/1"), 4, "no weights"),
        (Reply(404, b"<h1>nginx</h1>", "text/html"), 2, "answered 404, and not as a Parcela"),
        (Reply(200, b"<h1>hello</h1>", "text/html"), 3, "not with a packed label map"),
        (Reply(200, b"", "application/gzip"), 3, "not with a packed label map"),
    ],
)
@pytest.mark.parametrize("shell", SHELLS)
def test_given_an_error_then_it_is_explained_and_never_kept_under_the_images_name(
    script: Script,
    server: Scripted,
    map_path: Path,
    reply: Reply,
    code: int,
    words: str,
    shell: str,
) -> None:
    server.script = in_turn(reply)
    map_path.write_bytes(b"an earlier map")
    done = script(shell=shell)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert map_path.read_bytes() == b"an earlier map"
    assert len(list(map_path.parent.iterdir())) == 1


def test_given_a_server_that_is_not_ready_or_busy_then_the_same_job_is_asked_for_again(
    script: Script, server: Scripted, map_path: Path
) -> None:
    server.script = in_turn(
        problem("still-running", 504, "not done yet"),
        problem("too-many-waiting", 429, "wait", Retry_After="1"),
        Reply(200, MAP, "application/gzip", cut=True),
        GOOD,
    )
    done = script()
    assert (done.returncode, done.stderr) == (0, "")
    assert map_path.read_bytes() == MAP
    assert len({asked.headers["idempotency-key"] for asked in server.asked}) == 1
    assert len(server.asked) == 4


def test_given_nobody_at_the_address_then_that_is_said_at_once(
    script: Script, map_path: Path
) -> None:
    done = script("--server", "http://127.0.0.1:9")
    assert done.returncode == 4
    assert "no server answers at http://127.0.0.1:9" in done.stderr
    assert list(map_path.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-x"], "unknown option -x"),
        (["--model"], "--model needs a value"),
        (["--model", "a b&c"], "choose from unet"),
        (["-i", "/no/such.nii"], "/no/such.nii: no such file"),
        (["-o", "map.nii"], "give a name ending in .nii.gz"),
        (["-o", "/no/folder/map.nii.gz"], "there is no folder /no/folder"),
    ],
)
def test_given_wrong_options_then_the_reason_is_told_and_nothing_is_sent(
    script: Script, server: Scripted, options: list[str], words: str
) -> None:
    done = script(*options)
    assert done.returncode == 2
    assert words in done.stderr
    assert server.asked == []


def test_when_help_is_asked_for_then_every_option_is_there(script: Script) -> None:
    done = script("-h")
    assert done.returncode == 0
    for option in ("-i", "-o", "--preprocess", "-model", "--model", "--server", "--label", "--key"):
        assert option in done.stdout


def test_when_interrupted_then_nothing_is_left(
    checkout: Path, scan: Path, map_path: Path, server: Scripted
) -> None:
    interrupted = threading.Event()

    def slow(_: object) -> Reply:
        interrupted.wait(patient(10))
        return GOOD

    server.script = slow
    temporary = map_path.parent.parent / "temporary"
    temporary.mkdir()
    process = subprocess.Popen(
        ["sh", checkout / "predict.sh", "-i", scan, "-o", map_path, "--server", server.url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TMPDIR": str(temporary)},
        start_new_session=True,
    )
    wait_until(lambda: server.asked)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(patient(10)) == 130
    interrupted.set()
    assert list(map_path.parent.iterdir()) == []
    assert list(temporary.iterdir()) == []

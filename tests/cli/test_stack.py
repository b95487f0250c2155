"""The embedded stack around a stand-in for its gateway: what is started, told, refused and left behind."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from command import parcela
from parcela.errors import BadRequest, Unavailable
from parcela_cli.serve import redis as own_redis
from parcela_cli.serve import stack as embedded
from parcela_cli.serve.data_folder import DataFolder
from parcela_cli.serve.supervisor import Part
from processes import free_port

GATEWAY = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "data")


def test_given_what_a_power_cut_left_when_started_then_it_is_swept_and_workers_write_there(
    folder: DataFolder,
) -> None:
    left = folder.work / "parcela-x" / "image.npy"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"a head")
    with folder.held():
        folder.sweep()
        assert list(folder.work.iterdir()) == []
        assert folder.work.stat().st_mode & 0o077 == 0
    for part in embedded.parts(folder, Path("redis.sock"), "127.0.0.1", 8000):
        worker = part.name != "gateway"
        assert (part.environment.get("TMPDIR") == str(folder.work)) == worker


@pytest.mark.parametrize(
    ("cores", "memory_gb", "workers"), [(1, 64, 1), (2, 3, 1), (2, 8, 2), (8, 12, 3), (64, 512, 4)]
)
def test_given_cores_and_memory_then_so_many_workers_preprocess_at_once(
    cores: int,
    memory_gb: int,
    workers: int,
    folder: DataFolder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    memory = SimpleNamespace(total=memory_gb * 1e9)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    parts = embedded.parts(folder, Path("redis.sock"), "127.0.0.1", 8000)
    names = [part.name for part in parts if "labelling" in part.command]
    assert len(set(names)) == len(names) == workers


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """The socket folders made in this test; each must be gone at its end."""
    made: list[Path] = []
    real = own_redis.socket_folder

    def make() -> Path:
        made.append(real())
        return made[-1]

    monkeypatch.setattr(own_redis, "socket_folder", make)
    yield made
    assert [path for path in made if path.exists()] == []


def stand_in(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    def parts(folder: DataFolder, socket_path: Path, host: str, port: int) -> list[Part]:
        return [Part("gateway", [sys.executable, "-c", code, str(port)])]

    monkeypatch.setattr(embedded, "parts", parts)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_given_a_stack_that_runs_when_a_signal_comes_then_all_of_it_ends(
    number: signal.Signals,
    folder: DataFolder,
    port: int,
    sockets: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand_in(monkeypatch, GATEWAY)
    before = signal.getsignal(number)
    seen: list[str] = []

    def ready(url: str) -> None:
        running = folder.running()
        assert running is not None
        assert own_redis.listens(Path(running.socket))
        seen.extend([url, running.url])
        threading.Timer(0.1, os.kill, (os.getpid(), number)).start()

    embedded.run(folder, "127.0.0.1", port, on_ready=ready, say=seen.append)

    assert seen == [f"http://127.0.0.1:{port}"] * 2
    assert folder.running() is None
    assert not own_redis.listens(sockets[0] / own_redis.SOCKET)
    assert signal.getsignal(number) is before
    embedded.check_port("127.0.0.1", port)


def test_given_a_part_that_never_starts_then_its_last_words_are_the_error(
    folder: DataFolder, port: int, sockets: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, "import sys; sys.exit('no keys: set PARCELA_API_KEYS')")
    told: list[str] = []
    with pytest.raises(Unavailable, match="gateway does not start: no keys: set PARCELA_API_KEYS"):
        embedded.run(folder, "127.0.0.1", port, on_ready=told.append, say=told.append)
    assert len(told) == 3
    assert folder.running() is None


def test_given_what_a_killed_start_left_when_started_then_it_is_cleared_away(
    folder: DataFolder, port: int, sockets: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, GATEWAY)
    left = own_redis.socket_folder()
    with folder.held():
        folder.announce("http://127.0.0.1:1", left / own_redis.SOCKET)
        note = (folder.root / "running.json").read_text()
    (folder.root / "running.json").write_text(note)
    embedded.run(
        folder,
        "127.0.0.1",
        port,
        on_ready=lambda _: os.kill(os.getpid(), signal.SIGINT),
        say=print,
    )
    assert not left.exists()


def test_given_an_earlier_redis_that_still_runs_then_its_file_is_not_opened_a_second_time(
    folder: DataFolder, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "OLD_ONE_S", 0.3)
    place = own_redis.socket_folder()
    path = place / own_redis.SOCKET
    with socket.socket(socket.AF_UNIX) as old, folder.held():
        old.bind(str(path))
        old.listen()
        folder.announce("http://127.0.0.1:1", path)
        note = (folder.root / "running.json").read_text()
        (folder.root / "kept").write_text(note)
    with socket.socket(socket.AF_UNIX) as old:
        path.unlink()
        old.bind(str(path))
        old.listen()
        (folder.root / "kept").replace(folder.root / "running.json")
        with pytest.raises(BadRequest, match="the Redis of an earlier start still runs"):
            embedded.run(folder, "127.0.0.1", port, on_ready=print, say=print)
    path.unlink()
    place.rmdir()


def test_given_a_port_in_use_when_served_then_it_is_one_line_and_nothing_is_started(
    tmp_path: Path,
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = parcela("serve", "--port", port, "--data", tmp_path / "data")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"parcela: port {port} is in use")
    assert done.err.count("\n") == 1
    assert not any((tmp_path / "data" / "logs").iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("list", "--server", "http://a", "--data", "b"), "give one of them"),
        (("list", "--data", "/nowhere/at/all"), "no parcela serve runs on this folder"),
        (("show", "0" * 32, "--server", "http://127.0.0.1:9"), "no Parcela server answers at"),
    ],
)
def test_given_no_server_when_jobs_are_asked_for_then_the_reason_is_told(
    arguments: tuple[str, ...], words: str
) -> None:
    done = parcela("jobs", *arguments)
    assert done.code in (2, 4)
    assert words in done.err
    assert done.err.count("\n") == 1

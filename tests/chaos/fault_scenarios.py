"""What a release does at each fault that an attack on the service found: run by path in a checkout of that release.

    cd CHECKOUT/tests && PYTHONPATH=. ../.venv/bin/python .../tests/chaos/fault_scenarios.py

It uses what the tests of both releases have (`gateway_server`, `redis_server`, `nifti_files`), and says what it saw.
"""

from __future__ import annotations

import gzip
import importlib
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from gateway_server import SCAN, claim_any, serving
from nifti_files import image, nifti
from parcela.settings import Settings
from redis_server import new_redis_server

os.environ["PARCELA_BACK_OFF_S"] = "0"  # so that a second attempt need not be waited for
ALICE, BOB = "a" * 32, "b" * 32
HEAD = (
    "POST /predict/ HTTP/1.1\r\nHost: {}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    "Content-Length: {}\r\n\r\n"
)
FORM = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n'


def either(*places: str) -> Any:
    """What the first of these ``module:name`` that exists is: modules have moved since."""
    for place in places:
        module, name = place.split(":")
        with suppress(ImportError):
            return getattr(importlib.import_module(module), name)
    raise ImportError(places)


Problem = either("parcela.jobs.records:Problem", "parcela.job:Problem")
Reconciler = either("parcela.jobs.reconciler:Reconciler", "parcela_gateway.reconciler:Reconciler")
LimitExceeded = either("parcela.errors:LimitExceeded")


@contextmanager
def installed(**settings: Any) -> Iterator[tuple[Any, Any]]:
    """A gateway with these settings on a Redis of its own."""
    with contextmanager(new_redis_server)() as redis, tempfile.TemporaryDirectory() as folder:
        chosen = Settings(redis=redis.url, store=f"{folder}/store", **settings)
        with serving(chosen) as gateway:
            yield gateway, redis


def key(value: str) -> dict[str, str]:
    return {"X-API-Key": value}


def connected(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def fault_6() -> str:
    """Uploads of a byte in every place, and an honest one beside them."""
    with installed() as (gateway, _), ExitStack() as stack:
        for _ in range(64):
            place = stack.enter_context(connected(gateway.url))
            place.sendall(HEAD.format(gateway.url[7:], 10**7).encode() + FORM + b"\x1f")
        time.sleep(1)
        begun = time.monotonic()
        try:
            status = gateway.http.post("/predict/", files={"file": SCAN}, timeout=20).status_code
        except Exception as error:  # noqa: BLE001 -- of whichever HTTP library
            status = type(error).__name__
        return f"an honest upload: {status} after {time.monotonic() - begun:.0f} s"


def fault_7() -> str:
    """300 idle connections on 256 descriptors, in a process of its own."""
    with contextmanager(new_redis_server)() as redis, tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        given = {
            "PARCELA_REDIS": redis.url,
            "PARCELA_STORE": f"{folder}/store",
            "PARCELA_PORT": "0",
        }
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "parcela_gateway"],
                env=os.environ | given,
                stdout=file,
                stderr=file,
            )
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (256, 256))
        while "running on http" not in log.read_text():
            time.sleep(0.1)
        url = log.read_text().split("running on ")[1].split()[0].strip('"')
        with ExitStack() as stack:
            for _ in range(300):
                with suppress(OSError):
                    stack.enter_context(connected(url))
            time.sleep(10)
            answered = "no"
            with suppress(OSError), connected(url) as one:
                one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answered = "an" if b"200" in one.recv(100) else "no"
        size = log.stat().st_size
        process.kill()
        process.wait()
        return f"{answered} answer of /healthz; {size / 1e6:.2f} MB of log in 10 s"


def fault_8() -> str:
    """One caller's queue, and another's job; wrong keys."""
    with installed(api_keys=f"{ALICE},{BOB}", max_waiting=6) as (gateway, _):
        told = [gateway.submit(headers=key(ALICE)).status_code for _ in range(7)]
        bob = gateway.submit(headers=key(BOB)).status_code
        wrong = Counter(
            gateway.http.get("/jobs", headers=key(f"{n:032}")).status_code for n in range(60)
        )
    with installed(api_keys=f"{ALICE},{BOB}") as (gateway, _):
        first = [gateway.accepted(headers=key(ALICE)) for _ in range(3)]
        last = gateway.accepted(headers=key(BOB))
        claims = [claim_any(gateway.ledger) for _ in range(4)]
        order = [claim.job.id for claim in claims if claim].index(last) + 1
        assert first
    return f"Alice {told}, then Bob {bob}; his job comes as number {order} of 4; 60 wrong keys: {dict(wrong)}"


def fault_9() -> str:
    """A scan that hangs, before another."""
    with installed() as (gateway, _):
        hangs, other = gateway.accepted(), gateway.accepted(gzip.compress(nifti(image()[::-1])))
        claims = []
        for _ in range(6):
            claim = gateway.ledger.claim("preprocess", "w", 30)
            if claim is None:
                break
            claims.append("hangs" if claim.job.id == hangs else "other")
            if claim.job.id == hangs:
                gateway.ledger.fail(claim, Problem.of(LimitExceeded("too long")), True)
            else:
                gateway.ledger.advance(claim, {})
        assert other
    return f"worked at: {claims}"


def fault_12() -> str:
    """Where workers put their temporary files."""
    parts = either("parcela_cli.serve.stack:parts", "parcela_cli.embedded:parts")
    folder = either("parcela_cli.serve.data_folder:DataFolder", "parcela_cli.embedded:DataFolder")
    with tempfile.TemporaryDirectory() as place:
        made = parts(folder(Path(place)), Path("redis.sock"), "127.0.0.1", 8000)
        where = {part.name: "TMPDIR" in part.environment for part in made}
    return f"a folder of the service's own for temporary files: {where}"


def fault_13() -> str:
    """Another caller's deleted job."""
    with installed(api_keys=f"{ALICE},{BOB}") as (gateway, _):
        job = gateway.accepted(headers=key(ALICE))
        gateway.http.delete(f"/jobs/{job}", headers=key(ALICE))
        (stone,) = list(gateway.store.list("tombstones"))
        time.sleep(1.1)
        got = gateway.http.get(f"/jobs/{job}", headers=key(BOB)).status_code
        deleted = gateway.http.delete(f"/jobs/{job}", headers=key(BOB)).status_code
        (after,) = list(gateway.store.list("tombstones"))
        renewed = after.modified > stone.modified
    return f"Bob: GET {got}, DELETE {deleted}, the tombstone renewed: {renewed}"


def fault_14() -> str:
    """Who fetched what."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(f"{record.name} {record.__dict__}")  # type: ignore[method-assign]
    logging.getLogger("parcela").addHandler(handler)
    logging.getLogger("parcela").setLevel(logging.INFO)
    with installed(api_keys=ALICE) as (gateway, _):
        job = gateway.done(headers=key(ALICE))
        gateway.http.get(f"/jobs/{job}/result", headers=key(ALICE))
        time.sleep(0.5)
    logging.getLogger("parcela").removeHandler(handler)
    return f"lines that name a caller: {sum('caller' in line for line in lines)} of {len(lines)}"


def fault_15() -> str:
    """A frozen Redis."""
    with installed() as (gateway, redis):
        job = gateway.accepted()
        process = redis._process
        process.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        try:
            status = gateway.http.get(f"/jobs/{job}", timeout=90).status_code
        finally:
            took = time.monotonic() - begun
            process.send_signal(signal.SIGCONT)
    return f"a poll: {status} after {took:.1f} s"


def fault_16() -> str:
    """gzip that unpacks to nothing."""
    name = SCAN[:3] + b"\x08" + SCAN[4:10] + b"n" * 20_000_000 + b"\0" + SCAN[10:]
    empty = gzip.compress(b"", mtime=0)
    said = []
    for what, scan in (
        ("name of 20 MB", name),
        ("5 MB of padding", SCAN + bytes(5_000_000)),
        ("100 000 empty members", SCAN + empty * 100_000),
    ):
        with installed() as (gateway, _):
            begun = time.process_time()
            status = gateway.http.post("/predict/", files={"file": scan}, timeout=120).status_code
            said.append(f"{what}: {status}, {time.process_time() - begun:.1f} s of processor")
    return "; ".join(said)


def fault_17() -> str:
    """Fifteen listeners."""
    with installed() as (gateway, redis):
        job = gateway.accepted()
        with ExitStack() as stack:
            for _ in range(15):
                place = stack.enter_context(connected(gateway.url))
                place.sendall(
                    f"GET /jobs/{job}/events HTTP/1.1\r\nHost: {gateway.url[7:]}\r\n\r\n".encode()
                )
                place.recv(100)
            time.sleep(1)
            before = int(redis.client.info("stats")["total_commands_processed"])
            time.sleep(4)
            count = int(redis.client.info("stats")["total_commands_processed"]) - before
    return f"{count / 4:.0f} commands to Redis a second"


def fault_18() -> str:
    """The last event of a job whose deletion takes its time."""
    with installed() as (gateway, _):
        job = gateway.accepted()
        with gateway.http.stream("GET", f"/jobs/{job}/events") as response:
            lines = response.iter_lines()
            next(lines)
            gateway.ledger.cancel(job)
            time.sleep(1.5)  # a listener looks in the midst of it
            gateway.http.delete(f"/jobs/{job}")
            told = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
            return f"the last event: {told[-1]}, after {len(told) - 1} others"


def fault_19() -> str:
    """Text in numbers of the header."""
    raw = bytearray(nifti(image()))
    places = {
        "intent_p1": 56,
        "glmax": 140,
        "cal_max": 124,
        "toffset": 136,
        "extents": 32,
        "session_error": 36,
        "slice_duration": 132,
    }
    for place in places.values():
        raw[place : place + 2] = b"Ja"
    with installed() as (gateway, _):
        answer = gateway.submit(gzip.compress(bytes(raw)))
        if answer.status_code != 202:
            return f"refused: {answer.status_code}"
        (stored,) = [s.key for s in gateway.store.list() if "scan" in s.key]
        with gateway.store.open(stored) as file:
            content = file.read()
    kept = zlib.decompressobj(31).decompress(content, 400)
    return f"kept in the store: {[n for n, p in places.items() if kept[p : p + 2] == b'Ja']}"


def fault_20() -> str:
    """Small ones."""
    with installed(api_keys=ALICE) as (gateway, _):
        job = gateway.accepted(headers=key(ALICE))
        head = gateway.http.head(f"/jobs/{job}", headers=key(ALICE)).status_code
        cached = gateway.http.get(f"/jobs/{job}", headers=key(ALICE)).headers.get("cache-control")
        framed = gateway.http.get("/").headers.get("x-frame-options")
        metrics = gateway.http.get("/metrics", headers=key(ALICE)).status_code
        with connected(gateway.url) as one:
            one.sendall(b"HELLO\r\n\r\n")
            bad = b"problem+json" in one.recv(4000)
    with installed() as (gateway, redis):
        service, client = gateway.service, redis.client
        spoilt, _ = gateway.accepted(), gateway.accepted()
        client.hset(f"parcela:job:{spoilt}", "kind", "odd")
        client.sadd("parcela:unrecorded", spoilt)
        client.delete("preprocess")
        with suppress(Exception):
            Reconciler(service.ledger, service.store, service.doorbell).run_once()
        rung = service.doorbell.bells("preprocess") > 0
    return (
        f"HEAD {head}, Cache-Control {cached}, X-Frame-Options {framed}, /metrics with a caller's key {metrics}, "
        f"what is no HTTP gets a problem document: {bad}, "
        f"a damaged row, and the next job gets its bell: {rung}"
    )


FAULTS: list[Callable[[], str]] = [  # by their numbers in the list of the attack
    *(
        fault_6,
        fault_7,
        fault_8,
        fault_9,
        fault_12,
        fault_13,
        fault_14,
        fault_15,
        fault_16,
        fault_17,
    ),
    *(fault_18, fault_19, fault_20),
]

if __name__ == "__main__":
    wanted = sys.argv[1:]
    for fault in FAULTS:
        number = fault.__name__.removeprefix("fault_")
        if wanted and number not in wanted:
            continue
        try:
            print(f"{number}: {fault()}", flush=True)
        except Exception as error:  # noqa: BLE001 -- the next scenario shall be told, too
            print(f"{number}: {type(error).__name__}: {error}", flush=True)
    os._exit(0)  # whatever a release leaves hanging

"""``python -m chaos run``; ``worker`` and ``gateway`` are the processes that it starts."""

from __future__ import annotations

import json
import logging
import random
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def run(
    jobs: Annotated[int, typer.Option(min=1, help="jobs to submit")] = 20,
    faults: Annotated[int, typer.Option(min=0, help="faults among them")] = 30,
    workers: Annotated[int, typer.Option(min=1, help="workers that serve both stages")] = 3,
    gateways: Annotated[int, typer.Option(min=1, help="gateways")] = 2,
    store: Annotated[str, typer.Option(help="folder, or s3 (moto's server)")] = "folder",
    lease: Annotated[float, typer.Option(help="PARCELA_LEASE_S")] = 2.0,
    step: Annotated[
        float, typer.Option(help="the longest of a stage's four steps, in seconds")
    ] = 1.0,
    size: Annotated[int, typer.Option(help="bytes of each file")] = 256 * 1024,
    pause: Annotated[
        float, typer.Option(help="the longest time between two faults, in seconds")
    ] = 2.0,
    seed: Annotated[int | None, typer.Option(help="the same faults in the same order")] = None,
    only: Annotated[list[str] | None, typer.Option(help="this kind of fault (repeat it)")] = None,
) -> None:
    """Disturb an installation and judge; exit code 1 if a promise was broken."""
    from chaos.faults import KINDS
    from chaos.installation import Scale, s3_environment
    from chaos.recovery import percentile_99
    from chaos.run import Plan
    from chaos.run import run as disturb
    from redis_server import new_redis_server
    from s3_server import s3_server

    if unknown := set(only or ()) - set(KINDS):
        raise typer.BadParameter(f"{', '.join(unknown)}: choose among {', '.join(KINDS)}")
    chosen = random.randrange(10**6) if seed is None else seed
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    typer.echo(
        f"{jobs} jobs, {faults} faults, {workers} workers, {gateways} gateways, store {store}, lease {lease:g} s, "
        f"seed {chosen}; logs in {folder}"
    )
    with ExitStack() as stack:
        redis = stack.enter_context(contextmanager(new_redis_server)())
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # moto's server tells each request
        place = s3_environment(stack.enter_context(s3_server())) if store == "s3" else {}
        scale = Scale(workers, gateways, place, lease, step, size)
        report = disturb(
            Plan(jobs, faults, scale, chosen, only or KINDS, pause), folder, redis, typer.echo
        )
    typer.echo(
        f"{sum(report.faults.values())} faults in {report.seconds:.0f} s, {report.cuts} replies lost, Redis "
        f"killed or emptied {report.eras - 1} times, {report.redeliveries} redeliveries"
    )
    typer.echo(
        f"{report.jobs} jobs accepted, {report.deleted} of them deleted; faults {dict(report.faults)}"
    )
    for what, waits in (
        ("a worker's", report.after_workers),
        ("a worker's and Redis's", report.after_both),
        ("Redis's", report.after_redis),
    ):
        p99 = f"p99 {percentile_99(waits):.1f} s" if waits else "none to measure"
        typer.echo(f"recovery after {what} death: {p99} of {len(waits)}")
    for violation in report.violations:
        typer.echo(f"BROKEN  {violation}")
    typer.echo(f"{len(report.violations)} promises broken")
    sys.exit(bool(report.violations))


@app.command()
def served(
    jobs: Annotated[int, typer.Option(min=1, help="jobs to submit")] = 20,
    faults: Annotated[int, typer.Option(min=0, help="faults among them")] = 30,
    seed: Annotated[int | None, typer.Option(help="the same faults in the same order")] = None,
) -> None:
    """Disturb ``parcela serve`` itself while it parcellates real scans; exit code 1 if a promise was broken."""
    from chaos.served import run as disturb

    chosen = random.randrange(10**6) if seed is None else seed
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    typer.echo(f"{jobs} jobs, {faults} faults, seed {chosen}; logs in {folder}")
    verdict = disturb(folder, jobs, faults, chosen, typer.echo)
    typer.echo(f"faults {dict(verdict.faults)}; polls {dict(verdict.polls)}")
    typer.echo(f"ledger's log {dict(verdict.log)}; jobs {dict(verdict.states)}")
    typer.echo(f"outlived who started them: {verdict.outlived or 'none'}")
    typer.echo(f"{verdict.equal} of {verdict.expected} results equal the undisturbed")
    sys.exit(not verdict.kept)


@app.command()
def load(
    seconds: Annotated[float, typer.Option(help="of honest use beside each crowd")] = 30.0,
    only: Annotated[list[str] | None, typer.Option(help="this crowd (repeat it)")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="where the figures go")] = None,
) -> None:
    """Measure what an honest caller waits beside strangers; exit code 1 if it is more than promised."""
    from chaos.load import SIZES, as_json, measure, table
    from redis_server import new_redis_server

    rows = []
    for crowd in SIZES:
        if not only or crowd in only:
            with contextmanager(new_redis_server)() as redis:
                rows.append(measure(crowd, redis, Path(tempfile.mkdtemp(prefix="load-")), seconds))
    typer.echo(table(rows))
    if json_file is not None:
        json_file.write_text(json.dumps(as_json(rows), indent=1) + "\n")
    sys.exit(not all(row.kept for row in rows))


@app.command()
def memory(
    scan: Annotated[Path, typer.Argument(help="a small head")],
    jobs: Annotated[int, typer.Option(min=1, help="jobs to submit")] = 500,
    minutes: Annotated[float, typer.Option(help="after which no more are sent")] = 240.0,
    every: Annotated[int, typer.Option(min=1, help="one of so many sees the network")] = 25,
    json_file: Annotated[Path | None, typer.Option("--json", help="where the looks go")] = None,
) -> None:
    """Memory of every part while one scan is preprocessed, as it really is, some hundred times."""
    from chaos.memory import Course, Plan, table
    from chaos.memory import run as send
    from redis_server import new_redis_server

    def keep(course: Course) -> None:
        if json_file is not None:
            json_file.write_text(json.dumps(asdict(course)) + "\n")

    folder = Path(tempfile.mkdtemp(prefix="memory-"))
    typer.echo(f"logs in {folder}")
    with contextmanager(new_redis_server)() as redis:
        course = send(Plan(scan, jobs, minutes, every), folder, redis, keep)
    typer.echo(f"{course.ended[-1]} jobs in {course.seconds:.0f} s: {course.states}")
    typer.echo(table(course))


@app.command()
def preprocess_worker() -> None:
    """A worker that preprocesses, as it is."""
    from parcela.jobs.worker_app import run_worker

    run_worker({"preprocess": "parcela_preprocess.stage"})


@app.command()
def rare_inference_worker() -> None:
    """A worker of the networks that most jobs pass by."""
    from parcela.jobs.worker_app import run_worker

    run_worker({"inference": "chaos.rare_inference"})


@app.command()
def worker() -> None:
    """Serve both stages with the stub, over a store that may fail."""
    from chaos.faulty_store import open_faulty_store
    from parcela.jobs import worker_app

    setattr(worker_app, "open_store", open_faulty_store)  # noqa: B010 -- it is no part of that module
    worker_app.run_worker({"preprocess": "chaos.stub_stage", "inference": "chaos.stub_stage"})


@app.command()
def gateway() -> None:
    """A gateway over a store that may fail."""
    from chaos.faulty_store import open_faulty_store
    from parcela_gateway import dependencies
    from parcela_gateway.__main__ import main

    setattr(dependencies, "open_store", open_faulty_store)  # noqa: B010 -- it is no part of that module
    sys.exit(main())


if __name__ == "__main__":
    app()

"""``python -m chaos run``; ``worker`` and ``reconciler`` are the processes that it starts."""

from __future__ import annotations

import random
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def run(
    jobs: Annotated[int, typer.Option(min=1, help="jobs to submit")] = 20,
    faults: Annotated[int, typer.Option(min=0, help="faults among them")] = 30,
    workers: Annotated[int, typer.Option(min=1, help="workers that serve both stages")] = 3,
    seed: Annotated[int | None, typer.Option(help="the same faults in the same order")] = None,
    only: Annotated[list[str] | None, typer.Option(help="this kind of fault (repeat it)")] = None,
) -> None:
    """Disturb an installation and judge; exit code 1 if a promise was broken."""
    from chaos.faults import KINDS
    from chaos.run import Plan
    from chaos.run import run as disturb
    from redis_server import new_redis_server

    if unknown := set(only or ()) - set(KINDS):
        raise typer.BadParameter(f"{', '.join(unknown)}: choose among {', '.join(KINDS)}")
    chosen = random.randrange(10**6) if seed is None else seed
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    typer.echo(f"{jobs} jobs, {faults} faults, {workers} workers, seed {chosen}; logs in {folder}")
    with contextmanager(new_redis_server)() as redis:
        report = disturb(
            Plan(jobs, faults, workers, chosen, only or KINDS), folder, redis, typer.echo
        )
    typer.echo(
        f"{sum(report.faults.values())} faults in {report.seconds:.0f} s, {report.cuts} replies lost, Redis "
        f"killed or emptied {report.eras - 1} times, {report.redeliveries} redeliveries"
    )
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
def worker() -> None:
    """Serve both stages with the stub."""
    from parcela.jobs.worker_app import run_worker

    run_worker({"preprocess": "chaos.stub_stage", "inference": "chaos.stub_stage"})


@app.command()
def reconciler() -> None:
    """What a gateway does beside answering."""
    from parcela.jobs.doorbell import Doorbell
    from parcela.jobs.ledger import Ledger
    from parcela.jobs.reconciler import Reconciler
    from parcela.settings import settings
    from parcela.store.open import open_store

    chosen = settings()
    Reconciler(Ledger(chosen.redis), open_store(), Doorbell(chosen.redis)).start()
    threading.Event().wait()


if __name__ == "__main__":
    app()

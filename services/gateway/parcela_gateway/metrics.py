"""Numbers for Prometheus: requests as they pass, jobs as the ledger counts them when asked."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from parcela.jobs.ledger import Ledger, LedgerUnavailable

__all__ = ["CONTENT_TYPE_LATEST", "Metrics"]


class Jobs(Collector):
    """Waiting and running jobs by stage; nothing while the ledger is away."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            counted = (
                ("waiting", "jobs that wait for a stage", self._ledger.waiting()),
                ("running", "jobs that a worker holds", self._ledger.running()),
            )
        except LedgerUnavailable:
            return
        for name, text, counts in counted:
            gauge = GaugeMetricFamily(f"parcela_jobs_{name}", text, labels=["stage"])
            for stage, count in counts.items():
                gauge.add_metric([stage], count)
            yield gauge

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing: so that registering does not ask the ledger."""
        return iter(())


class Metrics:
    """The numbers of one application."""

    def __init__(self, ledger: Ledger) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(Jobs(ledger))
        self._requests = Counter(
            "parcela_http_requests",
            "requests answered",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "parcela_http_seconds",
            "from a request's head to the end of its answer",
            ["method", "route"],
            registry=self._registry,
            buckets=(0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 30, 120, 600),
        )

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request was answered."""
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(method, route).observe(seconds)

    def text(self) -> bytes:
        """All of them, as Prometheus reads them."""
        return generate_latest(self._registry)

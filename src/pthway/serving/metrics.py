"""What is counted and timed, for Prometheus."""

import os
from typing import Final, final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

MULTIPROCESS: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Where several workers put their numbers, so that any of them tells of all."""
SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128)


@final
class Metrics:
    """The numbers of one process."""

    def __init__(self) -> None:
        self._shared = MULTIPROCESS in os.environ
        self._registry = CollectorRegistry()
        registry = self._registry
        self.requests = Counter("pthway_requests", "Requests, by what became of them", ["model", "version", "status"], registry=registry)
        self.seconds = Histogram("pthway_request_seconds", "From the request to its answer", ["model"], buckets=SECONDS, registry=registry)
        self.queue_seconds = Histogram("pthway_queue_seconds", "Waiting for the runtime", ["model"], buckets=SECONDS, registry=registry)
        self.compute_seconds = Histogram(
            "pthway_compute_seconds", "The call of the runtime that answered the request", ["model"], buckets=SECONDS, registry=registry
        )
        self.batch = Histogram("pthway_batch_size", "Samples computed with a request", ["model"], buckets=SIZES, registry=registry)
        self.inside = Gauge("pthway_in_flight", "Requests being answered", multiprocess_mode="livesum", registry=registry)
        self.models = Gauge(
            "pthway_model",
            "1 for each model that is served",
            ["model", "version", "runtime", "digest"],
            multiprocess_mode="max",
            registry=registry,
        )

    def text(self) -> bytes:
        """Everything in Prometheus' text format, over all workers."""
        if not self._shared:
            return bytes(generate_latest(self._registry))
        together = CollectorRegistry()
        multiprocess.MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return bytes(generate_latest(together))

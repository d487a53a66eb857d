"""The relay's figures in Prometheus's format.

Requests, commits and followers are those of this process, since its start. What is read from the log when it
is asked for (queues, hops, set aside, size) is everybody's, and costs nobody else anything.
"""

import asyncio
from time import perf_counter

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ovro_alert.hearing import Hearing
from ovro_alert.relay.policy_file import PolicyFile
from ovro_alert.relay.sources import judged
from ovro_alert.relay.state import RelayState
from ovro_alert.store.figures import figures, hops, told
from ovro_alert.store.numbers import FEED

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series for the birth of each series: nobody asks for it
METHODS = frozenset({"GET", "HEAD", "POST", "PUT"})
OTHER = "other"  # a method or an address that the relay does not have: a series each would have no end
FAST_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 60)
HOP_S = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60, 600, 3600)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """What one relay counts; each has a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "ovro_alert_requests", "Requests answered.", ["route", "method", "status"], registry=registry
        )
        self._request_s = Histogram(
            "ovro_alert_request_seconds",
            "From a request's head to the end of its answer; of a follower also its wait.",
            ["route", "method"],
            buckets=FAST_S,
            registry=registry,
        )
        self._batch = Histogram(
            "ovro_alert_commit_writes",
            "Writes in a commit; the count is of commits.",
            buckets=BATCHES,
            registry=registry,
        )
        self._followers = Gauge(
            "ovro_alert_followers", "Requests waiting now for news of a topic.", ["topic"], registry=registry
        )
        self._age = Gauge(
            "ovro_alert_queue_age_seconds",
            "How long a slot's oldest queued command has waited; 0 where none waits.",
            ["slot"],
            registry=registry,
        )
        self._entries = Gauge(
            "ovro_alert_slot_entries", "Entries a slot was ever given.", ["slot"], registry=registry
        )
        self._hop_s = Histogram(
            "ovro_alert_hop_seconds",
            "What the hops of alerts and commands took that ended since the start.",
            ["hop"],
            buckets=HOP_S,
            registry=registry,
        )
        self._set_aside = Gauge(
            "ovro_alert_set_aside", "Messages that no format reads, and that are kept.", registry=registry
        )
        self._deaf = Gauge(
            "ovro_alert_source_deaf", "1 where a source is deaf, 0 where not.", ["source"], registry=registry
        )
        self._silence = Gauge(
            "ovro_alert_source_silence_seconds",
            "Since a source's last message, of those at a cadence where it has such; since it is watched.",
            ["source"],
            registry=registry,
        )
        self._lag = Gauge(
            "ovro_alert_source_lag",
            "Messages of a source that have not reached the relay: at the broker, and at the receiver.",
            ["source"],
            registry=registry,
        )
        self._size = Gauge("ovro_alert_log_bytes", "The size of the log's database.", registry=registry)
        self._policy = Gauge(
            "ovro_alert_policy_refused",
            "1 while the policy's file holds what cannot be put in force.",
            registry=registry,
        )
        # A series is looked up by its labels in an order that never changes: once is enough.
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._told = 0  # the number of the feed up to which hops are counted
        self._reading = asyncio.Lock()

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Counts a request."""
        which = (route, method, status)
        if which not in self._series:
            self._series[which] = (
                self._requests.labels(route, method, str(status)),
                self._request_s.labels(route, method),
            )
        count, took = self._series[which]
        count.inc()
        took.observe(seconds)

    def committed(self, writes: int) -> None:
        """Counts a commit of so many writes; may be called from any thread."""
        self._batch.observe(writes)

    async def begin(self, state: RelayState) -> None:
        """Counts hops from now on."""
        self._told = await state.log.read(told)

    def watch(self, file: PolicyFile) -> None:
        """Tells of the policy's file from now on."""
        self._policy.set_function(lambda: float(file.trouble is not None))

    async def page(self, state: RelayState) -> bytes:
        """All figures as they are now, in the text exposition format."""
        async with self._reading:  # two who ask at once must not count a hop twice
            last = await state.log.read(told)
            ended = await state.log.read(lambda connection: [*hops(connection, self._told, last)])
            self._told = last
        for hop, seconds in ended:
            self._hop_s.labels(hop).observe(max(seconds, 0.0))
        now = await state.log.read(figures)
        for slot in state.settings.slots:
            since = now.oldest_queued.get(slot)
            self._age.labels(slot).set((state.clock() - since).total_seconds() if since else 0.0)
            self._entries.labels(slot).set(now.entries.get(slot, 0))
        for topic in (*state.settings.slots, FEED):
            self._followers.labels(topic).set(state.bell.followers(topic))
        await self._hear(state)
        self._set_aside.set(now.set_aside)
        self._size.set(now.size)
        return generate_latest(self.registry)

    async def _hear(self, state: RelayState) -> None:
        for gauge in (self._deaf, self._silence, self._lag):
            gauge.clear()  # a source may be gone
        for source, _, hearing, _ in await state.log.read(lambda connection: judged(connection, state)):
            self._deaf.labels(source.source).set(hearing is Hearing.DEAF)
            silence = state.clock() - source.silent_since
            self._silence.labels(source.source).set(silence.total_seconds())
            self._lag.labels(source.source).set((source.behind or 0) + (source.waiting or 0))


class Measure:
    """Counts and times every request, refused ones included."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        status = 500  # where nothing is answered, the server answers that
        began = perf_counter()

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            method = scope["method"]
            # Known once the request has found its route.
            route = scope.get("template", getattr(scope.get("route"), "path_format", OTHER))
            took = perf_counter() - began
            self._metrics.answered(route, method if method in METHODS else OTHER, status, took)

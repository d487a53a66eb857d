"""A proxy that cuts every connection after some bytes, anywhere in a request or an answer."""

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ovro_alert.demo.etcd_gateway import Gateway
from ovro_alert.demo.processes import wait_for
from tests.clients.observatory import observatory
from tests.support import RunningRelay
from torture.audit import broken_promises
from torture.ground import Ground, Outcome
from torture.load import Ledger, Load
from torture.trial import OPEN, LwaTrial

TRIES = "a proxy cuts connections at any byte"
COMMANDS, QUICK = 10_000, 500
FOR_THE_TELESCOPE, QUICK_TELESCOPE = 60, 10
FEW, MANY = (
    6000,
    200_000,
)  # bytes that a connection may carry: some requests, or pages of the log


class Proxy:
    """Carries connections to a port of loopback and cuts each after a number of bytes drawn by lot."""

    def __init__(self, target: int) -> None:
        self.cuts = 0
        self._target = target
        self._chance = random.Random("cuts")
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._carry, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @contextmanager
    def running(self) -> Iterator[str]:
        """Gives its URL."""
        self._thread.start()
        try:
            yield f"http://127.0.0.1:{self.port}"
        finally:
            self._loop.call_soon_threadsafe(self._end)
            self._thread.join(10)

    def _end(self) -> None:
        self._server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.call_soon(self._loop.stop)

    async def _carry(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        relay, to_relay = await asyncio.open_connection("127.0.0.1", self._target)
        left = [self._chance.randrange(1, FEW if self._chance.random() < 0.8 else MANY)]

        async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while data := await source.read(65536):
                    sink.write(data[: left[0]])
                    await sink.drain()
                    left[0] -= len(data)
                    if left[0] <= 0:
                        self.cuts += 1
                        return

        pipes = [asyncio.create_task(pipe(*ends)) for ends in ((client, to_relay), (relay, to_client))]
        await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
        for each in pipes:
            each.cancel()
        rudely = self._chance.random() < 0.5
        for writer in (to_client, to_relay):
            if rudely:  # RST in place of FIN: what was not read yet is lost
                linger = struct.pack("ii", 1, 0)
                with suppress(OSError):
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.close()


def run(ground: Ground) -> Outcome:
    """PUTs repeated with their Idempotency-Key, alerts, both kinds of followers and OVRO-LWA's client lose
    nothing and double nothing."""
    wanted = QUICK if ground.quick else COMMANDS
    asked = QUICK_TELESCOPE if ground.quick else FOR_THE_TELESCOPE
    ledger = Ledger()
    violations: list[str] = []
    with ground.relay() as relay, relay.client() as client:
        proxy = Proxy(relay.port)
        with proxy.running() as url:
            violations += _at_the_telescope(ground, relay, url, asked)
            with Load(url, relay.key, ledger) as load:
                load.put(repeat=True)
                load.put(repeat=True)
                load.post()
                load.follow()
                load.stream()
                while ledger.count() < wanted:
                    before = ledger.count()
                    wait_for(lambda before=before: ledger.count() > before, "an acknowledgement", 60)  # type: ignore[misc]
                    ground.say(f"{proxy.cuts} cuts, {ledger.count()} of {wanted} acknowledged")
                violations += broken_promises(client, load)
    seen = f"{asked} commands carried out once; "
    seen += f"{len(ledger.acknowledged)} PUTs and {len(ledger.receipts)} alerts, all there once"
    return Outcome(f"{proxy.cuts} cuts", seen, violations)


def _at_the_telescope(ground: Ground, relay: RunningRelay, url: str, asked: int) -> list[str]:
    """OVRO-LWA's client behind the proxy, its telescope's twins beside it: what was not carried out once."""
    with Gateway() as etcd, observatory(relay, etcd.url, ground.directory / "lwa") as place:
        trial = LwaTrial(ground, place)
        place.start(RELAY_URL=url, OVRO_ALERT_LWA_ALERT_LEASE_S="2")
        for number in range(asked):
            trial.wait(open=OPEN - 1)
            trial.dump() if number % 2 else trial.beam()
        trial.once()
    return trial.violations

"""A policy tried on a log of alerts without sky maps, beside reading their messages and nothing else."""

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks import fifty
from ovro_alert.demo.sample_bursts import Burst, chime_notice, chime_voevent, dsa_notice
from ovro_alert.formats import read
from ovro_alert.policy.compared import Tally
from ovro_alert.policy.replay import Replay
from ovro_alert.policy.rules import load
from ovro_alert.relay.intake import Incoming, Intake
from ovro_alert.relay.past import of_log
from ovro_alert.relay.settings import RelaySettings
from ovro_alert.store.alerts import Arrival
from ovro_alert.store.engine import opened
from ovro_alert.store.log import Log, Transaction

ALERTS = 6000
LIMIT = 1000  # alerts a second, at least
TOGETHER = 200
START = datetime(2026, 1, 1, tzinfo=UTC)


def measure(directory: Path, say: Callable[[str], None]) -> None:
    """Says alerts a second of both, by the default policy and by fifty rules."""
    settings = RelaySettings()
    policy = load(None, settings.commanded)
    url = f"sqlite:///{directory / 'bench.sqlite'}"
    messages = list(_messages())
    start = time.perf_counter()
    for raw in messages:
        read(raw)
    bare = len(messages) / (time.perf_counter() - start)
    asyncio.run(_fill(url, Intake(policy, settings.slots), messages))
    for name, one in (("the default policy", policy), ("fifty rules", fifty.policy())):
        replay, tally = Replay(one, settings.world), Tally(one)
        with opened(url, writes=False) as log, log.connect() as connection:
            start = time.perf_counter()
            for said in replay.through(of_log(connection, one, _no_such)):
                tally.add(said)
            rate = tally.alerts / (time.perf_counter() - start)
        sent = sum(count.commands.total() for count in tally.rules.values())
        asking = sum(bool(rule.asks) for rule in one.rules)
        say(
            f"{name}: {rate:,.0f} alerts/s (limit {LIMIT:,})   {tally.alerts:,} alerts, {sent:,} commands, "
            f"{len(one.rules)} rules, {asking} that ask for other events   ratio {rate / bare:.2f}"
        )
    say(f"reading their messages alone: {bare:,.0f} alerts/s")


def _messages() -> Iterator[bytes]:
    """Bursts as they come: by VOEvent and by GCN, one in three worth acting on; DSA-110's, retracted."""
    for n in range(ALERTS // 4):
        seen = START + timedelta(minutes=n)
        burst = Burst(str(n), seen, 29.5, 65.7, 500.0, 0.99 if n % 3 == 0 else 0.3)
        yield chime_voevent(burst)
        yield chime_notice(burst)
        yield dsa_notice(f"{seen:%y%m%d}{n}", "initial", seen)
        yield dsa_notice(f"{seen:%y%m%d}{n}", "retraction", seen)


async def _fill(url: str, intake: Intake, messages: list[bytes]) -> None:
    """Logs the messages as the relay does, each when its event was."""
    moment = START
    log = Log(url, lambda _: None, lambda: moment)
    try:
        for begin in range(0, len(messages), TOGETHER):
            alerts = [(read(raw), raw) for raw in messages[begin : begin + TOGETHER]]
            moment = alerts[0][0].event_time or moment
            incoming = [Incoming(alert, raw, Arrival({}, None, moment)) for alert, raw in alerts]

            def take(tx: Transaction, incoming: list[Incoming] = incoming) -> object:
                return intake.take(tx, incoming)

            await log.write(take)
    finally:
        log.close()


def _no_such(what: str, why: str) -> None:
    raise RuntimeError(f"{what}: {why}")

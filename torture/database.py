"""The database is away for a minute: SQLite's file is locked by another process."""

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from ovro_alert.demo.processes import wait_for
from tests.support import RunningRelay
from torture.audit import broken_promises
from torture.ground import Ground, Outcome
from torture.load import Ledger, Load

TRIES = "the database is away: another process holds SQLite's lock"
AWAY_S, QUICK_S = 60.0, 12.0
LIMIT_S = 60.0
PATIENCE_S = 9.0  # of a client of today


def run(ground: Ground) -> Outcome:
    """Every write is refused with 503 in time, reads go on, and the same process goes on by itself later."""
    with ground.relay() as relay:
        return without(ground, relay, _locked(relay), {"/lwa": 200, "/healthz": 200, "/readyz": 503})


def without(
    ground: Ground, relay: RunningRelay, away: AbstractContextManager[bool], expected: Mapping[str, int]
) -> Outcome:
    """Load on a relay while its database is `away`, which gives whether a refused write is surely not kept;
    `expected` says how GETs are answered meanwhile."""
    away_s = QUICK_S if ground.quick else AWAY_S
    ledger = Ledger()
    violations: list[str] = []
    with Load(relay.url, relay.key, ledger) as load, relay.client() as client:
        for _ in range(4):
            load.put(wait_s=PATIENCE_S)
        load.post()
        load.follow()
        load.stream()
        wait_for(lambda: ledger.count() > 50, "writes", LIMIT_S)
        with away as refused_is_final:
            end = time.monotonic() + away_s
            while (left := end - time.monotonic()) > 0:
                ground.say(f"away for another {left:.0f} s, {len(ledger.refused)} refused")
                for path, status in expected.items():
                    if (found := client.get(path).status_code) != status:
                        violations.append(f"GET {path} answered {found}, not {status}")
                time.sleep(1.0)
        refused = len(ledger.refused)
        if not refused:
            violations.append("no write heard that the database is away")
        if ledger.unanswered:
            violations.append(f"{ledger.unanswered} PUTs were not answered within {PATIENCE_S:.0f} s")
        before, start = ledger.count(), time.monotonic()
        wait_for(lambda: ledger.count() > before + 50, "writes afterwards", LIMIT_S)
        again_s = time.monotonic() - start
        wait_for(
            lambda: client.get("/readyz").status_code == 200, "the relay's word that it is ready", LIMIT_S
        )
        if not refused_is_final:
            ledger.refused.clear()
        violations += broken_promises(client, load)
    seen = f"{refused} PUTs refused with 503; 50 taken within {again_s:.1f} s afterwards; "
    seen += f"{ledger.count()} acknowledged, all there once"
    return Outcome(f"{away_s:.0f} s", seen, violations)


@contextmanager
def _locked(relay: RunningRelay) -> Iterator[bool]:
    connection = sqlite3.connect(relay.directory / "relay.sqlite", timeout=30, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
        yield True
        connection.execute("ROLLBACK")
    finally:
        connection.close()

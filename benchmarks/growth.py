"""Whether a log of a million commands is any slower than one of a thousand."""

import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import httpx2

from benchmarks.load import request, run
from benchmarks.servers import KEY, Server, serving
from benchmarks.slots import BODY, CONNECTIONS
from ovro_alert.demo.sample_bursts import Burst, chime_voevent
from ovro_alert.link.relay import Relay

SMALL, LARGE = 1_000, 1_000_000
ROUNDS, SECONDS, LOOKS = 5, 1.0, 200
GROW = """
WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < :many)
INSERT INTO entries (id, seq, slot, kind, command, args, command_mjd, state, queued_at, over_at)
SELECT n, n, 'lwa', 'command', 'powerbeam', '{"ra":29.5,"dec":65.7}', 61000.0, 'done', 0, 0 FROM n;
WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < :many)
INSERT INTO feed (n, at, kind, command_id, data) SELECT n, 0, 'queued', n, '{}' FROM n;
INSERT INTO counters (name, value) VALUES ('slot:lwa', :many), ('feed', :many);
"""


def measure(directory: Path, say: Callable[[str], None]) -> None:
    """Says of PUT, following and the event page how they do at a million, beside a thousand."""
    small, large = directory / "small", directory / "large"
    for place, many in ((small, SMALL), (large, LARGE)):
        place.mkdir()
        with serving("relay_api:app", place):
            pass  # makes the schema
        with sqlite3.connect(place / "bench.sqlite") as database:
            for statement in GROW.split(";")[:-1]:
                database.execute(statement, {"many": many})
        database.close()
    with serving("relay_api:app", small) as thousand, serving("relay_api:app", large) as million:
        for name, look in (("PUT /lwa, a second", _put), ("told, ms", _told), ("event page, ms", _page)):
            look(thousand), look(million)  # the first ones build what all others use
            pairs = [(look(thousand), look(million)) for _ in range(ROUNDS)]
            ratio = median(_slower(name, *pair) for pair in pairs)
            few, most = (median(pair[n] for pair in pairs) for n in (0, 1))
            say(f"{name:<18} at {SMALL:,}: {few:.1f}   at {LARGE:,}: {most:.1f}   {ratio:.2f} times as slow")


def _slower(name: str, thousand: float, million: float) -> float:
    return million / thousand if name.endswith("ms") else thousand / million


def _put(server: Server) -> float:
    return run(server.port, request("PUT", "/lwa", KEY, BODY), CONNECTIONS, SECONDS).rate


def _told(server: Server) -> float:
    """From a PUT to the answer of the follower that waited for it."""
    times = []
    with _relay(server) as relay, httpx2.Client(trust_env=False) as http:
        put = f"http://127.0.0.1:{server.port}/lwa"
        after = http.put(put, headers={"X-API-Key": KEY}, content=BODY).json()["seq"]
        for _ in range(LOOKS):
            start = time.perf_counter()
            relay.put("lwa", "bench", {}, 61000.0)
            _, after = relay.commands("lwa", after, 5)
            times.append((time.perf_counter() - start) * 1e3)
    return median(times)


def _page(server: Server) -> float:
    times = []
    burst = Burst("1", datetime.now(UTC) - timedelta(seconds=1), 29.5, 65.7, 500.0, 0.99)
    with _relay(server) as relay:
        event_id = relay.post_alert(chime_voevent(burst), {"via": "bench"}).event_id
        for _ in range(LOOKS):
            start = time.perf_counter()
            relay.event(event_id)
            times.append((time.perf_counter() - start) * 1e3)
    return median(times)


def _relay(server: Server) -> Relay:
    return Relay(f"http://127.0.0.1:{server.port}", KEY)

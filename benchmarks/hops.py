"""From `POST /alerts` to the claim of the client that waits for the command, one alert at a time."""

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from benchmarks.load import Load
from benchmarks.servers import KEY, serving
from ovro_alert.demo.sample_bursts import Burst, chime_voevent
from ovro_alert.link.relay import Relay

ALERTS = 200


def measure(directory: Path, say: Callable[[str], None]) -> None:
    """Says how long it takes from posting an alert to the acknowledged claim of its command."""
    with (
        serving("relay_api:app", directory) as server,
        Relay(f"http://127.0.0.1:{server.port}", KEY) as sender,
        Relay(f"http://127.0.0.1:{server.port}", KEY) as client,
    ):
        claimed: dict[int, float] = {}
        arrived = threading.Condition()

        def follow() -> None:
            after = 0
            while len(claimed) < ALERTS:
                entries, after = client.commands("lwa", after, 5)
                for entry in entries:
                    client.claim(entry.id, "bench", 60)
                    with arrived:
                        claimed[entry.id] = time.perf_counter()
                        arrived.notify()

        follower = threading.Thread(target=follow)
        follower.start()
        to_answer, to_claim = [], []
        for number in range(ALERTS):
            burst = Burst(str(number), datetime.now(UTC) - timedelta(seconds=1), 29.5, 65.7, 500.0, 0.99)
            raw = chime_voevent(burst)
            start = time.perf_counter()
            command = sender.post_alert(raw, {"via": "bench"}).commands[0]
            to_answer.append((time.perf_counter() - start) * 1e3)
            with arrived:
                arrived.wait_for(partial(claimed.__contains__, command), 10)
            to_claim.append((claimed[command] - start) * 1e3)
        follower.join()
    for name, each in (("answered", to_answer), ("claimed", to_claim)):
        load = Load(ALERTS, 1.0, tuple(sorted(each)))
        say(
            f"POST /alerts → {name:<9} p50 {load.percentile(50):.1f} ms   "
            f"p90 {load.percentile(90):.1f} ms   p99 {load.percentile(99):.1f} ms"
        )
    say(f"one small write with fsync on this disk: p50 {_fsync_ms(directory):.1f} ms")


def _fsync_ms(directory: Path) -> float:
    """The floor under every acknowledgement: what the disk takes to keep a page."""
    times = []
    with (directory / "fsync").open("wb", buffering=0) as file:
        for _ in range(100):
            start = time.perf_counter()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            times.append((time.perf_counter() - start) * 1e3)
    return sorted(times)[50]

"""`python -m benchmarks`: every measurement, printed as it is made."""

import os
import platform
import tempfile
from pathlib import Path

from benchmarks import (
    backlog,
    decisions,
    followers,
    growth,
    hops,
    postgres,
    replay,
    slots,
    telescopes,
    transports,
)


def main() -> None:
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for title, measurement in (
        ("The slots: 64 connections, against a bare FastAPI endpoint with the same bodies", slots.measure),
        ("Followers by server-sent events", followers.measure),
        ("A crowd of followers on one slot", followers.crowd),
        ("A log of a million commands beside one of a thousand", growth.measure),
        ("PostgreSQL with many workers", postgres.measure),
        ("An alert's way to the client that waits for its command", hops.measure),
        ("A VOEvent's way from its author, and through two Comets", transports.voevents),
        ("A gravitational wave's way from Kafka", transports.waves),
        ("A command's way to OVRO-LWA's etcd", telescopes.measure),
        ("A backlog in Kafka, by the GCN receiver into the relay's log", backlog.measure),
        ("Decisions by fifty rules, beside reading the messages alone", decisions.measure),
        ("A policy replayed over the log, beside reading the messages alone", replay.measure),
    ):
        print(f"\n{title}", flush=True)
        with tempfile.TemporaryDirectory() as directory:
            measurement(Path(directory), lambda line: print(f"  {line}", flush=True))


if __name__ == "__main__":
    main()

"""Whether a relay has kept its promise: its log beside what its clients were told."""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2

from ovro_alert.demo.processes import Failed, wait_for
from torture.load import SLOT, Ledger, Load

CATCH_UP_S = 60.0


def whole(client: httpx2.Client, slot: str) -> list[dict[str, Any]]:
    """All of a slot's log."""
    entries: list[dict[str, Any]] = []
    after = 0
    while (
        page := client.get(f"/{slot}/commands", params={"after": after}).raise_for_status().json()["commands"]
    ):
        entries += page
        after = page[-1]["seq"]
    return entries


def broken_promises(client: httpx2.Client, load: Load) -> list[str]:
    """Each promise that was broken, in a line; stops the writers and waits until the followers are level."""
    load.stop_writing()
    entries = whole(client, SLOT)
    log = [(entry["seq"], entry["id"]) for entry in entries]
    return [
        *load.ledger.strange,
        *_of_order(log),
        *_of_writers(entries, load.ledger),
        *_of_alerts(entries, whole(client, "flarescope"), load.ledger),
        *(line for name in load.followed for line in _of_follower(name, load.followed[name], log)),
    ]


def _of_order(log: Sequence[tuple[int, int]]) -> Iterator[str]:
    if [seq for seq, _ in log] != list(range(1, len(log) + 1)):
        yield "the slot's numbers have gaps"
    ids = [id for _, id in log]
    if ids != sorted(set(ids)):
        yield "ids are not in the order of the log"


def _of_writers(entries: Sequence[dict[str, Any]], ledger: Ledger) -> Iterator[str]:
    put = [entry for entry in entries if entry["event_id"] is None]
    logged = {entry["command_mjd"]: (entry["id"], entry["seq"]) for entry in put}
    if doubled := len(put) - len(logged):
        yield f"{doubled} PUTs are in the log twice"
    if missing := ledger.acknowledged.keys() - logged.keys():
        yield f"{len(missing)} acknowledged PUTs are not in the log"
    if moved := [mjd for mjd, said in ledger.acknowledged.items() if logged.get(mjd, said) != said]:
        yield f"{len(moved)} PUTs have another id or number than was acknowledged"
    if kept := ledger.refused & logged.keys():
        yield f"{len(kept)} PUTs were refused with 503 and kept"


def _of_alerts(
    entries: Sequence[dict[str, Any]], spoken: Sequence[dict[str, Any]], ledger: Ledger
) -> Iterator[str]:
    asked = Counter(entry["event_id"] for entry in entries if entry["event_id"] is not None)
    said = Counter(entry["event_id"] for entry in spoken)
    if asked != said or set(asked.values()) - {1}:
        yield "an alert and its command are not each in the log once"
    ids = {entry["id"]: entry["event_id"] for entry in entries}
    for receipt in ledger.receipts.values():
        if [ids.get(id) for id in receipt.commands] != [receipt.event_id]:
            yield f"alert {receipt.alert_id} was acknowledged with a command that is not in the log"


def _of_follower(name: str, seen: Sequence[tuple[int, int]], log: Sequence[tuple[int, int]]) -> Iterator[str]:
    try:
        wait_for(lambda: len(seen) >= len(log), f"{name} follower", CATCH_UP_S)
    except Failed:
        yield f"the {name} follower was given {len(seen)} of {len(log)} entries"
    if list(seen) != list(log[: len(seen)]):
        yield f"the {name} follower was not given every entry once and in order"


def damage(database: Path) -> list[str]:
    """What SQLite's own check finds wrong with the file."""
    with closing(sqlite3.connect(database)) as connection:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
    return [] if found == ["ok"] else [f"SQLite's integrity check: {found[0]}"]

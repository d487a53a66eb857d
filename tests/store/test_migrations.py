"""Each revision of the schema, with rows in it, becomes the newest, and the log goes on in it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, Table, insert, inspect, select

from ovro_alert.command import State
from ovro_alert.store import alerts, commands, entries, events, feed, setaside
from ovro_alert.store.engine import migrate, newest_revision, opened, revision
from ovro_alert.store.log import Log

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
AT = 1767323045_000000  # NOW, as the log keeps it
ID = 77 << 32 | 1
SCRIPTS = Config()
SCRIPTS.set_main_option("script_location", "ovro_alert.store:migrations")
REVISIONS = [one.revision for one in ScriptDirectory.from_config(SCRIPTS).walk_revisions()][::-1]

# A row of each table that there ever was, parents first, as an older relay has left it.
ROWS = {
    "counters": [{"name": name, "value": 1} for name in ("entries", "slot:lwa", "tokens")]
    + [{"name": "feed", "value": 2}],
    "events": [
        {"event_id": "S1", "source": "ligo", "summary": "a line", "first_at": AT, "last_at": AT}
        | {"retracted_by": None}
    ],
    "event_names": [{"name": "S1", "event_id": "S1"}, {"name": "S1.1", "event_id": "S1"}],
    "alerts": [
        {"n": 1, "alert_id": "S1.1", "event_id": "S1", "source": "ligo", "role": "observation"}
        | {
            "alert_type": "initial",
            "summary": "a line",
            "body": {"name": "S1", "event_time": "2026-01-02T03:04:05Z"},
            "transport": {"via": "kafka"},
        }
        | {"arrived_at": None, "received_at": AT, "logged_at": AT}
    ],
    "raw": [{"alert_id": "S1.1", "bytes": b"\x00\xffraw"}],
    "decisions": [
        {"n": 1, "alert_id": "S1.1", "rule": "a rule", "verdict": "yes", "reasons": ["why"], "decided_at": AT}
    ],
    "entries": [
        {"id": ID, "seq": 1, "slot": "lwa", "kind": "command", "command": "trigger", "args": {"a": 1.5}}
        | {"command_mjd": 61042.1278, "state": "claimed", "event_id": "S1", "alert_id": "S1.1"}
        | {
            "rule": "a rule",
            "deadline": AT + 60_000_000,
            "queued_at": AT,
            "claimed_at": AT,
            "running_at": None,
        }
        | {"over_at": None, "token": 1, "client": "a", "lease_until": AT + 30_000_000, "detail": None}
    ],
    "feed": [
        {"n": n, "at": AT, "kind": kind, "event_id": "S1", "alert_id": "S1.1", "command_id": id}
        | {"data": {"slot": "lwa"}}
        for n, kind, id in ((1, "logged", None), (2, "queued", ID))
    ],
    "setaside": [
        {"n": 4, "at": AT, "reasons": ["no"], "format": None, "transport": {}, "size": 1, "bytes": b"?"}
    ],
    "keys": [
        {"id": "abcdefghij", "name": "me", "hash": b"\x01", "scopes": ["admin"], "made_at": AT}
        | {"last_used": None, "revoked_at": None, "expires_at": None}
    ],
    "idempotency": [
        {"holder": "me", "key": "k", "fingerprint": b"\x02", "entry_id": ID, "at": AT},
    ],
    "sources": [
        {"source": "igwn.gwalert", "watched_at": AT, "reported_at": AT, "transport": "kafka", "reporter": "a"}
        | {"connected": True, "since": AT, "trouble": "", "heard_at": AT, "expected_at": None}
        | {"behind": 3, "waiting": None, "deaf_at": AT}
    ],
    "known_sources": [
        {"n": 1, "catalogue": "mine", "name": "FRB A", "ra": 1.5, "dec": -2.5, "dm": None, "error_deg": 0.1}
        | {"repeats": True, "imported_at": AT}
    ],
}


def content(url):
    with opened(url, writes=False) as engine, engine.connect() as connection:
        names = [name for name in inspect(connection).get_table_names() if name != "alembic_version"]
        reflected = MetaData()
        return {
            name: sorted(
                (dict(row) for row in connection.execute(select(table)).mappings()), key=lambda row: str(row)
            )
            for name in names
            for table in [Table(name, reflected, autoload_with=connection)]
        }


def fill(url):
    with opened(url, writes=True) as engine, engine.begin() as connection:
        there = set(inspect(connection).get_table_names())
        reflected = MetaData()
        assert there - {"alembic_version"} <= ROWS.keys(), "a new table needs rows here"
        for name in ROWS.keys() & there:
            Table(name, reflected, autoload_with=connection)
        for table in reflected.sorted_tables:
            connection.execute(insert(table), ROWS[table.name])


@pytest.mark.parametrize("before", REVISIONS)
def test_rows_of_an_older_revision_are_all_there_in_the_newest(database_urls, before):
    url = next(database_urls)
    migrate(url, before)
    assert revision(url) == before
    fill(url)
    old = content(url)
    migrate(url)
    assert revision(url) == newest_revision()
    new = content(url)
    for name, rows in old.items():
        assert [{key: row[key] for key in rows[0]} for row in new[name]] == rows, name


@pytest.mark.parametrize("before", REVISIONS)
def test_a_log_of_an_older_revision_goes_on(database_urls, before):
    url = next(database_urls)
    migrate(url, before)
    fill(url)
    log = Log(url, lambda _: None, lambda: NOW + timedelta(seconds=10))

    async def go_on():
        event = await log.read(lambda c: events.whole(c, "S1.1"))
        assert [one["reasons"] for one in event["decisions"]] == [["why"]]
        assert event["alerts"][0]["received_at"] == NOW
        assert await log.read(lambda c: alerts.content(c, "S1.1")) == b"\x00\xffraw"
        (old,) = await log.read(lambda c: entries.after(c, "lwa", 0, 10))
        assert (old.id, old.args, old.deadline) == (ID, {"a": 1.5}, NOW + timedelta(seconds=60))
        done = await log.write(lambda tx: commands.report(tx, ID, 1, State.DONE, None))
        assert done.state is State.DONE
        new = entries.NewEntry("lwa", old.kind, "trigger", {}, 1.0)
        assert (await log.write(lambda tx: entries.append(tx, new))).seq == 2
        assert [one["n"] for one in await log.read(lambda c: feed.after(c, 0, 10))] == [1, 2, 3, 4]
        assert await log.write(lambda tx: setaside.append(tx, b"?", 1, ["no"], None, {}))

    try:
        asyncio.run(go_on())
    finally:
        log.close()


def test_an_empty_database_has_no_revision(database_urls):
    url = next(database_urls)
    assert revision(url) is None
    migrate(url)
    assert revision(url) == newest_revision() == REVISIONS[-1]

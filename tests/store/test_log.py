"""The log's promises: in order, on disk when acknowledged, all of a write or nothing."""

import asyncio
import sqlite3
import threading
from functools import partial

import pytest
from sqlalchemy import create_engine, inspect, text

from ovro_alert.command import Kind, State
from ovro_alert.store import entries, feed
from ovro_alert.store.engine import migrate
from ovro_alert.store.log import Unavailable
from ovro_alert.store.schema import metadata
from support import until


def put(tx, slot="lwa", command="powerbeam", **more):
    return entries.append(tx, entries.NewEntry(slot, Kind.COMMAND, command, {}, 61000.5, **more))


def test_the_migrations_make_the_tables_that_the_code_uses(database_urls):
    url = next(database_urls)
    migrate(url)
    migrate(url)  # a second start finds nothing to do
    engine = create_engine(url)
    made = inspect(engine)
    for table in metadata.sorted_tables:
        columns = {column["name"]: column["nullable"] for column in made.get_columns(table.name)}
        assert columns == {column.name: column.nullable for column in table.columns}, table.name
        indexes = {tuple(index["column_names"]) for index in made.get_indexes(table.name)}
        unique = {tuple(one["column_names"]) for one in made.get_unique_constraints(table.name)}
        # PostgreSQL keeps a unique constraint as an index and lists it among them.
        assert indexes - unique == {tuple(column.name for column in index.columns) for index in table.indexes}
    engine.dispose()


def test_entries_are_numbered_in_order_by_slot_without_gaps(bench):
    many = [partial(put, slot=slot) for slot in ("lwa", "dsa", "lwa") * 50]
    written = bench.write(*many)
    for slot, count in (("lwa", 100), ("dsa", 50)):
        assert [one.seq for one in written if one.slot == slot] == list(range(1, count + 1))
        assert [one.seq for one in bench.read(lambda c, s=slot: entries.after(c, s, 0, 1000))] == list(
            range(1, count + 1)
        )
    assert len({one.id for one in written}) == 150


async def while_the_writer_is_busy(bench, writes):
    """The results of writes that all wait while the one before them is written."""
    all_wait = threading.Event()
    busy = asyncio.ensure_future(bench.log.write(lambda tx: all_wait.wait(30)))
    waiting = [asyncio.ensure_future(write) for write in writes]
    await asyncio.sleep(0)  # each of them is put where the writer will find it
    all_wait.set()
    await busy
    return await asyncio.gather(*waiting)


def test_writes_that_wait_together_share_a_commit_and_wake_their_followers(bench):
    asyncio.run(while_the_writer_is_busy(bench, [bench.log.write(put) for _ in range(200)]))
    assert len(bench.woken) <= 2
    until(lambda: set().union(*bench.woken) == {"lwa", "feed"})  # who waits is answered first


def test_a_write_that_fails_leaves_nothing_and_spoils_no_other(bench):
    def spoilt(tx):
        put(tx)
        raise ValueError("not this one")

    before, failed, after = bench.write(put, spoilt, put)
    assert isinstance(failed, ValueError)
    assert [before.seq, after.seq] == [1, 2]
    assert len(bench.read(lambda c: entries.after(c, "lwa", 0, 10))) == 2
    assert len(bench.read(lambda c: feed.after(c, 0, 10))) == 2


def test_what_was_acknowledged_is_there_after_a_restart(bench):
    entry = bench.do(put)
    bench.reopen()
    assert bench.read(lambda c: entries.newest(c, "lwa")) == entry
    assert bench.do(put).seq == 2


def test_a_new_log_gives_no_id_of_an_older_one(new_bench):
    first, second = new_bench().do(put).id, new_bench().do(put).id
    assert first != second
    assert 0 < first < 2**53  # a double keeps it


def test_a_database_that_refuses_is_an_error_and_no_acknowledgement(sqlite_bench, tmp_path):
    bench = sqlite_bench
    bench.do(put)
    with sqlite3.connect(tmp_path / "log0.sqlite") as other:
        other.execute(
            "CREATE TRIGGER full BEFORE INSERT ON feed BEGIN SELECT RAISE(ROLLBACK, 'disk full'); END"
        )
    assert all(isinstance(one, Exception) for one in bench.write(put, put))
    with sqlite3.connect(tmp_path / "log0.sqlite") as other:
        other.execute("DROP TRIGGER full")
    assert bench.do(put).seq == 2


def test_an_error_of_the_database_itself_is_unavailable_not_a_crash(bench):
    def refuse(tx):
        tx.connection.exec_driver_sql("SELECT * FROM no_such_table")

    (answer,) = bench.write(refuse)
    assert isinstance(answer, Unavailable)
    assert bench.do(put).seq == 1


def test_the_disk_is_synced_at_every_commit(sqlite_bench):
    with sqlite_bench.log._writing.connect() as connection:
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2  # FULL
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"


def test_a_log_in_memory_is_refused():
    with pytest.raises(ValueError, match="OVRO_ALERT_DATABASE_URL"):
        migrate("sqlite://")


def test_the_feed_tells_of_a_queued_command(bench):
    entry = bench.do(partial(put, rule="a rule"))
    (told,) = bench.read(lambda c: feed.after(c, 0, 10))
    assert (told["n"], told["kind"], told["command_id"], told["at"]) == (1, "queued", entry.id, bench.now)
    assert told["data"] == {
        "slot": "lwa",
        "seq": 1,
        "command": "powerbeam",
        "args": {},
        "deadline": None,
        "rule": "a rule",
        "margin_s": None,
        "priority": 0,
    }
    assert entry.state is State.QUEUED


def test_writes_of_a_kind_that_wait_together_are_one_and_keep_their_order(bench):
    calls = []

    def many(tx, items):
        calls.append(len(items))
        return [entry.seq for entry in entries.append_many(tx, items)]

    new = [entries.NewEntry("lwa", Kind.COMMAND, "c", {}, float(n)) for n in range(300)]
    writes = [bench.log.write_with_others(many, one) for one in new]
    assert asyncio.run(while_the_writer_is_busy(bench, writes)) == list(range(1, 301))
    assert sum(calls) == 300
    assert len(calls) <= 3
    logged = bench.read(lambda c: entries.after(c, "lwa", 0, 1000))
    assert [entry.command_mjd for entry in logged] == list(range(300))


def test_what_was_peeked_at_holds_until_anybody_commits(sqlite_bench, tmp_path):
    bench = sqlite_bench

    def newest():
        return asyncio.run(bench.log.peek("key", lambda c: entries.newest(c, "lwa")))

    assert newest() is None
    first = bench.do(put)
    assert newest() == first
    assert newest() is newest()
    with sqlite3.connect(tmp_path / "log0.sqlite") as another_process:
        another_process.execute("UPDATE entries SET command = 'changed'")
    assert newest().command == "changed"

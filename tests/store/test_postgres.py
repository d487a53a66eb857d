"""What the log promises on PostgreSQL beyond one process: several on one database, a server that goes away.

Two logs on one database stand for two workers; what each hears of the other goes through the server.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import create_engine, make_url, text

from ovro_alert.command import Kind
from ovro_alert.store import entries, feed, postgres
from ovro_alert.store.engine import make_engine
from ovro_alert.store.log import Unavailable
from support import until

CLIENTS = 2


def put(tx, slot="lwa", command="c"):
    return entries.append(tx, entries.NewEntry(slot, Kind.COMMAND, command, {}, 61000.5))


def heard(bench):
    return set().union(*bench.woken)


@pytest.fixture
def url(postgres_urls):
    return next(postgres_urls)


@pytest.fixture
def workers(url, open_bench):
    return [open_bench(url) for _ in range(CLIENTS)]


@pytest.fixture
def only_notifications(monkeypatch):
    """Nobody looks by himself within the time of a test."""
    monkeypatch.setattr(postgres, "HEARTBEAT_S", 1000.0)


@contextmanager
def administrator(url, database="postgres"):
    engine = create_engine(make_url(url).set(database=database), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_workers_give_numbers_without_gaps_and_no_follower_sees_one(workers):
    count = 400

    async def write(bench):
        await asyncio.gather(*(bench.log.write(put) for _ in range(count)))

    def follow(read):
        """Reads on while the others write; what it has seen is never filled in later."""
        seen = []
        while len(seen) < CLIENTS * count:
            seen += read(len(seen))
            assert seen == list(range(1, len(seen) + 1))

    def slot(after):
        return [one.seq for one in workers[0].read(lambda c: entries.after(c, "lwa", after, 200))]

    def everything(after):
        return [one["n"] for one in workers[1].read(lambda c: feed.after(c, after, 200))]

    with ThreadPoolExecutor() as pool:
        followers = [pool.submit(follow, slot), pool.submit(follow, everything)]
        writers = [pool.submit(asyncio.run, write(bench)) for bench in workers]
        for future in writers + followers:
            future.result(50)


def test_a_commit_of_one_worker_wakes_the_others_and_itself_once(workers, only_notifications):
    here, there = workers
    here.do(put)
    until(lambda: heard(there) == {"lwa", "feed"}, what="the commit of another worker")
    there.do(lambda tx: put(tx, "dsa"))
    until(lambda: "dsa" in heard(here))
    # Notifications come in the order of the commits: its own would have come before.
    assert here.woken == [{"lwa", "feed"}, {"dsa", "feed"}]


def test_a_write_that_fails_wakes_nobody(workers, only_notifications):
    def spoilt(tx):
        put(tx, "spoilt")
        raise ValueError("not this one")

    here, there = workers
    here.write(spoilt)
    here.do(put)
    until(lambda: "lwa" in heard(there))
    assert "spoilt" not in heard(there)


def test_more_topics_than_a_notification_holds_are_all_told(workers, only_notifications):
    slots = {f"{'s' * 90}{n}" for n in range(300)}
    here, there = workers
    here.write(lambda tx: [tx.changed.add(slot) for slot in slots])
    until(lambda: heard(there) == slots)


def test_what_was_committed_while_nothing_could_be_heard_is_told_afterwards(
    url, workers, only_notifications, monkeypatch
):
    monkeypatch.setattr(postgres, "BACKOFF_S", (0.05, 0.1))
    here, there = workers
    here.do(put)
    until(lambda: heard(there) == {"lwa", "feed"})
    name = make_url(url).database
    with administrator(url) as admin:
        admin.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        listeners = text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = :name AND (query LIKE 'LISTEN%' OR query LIKE '%counters%')"
            " AND pid <> pg_backend_pid() AND wait_event = 'ClientRead' AND state = 'idle'"
        )
        assert len(admin.execute(listeners, {"name": name}).all()) == CLIENTS
        there.woken.clear()
        here.do(lambda tx: put(tx, "dsa"))
        admin.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    until(lambda: heard(there) >= {"dsa", "feed"})


def test_an_error_of_the_disk_is_of_the_whole_batch_and_one_of_the_text_only_of_its_own(url, open_bench):
    bench = open_bench(url)
    good, bad, also_good = bench.write(put, lambda tx: put(tx, command="c" * 201), put)
    assert [good.seq, also_good.seq] == [1, 2]
    assert isinstance(bad, Exception)
    assert not isinstance(bad, Unavailable)
    with administrator(url, make_url(url).database) as admin:
        admin.exec_driver_sql(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE 'no space left' USING ERRCODE = 'disk_full'; END $$"
        )
        admin.exec_driver_sql("CREATE TRIGGER full_disk BEFORE INSERT ON feed EXECUTE FUNCTION full_disk()")
        assert all(isinstance(one, Unavailable) for one in bench.write(put, put))
        admin.exec_driver_sql("DROP TRIGGER full_disk ON feed")
    assert bench.do(put).seq == 3


def test_what_is_acknowledged_is_on_disk_whatever_the_database_was_told(url, open_bench):
    bench = open_bench(url)
    with administrator(url) as admin:
        admin.exec_driver_sql(f"ALTER DATABASE {make_url(url).database} SET synchronous_commit = off")
    said = bench.do(lambda tx: tx.connection.execute(text("SHOW synchronous_commit")).scalar())
    assert said == "on"


def test_the_address_has_the_last_word_on_its_sessions(url, open_bench):
    said = make_url(url).update_query_dict({"options": "-c lock_timeout=3s", "application_name": "told"})
    bench = open_bench(said.render_as_string(hide_password=False))
    show = text("SELECT current_setting('lock_timeout'), current_setting('application_name')")
    assert bench.do(lambda tx: tx.connection.execute(show).one()) == ("3s", "told")


def test_a_reader_sees_one_moment_and_cannot_write(url, open_bench):
    bench = open_bench(url)
    bench.do(put)

    def look(connection):
        before = len(entries.after(connection, "lwa", 0, 10))
        bench.do(put)
        return before, len(entries.after(connection, "lwa", 0, 10))

    assert bench.read(look) == (1, 1)
    with pytest.raises(Unavailable, match="read-only"):
        bench.read(lambda connection: connection.execute(text("DELETE FROM feed")))


def test_a_plain_address_means_the_driver_that_comes_with_ovro_alert():
    for url in ("postgresql://ovro@127.0.0.1/alerts", "postgresql+psycopg://ovro@127.0.0.1/alerts"):
        assert make_engine(url, writes=True).dialect.driver == "psycopg"
    with pytest.raises(ValueError, match="SQLite or by PostgreSQL"):
        make_engine("mysql://ovro@127.0.0.1/alerts", writes=True)


def test_while_the_server_is_away_nothing_is_acknowledged_and_then_all_goes_on(postgres_server, open_bench):
    here, there = open_bench(postgres_server.url), open_bench(postgres_server.url)
    assert here.do(put).seq == 1
    postgres_server.stop()
    for bench in (here, there):
        assert [type(answer) for answer in bench.write(put, put)] == [Unavailable] * 2
        with pytest.raises(Unavailable):
            bench.read(lambda c: entries.newest(c, "lwa"))
    postgres_server.start()
    assert here.do(put).seq == 2  # the first try
    assert there.read(lambda c: entries.newest(c, "lwa")).seq == 2
    there.woken.clear()
    until(lambda: (here.do(lambda tx: put(tx, "dsa")), "dsa" in heard(there))[1])


def test_what_was_acknowledged_survives_a_crash_of_the_server(postgres_server, open_bench):
    bench = open_bench(postgres_server.url)
    acknowledged = []

    async def write():
        while True:
            try:
                acknowledged.append((await bench.log.write(put)).seq)
            except Unavailable:
                return

    async def writers():
        await asyncio.gather(*(write() for _ in range(20)))

    for _ in range(3):
        before = len(acknowledged)
        with ThreadPoolExecutor() as pool:
            done = pool.submit(asyncio.run, writers())
            until(lambda before=before: len(acknowledged) > before + 100)
            postgres_server.crash()
            done.result(30)
        postgres_server.start()
    logged = [one.seq for one in bench.read(lambda c: entries.after(c, "lwa", 0, 100_000))]
    assert logged == list(range(1, len(logged) + 1))
    assert set(acknowledged) <= set(logged)
    assert len(set(acknowledged)) == len(acknowledged)

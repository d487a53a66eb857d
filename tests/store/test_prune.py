"""What is old goes, a little at a time; what led to a command, and every number, stays."""

from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import event, func, select

from ovro_alert.alert import Alert, AlertType, Role
from ovro_alert.command import Kind
from ovro_alert.hearing import Report
from ovro_alert.store import alerts, entries, events, feed, idempotency, prune, setaside, sources
from ovro_alert.store.alerts import Arrival, NewAlert, Verdict
from ovro_alert.store.engine import opened
from ovro_alert.store.entries import NewEntry
from ovro_alert.store.schema import metadata

DAY = 86400


def say(bench, name, version=1, slot="chime", asks=()):
    """An alert of an event, with its entry in its sender's slot, and the commands that it asks for."""
    alert = Alert(
        alert_id=f"{name}.{version}",
        event_id=name,
        source=slot,
        role=Role.OBSERVATION,
        alert_type=AlertType.INITIAL if version == 1 else AlertType.UPDATE,
    )

    def take(tx):
        (found,) = events.find(tx, [alert])
        event_id = found.event_id
        events.note(tx, [(found, alert, "a line")])
        said = [Verdict("a rule", "yes" if asks else "no", ["why"])]
        arrival = Arrival({}, None, tx.now)
        alerts.append_many(tx, [NewAlert(alert, event_id, "a line", b"raw " + name.encode(), arrival, said)])
        new = partial(NewEntry, args={}, command_mjd=1.0, event_id=event_id, alert_id=alert.alert_id)
        word = "observation" if version == 1 else "update"
        entries.append(tx, new(slot, Kind.EVENT, word))
        return [entries.append(tx, new(each, Kind.COMMAND, "powerbeam")).id for each in asks]

    return bench.do(take)


def put(bench, slot, kind, command="c", key=None):
    new = NewEntry(slot, kind, command, {}, 1.0)
    job = partial(entries.append, new=new)
    return bench.do(job if key is None else idempotency.only_once(idempotency.once("", key, slot, b""), job))


def rows(bench):
    """How many rows each table has."""

    def count(connection):
        return Counter(
            {
                table.name: connection.scalar(select(func.count()).select_from(table))
                for table in metadata.sorted_tables
            }
        )

    return bench.read(count)


@pytest.fixture
def pruned(bench):
    """Prunes what is older than so many days; gives what each transaction removed."""

    def run(days):
        with ExitStack() as stack:
            reading = stack.enter_context(opened(bench.url, writes=False))
            writing = stack.enter_context(opened(bench.url, writes=True))
            before = bench.now - timedelta(days=days)
            foretold = prune.count(reading, before)
            taken = list(prune.prune(reading, writing, before))
        assert sum(taken, Counter()) == foretold
        return taken

    return run


def aside(bench):
    return bench.do(lambda tx: setaside.append(tx, b"?", 1, ["no format"], None, {}))


def test_what_led_to_nothing_goes_and_what_led_to_a_command_stays_whole(bench, pruned):
    (command,) = say(bench, "acted on", asks=["lwa"])
    say(bench, "acted on", 2)
    say(bench, "not acted on")
    say(bench, "spoken of since")
    put(bench, "lwa", Kind.COMMAND)  # or its own would stay for being the newest
    bench.later(100 * DAY)
    say(bench, "spoken of since", 2)
    before = rows(bench)
    removed = sum(pruned(90), Counter())
    assert removed == {
        "events": 1,
        "event_names": 2,  # its own and its alert's
        "alerts": 1,
        "raw": 1,
        "decisions": 1,
        "entries": 1,
        "feed": 2,  # logged, decided
    }
    assert before - rows(bench) == removed
    assert bench.read(lambda c: events.whole(c, "not acted on")) is None
    assert bench.read(lambda c: alerts.content(c, "not acted on.1")) is None
    acted_on = bench.read(lambda c: events.whole(c, "acted on"))
    assert [one["alert_id"] for one in acted_on["alerts"]] == ["acted on.1", "acted on.2"]
    assert len(acted_on["decisions"]) == 2
    assert [one["id"] for one in acted_on["commands"]] == [command]
    assert bench.read(lambda c: alerts.content(c, "acted on.1")) == b"raw acted on"
    assert len(bench.read(lambda c: events.whole(c, "spoken of since"))["alerts"]) == 2
    assert [one.seq for one in bench.read(lambda c: entries.after(c, "chime", 0, 10))] == [1, 2, 4, 5]
    assert pruned(90) == []


def test_bare_commands_stay_and_bare_words_go_but_for_the_newest_of_each_slot(bench, pruned):
    for _ in range(3):
        put(bench, "lwa", Kind.COMMAND)
        put(bench, "dsa", Kind.EVENT)
    put(bench, "dsa", Kind.COMMAND)
    put(bench, "chime", Kind.EVENT, "hello")
    put(bench, "chime", Kind.EVENT, AlertType.UPDATE)  # no news to clients of today: they are told of hello
    bench.later(100 * DAY)
    assert sum(pruned(90), Counter()) == {"entries": 3}
    left = {
        slot: bench.read(lambda c, s=slot: entries.after(c, s, 0, 10)) for slot in ("lwa", "dsa", "chime")
    }
    assert {slot: [one.seq for one in its] for slot, its in left.items()} == {
        "lwa": [1, 2, 3],
        "dsa": [4],
        "chime": [1, 2],
    }
    assert bench.read(lambda c: entries.newest(c, "chime")).command == "hello"


def test_no_number_is_given_twice_and_followers_go_on(bench, pruned):
    for n in range(5):
        say(bench, f"event {n}")
        aside(bench)
    last_n = bench.read(lambda c: feed.after(c, 0, 1000))[-1]["n"]
    bench.later(100 * DAY)
    pruned(90)
    assert [one.seq for one in bench.read(lambda c: entries.after(c, "chime", 0, 10))] == [5]
    assert aside(bench) == 6
    assert put(bench, "chime", Kind.EVENT).seq == 6
    assert [one.seq for one in bench.read(lambda c: entries.after(c, "chime", 3, 10))] == [5, 6]
    assert [one["n"] for one in bench.read(lambda c: feed.after(c, last_n - 1, 10))] == [last_n + 1]


def test_a_key_never_outlives_its_entry(bench, pruned):
    first = put(bench, "chime", Kind.EVENT, key="a")
    put(bench, "chime", Kind.EVENT)
    bench.later(2 * DAY)
    assert sum(pruned(1), Counter()) == {"entries": 1, "idempotency": 1}
    again = put(bench, "chime", Kind.EVENT, key="a")
    assert (first.seq, again.seq) == (1, 3)


def test_a_long_past_goes_in_small_transactions(bench, pruned):
    many = 2 * prune.PAGE + 7
    news = [NewEntry("casm", Kind.EVENT, "hello", {}, 1.0)] * many
    bench.do(lambda tx: entries.append_many(tx, news))
    for n in range(prune.PAGE + 2):
        say(bench, f"event {n}")
    bench.do(lambda tx: [setaside.append(tx, b"?", 1, ["no"], None, {}) for _ in range(many)])
    bench.later(100 * DAY)
    taken = pruned(90)
    total = sum(taken, Counter())
    assert (total["entries"], total["events"], total["setaside"]) == (
        many - 1 + prune.PAGE + 1,
        prune.PAGE + 1,
        many - 1,
    )
    assert max(max(each.values()) for each in taken) <= 2 * prune.PAGE  # two rows of the feed an event


def test_an_event_that_leads_to_a_command_meanwhile_is_spared(bench):
    for name in ("one", "other", "newest"):
        say(bench, name)
    bench.later(100 * DAY)
    with opened(bench.url, writes=False) as reading, opened(bench.url, writes=True) as writing:

        def just_before_the_lock_is_taken(*_):
            say(bench, "one", 2, asks=["lwa"])

        event.listen(writing, "checkout", just_before_the_lock_is_taken, once=True)
        taken = list(prune.prune(reading, writing, bench.now - timedelta(days=90)))
    assert [each["events"] for each in taken] == [1]
    assert bench.read(lambda c: events.whole(c, "other")) is None
    assert len(bench.read(lambda c: events.whole(c, "one"))["alerts"]) == 2


def test_old_news_of_sources_goes_and_the_sources_stay(bench, pruned):
    said = Report(transport="kafka", reporter="host", connected=True, since_s=0)
    bench.do(lambda tx: sources.report(tx, "gcn.heartbeat", said))
    (source,) = bench.read(sources.listed)
    bench.do(lambda tx: sources.turn(tx, source, True, "no message"))
    bench.later(2 * DAY)
    bench.do(lambda tx: sources.turn(tx, source, False, ""))
    assert sum(pruned(1), Counter()) == {"feed": 1}
    assert rows(bench)["sources"] == 1
    assert [one["kind"] for one in bench.read(lambda c: feed.after(c, 0, 10))] == ["hears"]

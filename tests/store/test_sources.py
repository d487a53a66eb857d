"""How sources are heard, in the log: the last word of each receiver, and what others before it have heard."""

from datetime import timedelta
from functools import partial

import pytest

from ovro_alert.hearing import Report, Source
from ovro_alert.store import feed, sources

KAFKA = Report(
    transport="kafka", reporter="host a", connected=True, since_s=60, heard_s=5, expected_s=7, behind=2
)


def report(bench, said=KAFKA, name="igwn.gwalert"):
    bench.do(partial(sources.report, name=name, said=said))


def only(bench):
    (source,) = bench.read(sources.listed)
    return source


def ago(bench, seconds):
    return bench.now - timedelta(seconds=seconds)


def test_ages_are_counted_back_from_the_relays_own_clock(bench):
    report(bench)
    assert only(bench) == Source(
        source="igwn.gwalert",
        watched_at=bench.now,
        reported_at=bench.now,
        transport="kafka",
        reporter="host a",
        connected=True,
        since=ago(bench, 60),
        heard_at=ago(bench, 5),
        expected_at=ago(bench, 7),
        behind=2,
    )


def test_a_receiver_that_starts_anew_has_not_unheard_what_the_one_before_heard(bench):
    report(bench)
    heard, expected, first = ago(bench, 5), ago(bench, 7), bench.now
    bench.later(100)
    new = Report(transport="kafka", reporter="host b", connected=False, since_s=1, why="not connected yet")
    report(bench, new)
    source = only(bench)
    assert (source.heard_at, source.expected_at, source.watched_at) == (heard, expected, first)
    assert (source.connected, source.trouble, source.behind) == (False, "not connected yet", None)
    assert (source.reporter, source.reported_at, source.since) == ("host b", bench.now, ago(bench, 1))


def test_sources_stay_over_a_restart_and_are_listed_by_name(bench):
    for name in ("gcn.heartbeat", "chime.voevent"):
        report(bench, name=name)
    before = bench.read(sources.listed)
    bench.reopen()
    assert bench.read(sources.listed) == before
    assert [one.source for one in before] == ["chime.voevent", "gcn.heartbeat"]


def test_what_is_expected_is_waited_for_from_the_first_time_on(bench):
    report(bench)
    bench.later(10)
    first = bench.now
    bench.do(partial(sources.expect, names={"gcn.heartbeat", "igwn.gwalert"}))
    bench.later(10)
    bench.do(partial(sources.expect, names={"gcn.heartbeat"}))
    heartbeat, gwalert = bench.read(sources.listed)
    assert heartbeat == Source("gcn.heartbeat", first)
    assert gwalert.reported_at is not None


def test_a_turn_is_told_in_the_feed_with_the_moment_that_it_became_deaf(bench):
    report(bench)
    bench.woken.clear()
    bench.do(lambda tx: sources.turn(tx, only(bench), True, "no message for 3 h"))
    deaf_at = bench.now
    assert only(bench).deaf_at == deaf_at
    bench.later(60)
    report(bench)
    assert only(bench).deaf_at == deaf_at
    bench.do(lambda tx: sources.turn(tx, only(bench), False, ""))
    assert only(bench).deaf_at is None
    told = bench.read(lambda connection: feed.after(connection, 0, 10))
    since = deaf_at.isoformat().replace("+00:00", "Z")
    assert [(one["kind"], one["data"]) for one in told] == [
        ("deaf", {"source": "igwn.gwalert", "why": "no message for 3 h", "deaf_at": since}),
        ("hears", {"source": "igwn.gwalert", "why": "", "deaf_at": since}),
    ]
    assert bench.woken == [{"feed"}, {"feed"}]


def test_a_source_may_be_forgotten_and_comes_back(bench):
    report(bench)
    assert bench.do(partial(sources.forget, name="igwn.gwalert"))
    assert not bench.do(partial(sources.forget, name="igwn.gwalert"))
    assert bench.read(sources.listed) == []
    report(bench)
    assert only(bench).source == "igwn.gwalert"


def test_there_is_an_end_to_how_many_are_kept(bench):
    bench.do(partial(sources.expect, names={f"s{n}" for n in range(sources.MOST)}))
    with pytest.raises(sources.TooMany):
        report(bench, name="one.more")
    report(bench, name="s1")

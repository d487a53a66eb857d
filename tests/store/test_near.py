"""Alerts of other events near in time."""

from datetime import UTC, datetime, timedelta

import pytest

from ovro_alert.alert import Alert, FastRadioBurst
from ovro_alert.store import alerts, events
from ovro_alert.store.near import is_any_near, near, times

THEN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def an_alert(event_id, seconds=0.0, n=0, **about):
    given = {"alert_id": f"{event_id}.{n}", "event_id": event_id, "source": "dsa", "role": "observation"}
    given |= {"alert_type": "initial", "frb": FastRadioBurst(dm=100.0)}
    at = None if seconds is None else THEN + timedelta(seconds=seconds)
    return Alert.model_validate(given | {"event_time": at} | about)


def log(bench, *logged):
    def job(tx):
        for alert in logged:
            (found,) = events.find(tx, [alert])
            events.note(tx, [(found, alert, "a line")])
            arrival = alerts.Arrival({}, None, tx.now)
            alerts.append_many(tx, [alerts.NewAlert(alert, found.event_id, "a line", b"raw", arrival, [])])

    bench.do(job)


def found(bench, seconds=10, speakers=None, own="own", moment=THEN):
    which = {"but": own, "speakers": speakers}
    alerts = [one.alert for one in bench.read(lambda c: near(c, [moment], seconds, **which))]
    assert bench.read(lambda c: is_any_near(c, [moment], seconds, **which)) == bool(alerts)
    return alerts


def test_alerts_of_other_events_are_found_within_the_window_the_newest_first(bench):
    early, late = an_alert("dsa-1", -10), an_alert("dsa-2", 10)
    update = an_alert("dsa-1", 3.25, n=1, alert_type="update")
    log(bench, early, late, an_alert("dsa-3", 10.000001), an_alert("dsa-4", -10.000001), update)
    log(bench, an_alert("own", 1), an_alert("dsa-5", None))
    assert found(bench) == [update, late, early]
    assert found(bench, own="dsa-1") == [an_alert("own", 1), late]
    assert sorted(bench.read(lambda c: times(c, "dsa-1"))) == [early.event_time, update.event_time]
    assert bench.read(lambda c: times(c, "dsa-5")) == []


def test_of_several_moments_all_between_them_is_near(bench):
    logged = [an_alert(f"dsa-{n}", n) for n in range(-30, 31, 10)]
    log(bench, *logged)
    moments = [THEN - timedelta(seconds=5), THEN + timedelta(seconds=14)]
    found = bench.read(lambda c: near(c, moments, 6))
    assert [one.alert for one in found] == logged[2:6][::-1]


def test_what_was_retracted_is_not(bench):
    log(bench, an_alert("dsa-1"), an_alert("dsa-2"), an_alert("dsa-1", n=1, alert_type="retraction"))
    assert found(bench) == [an_alert("dsa-2")]


def test_a_retraction_that_came_first_is_no_sighting(bench):
    log(bench, an_alert("dsa-1", alert_type="retraction"))
    assert found(bench) == []


@pytest.mark.parametrize(
    ("speakers", "which"), [({"dsa"}, [0]), ({"gcn"}, [1, 2]), ({"swift"}, [1]), ({"fermi", "dsa"}, [0, 2])]
)
def test_they_are_found_by_source_or_mission(bench, speakers, which):
    spoken = [
        an_alert("dsa-1"),
        an_alert("swift-1", source="gcn", mission="Swift"),
        an_alert("fermi-1", source="gcn", mission="Fermi"),
        an_alert("ligo-1", source="ligo"),
    ]
    log(bench, *spoken)
    assert found(bench, speakers=speakers) == [spoken[n] for n in sorted(which, reverse=True)]


def test_at_the_ends_of_time_a_window_is_as_long_as_time_is(bench):
    first = an_alert("dsa-1", event_time=datetime(1, 1, 1, tzinfo=UTC))
    last = an_alert("dsa-2", event_time=datetime.max.replace(tzinfo=UTC))
    log(bench, first, last)
    assert found(bench, moment=first.event_time) == [first]
    assert found(bench, moment=last.event_time) == [last]


def test_what_cannot_be_read_any_more_is_passed_over(bench):
    log(bench, an_alert("dsa-1"), an_alert("dsa-2"))
    change = alerts.alerts.update().where(alerts.alerts.c.alert_id == "dsa-1.0").values(body={"of": "old"})
    bench.do(lambda tx: tx.connection.execute(change))
    assert found(bench) == [an_alert("dsa-2")]

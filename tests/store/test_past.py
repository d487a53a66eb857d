"""What the log gives to be gone through again: the alerts of a time, and those before that bear on them."""

from datetime import UTC, datetime, timedelta

import pytest

from ovro_alert.alert import Alert
from ovro_alert.command import Kind
from ovro_alert.store import alerts, entries, events
from ovro_alert.store.past import logged_at, spoken_of

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


def log(tx, number, event):
    """Logs an alert of an event, and a command for it."""
    alert = Alert(
        alert_id=f"a{number}", event_id=event, source="gcn", role="observation", alert_type="initial"
    )
    (found,) = events.find(tx, [alert])
    events.note(tx, [(found, alert, "")])
    arrival = alerts.Arrival({}, None, tx.now)
    alerts.append_many(tx, [alerts.NewAlert(alert, found.event_id, "", b"", arrival, [])])
    asked = entries.NewEntry("lwa", Kind.COMMAND, "beam", {"n": number}, 1.0, event, alert.alert_id, "a rule")
    said = entries.NewEntry("gcn", Kind.EVENT, "event", {}, 1.0, event, alert.alert_id)
    entries.append_many(tx, [said, asked])


@pytest.fixture
def full(bench):
    """One alert an hour, 0 to 5; of event e are 0 and 4."""
    for number in range(6):
        event = "e" if number in (0, 4) else f"e{number}"
        bench.do(lambda tx, number=number, event=event: log(tx, number, event))
        bench.later(3600)
    return bench


@pytest.mark.parametrize(
    ("within", "found"),
    [
        ({}, "012345"),
        ({"since": START + 3 * HOUR}, "0345"),
        ({"since": START + 5 * HOUR}, "5"),
        ({"since": START + 3 * HOUR, "until": START + 4 * HOUR}, "3"),
        ({"since": START + 4 * HOUR, "until": START + 5 * HOUR, "before": 2 * HOUR}, "0234"),
        ({"before": timedelta(days=1)}, "012345"),
    ],
)
def test_what_is_within_comes_after_what_bears_on_it(full, within, found):
    rows = full.read(lambda connection: list(spoken_of(connection, **within)))
    assert [row["alert_id"] for row, _ in rows] == [f"a{number}" for number in found]
    assert [[one["args"] for one in sent] for _, sent in rows] == [[{"n": int(number)}] for number in found]
    assert rows[-1][0]["logged_at"] == START + int(found[-1]) * HOUR


def test_more_than_is_looked_up_together_is_all_given(bench, monkeypatch):
    monkeypatch.setattr("ovro_alert.store.past.TOGETHER", 2)
    bench.do(lambda tx: [log(tx, number, "e") for number in range(5)])
    rows = bench.read(lambda connection: list(spoken_of(connection)))
    assert [(row["alert_id"], len(sent)) for row, sent in rows] == [(f"a{n}", 1) for n in range(5)]


def test_when_an_alert_was_logged(full):
    assert full.read(lambda connection: logged_at(connection, "a2")) == START + 2 * HOUR
    assert full.read(lambda connection: logged_at(connection, "nobody's")) is None

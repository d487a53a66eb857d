"""What holds in whatever order alerts come: by several transports, of others, retractions, and tests."""

from urllib.parse import quote

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ovro_alert.formats import read
from tests.relay.skies import ASKING, fresh_relay, messages

MESSAGES = messages()
NAMES = list(MESSAGES)
SEEN = [name for name in NAMES if "retract" not in name]
OVER = ("cancelled", "refused", "expired")
# Some of them, each once or more often, in any order.
stories = st.lists(st.sampled_from(NAMES), min_size=2, max_size=12)
few = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def tell(client, name):
    answer = client.post("/alerts", content=MESSAGES[name])
    assert answer.status_code == 200, answer.text
    return answer.json()


def events(client):
    """Every event, whole."""
    ids = [event["event_id"] for event in client.get("/events").json()["events"]]
    return [client.get(f"/events/{quote(id)}").json() for id in ids]


def asked(event):
    """What a telescope is asked for an event: of each command what it is, and no number of it."""
    return sorted(
        (one["slot"], one["command"], sorted((name, rounded(arg)) for name, arg in one["args"].items()))
        for one in event["commands"]
        if one["state"] not in OVER
    )


def rounded(arg):
    """Two transports tell one time to the ms and to the µs."""
    return f"{arg:.3g}" if isinstance(arg, float) else arg


def end_of(names):
    """What is asked in the end, by the alerts of each event: its id goes by which of them came first."""
    with fresh_relay(ASKING) as client:
        for name in names:
            tell(client, name)
        return {
            tuple(sorted(alert["alert_id"] for alert in event["alerts"])): asked(event)
            for event in events(client)
        }


@example((NAMES, NAMES[::-1]))
@example((SEEN, SEEN[::-1]))
@few
@given(stories.flatmap(lambda names: st.tuples(st.just(names), st.permutations(names))))
def test_the_order_of_arrival_does_not_change_what_is_asked(orders):
    one, other = orders
    assert end_of(one) == end_of(other)


def test_there_is_something_to_ask():
    found = {command for its in end_of(SEEN).values() for _, command, _ in its}
    assert found == {"twice", "wave", "seen", "burst", "drill", "any"}


@few
@given(stories)
def test_nothing_is_asked_after_a_retraction(names):
    with fresh_relay(ASKING) as client:
        for name in names:
            answer = tell(client, name)
            told = events(client)
            retracted = [event for event in told if event["retracted_by"]]
            assert all(asked(event) == [] for event in retracted), name
            if (
                any(event["event_id"] == answer["event_id"] for event in retracted)
                and not answer["duplicate"]
            ):
                assert answer["commands"] == [], name


@few
@given(stories)
def test_a_test_moves_nothing_but_by_a_rule_that_names_tests(names):
    tests = {alert.alert_id for alert in map(read, MESSAGES.values()) if alert.role == "test"}
    with fresh_relay(ASKING) as client:
        for name in names:
            tell(client, name)
        commands = [command for event in events(client) for command in event["commands"]]
    assert {one["rule"] for one in commands if one["alert_id"] in tests} <= {"drill"}
    # Nor is what is real moved by a test that is near it.
    if not {"dsa", "a day before"} & set(names):
        assert not [one for one in commands if one["rule"] in ("twice", "seen")]

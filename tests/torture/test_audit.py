"""A harness that never finds anything proves nothing: each broken promise is named."""

import httpx2
import pytest

from ovro_alert.link.relay import Receipt
from torture import audit
from torture.load import Ledger, Load


def entry(seq, mjd, event=None):
    return {"seq": seq, "id": 100 + seq, "command_mjd": mjd, "event_id": event}


KEPT = [entry(1, 1.0), entry(2, 2.0), entry(3, 3.0, "S1")]


def found(lwa, ledger, seen=((1, 101), (2, 102), (3, 103)), spoken=("S1",)):
    """What the audit says of a relay whose log is `lwa`, and whose sender's slot has the events `spoken`."""
    logs = {
        "/lwa/commands": lwa,
        "/flarescope/commands": [entry(n, 0.0, event) for n, event in enumerate(spoken, 1)],
    }

    def answer(request):
        after = int(request.url.params["after"])
        page = [one for one in logs[request.url.path] if one["seq"] > after][:2]
        return httpx2.Response(200, json={"commands": page})

    load = Load("http://relay", "key", ledger)
    load.followed["waiting"] = list(seen)
    with httpx2.Client(base_url="http://relay", transport=httpx2.MockTransport(answer)) as client:
        return audit.broken_promises(client, load)


@pytest.fixture
def ledger(monkeypatch):
    monkeypatch.setattr(audit, "CATCH_UP_S", 0.0)
    receipt = Receipt(alert_id="A1", event_id="S1", duplicate=False, decisions=[], commands=[103])
    return Ledger(acknowledged={1.0: (101, 1), 2.0: (102, 2)}, receipts={"A1": receipt}, refused={9.0})


def test_a_relay_that_keeps_its_promise(ledger):
    assert found(KEPT, ledger) == []


def test_what_was_not_acknowledged_may_be_there(ledger):
    del ledger.acknowledged[2.0]
    assert found(KEPT, ledger) == []


def test_an_acknowledged_put_that_is_missing(ledger):
    ledger.acknowledged[4.0] = (104, 4)
    assert found(KEPT, ledger) == ["1 acknowledged PUTs are not in the log"]


def test_a_put_that_is_doubled(ledger):
    twice = [*KEPT, entry(4, 2.0)]
    said = found(twice, ledger, seen=[(n, 100 + n) for n in range(1, 5)])
    assert "1 PUTs are in the log twice" in said


def test_a_put_that_was_refused_and_kept(ledger):
    ledger.refused.add(2.0)
    del ledger.acknowledged[2.0]
    assert found(KEPT, ledger) == ["1 PUTs were refused with 503 and kept"]


def test_numbers_with_a_gap(ledger):
    gap = [entry(1, 1.0), entry(2, 2.0), entry(3, 3.0, "S1"), entry(5, 5.0)]
    said = found(gap, ledger, seen=[(1, 101), (2, 102), (3, 103), (5, 105)])
    assert said == ["the slot's numbers have gaps"]


def test_an_alert_without_its_command(ledger):
    said = found(KEPT[:2], ledger, seen=[(1, 101), (2, 102)])
    assert said == [
        "an alert and its command are not each in the log once",
        "alert A1 was acknowledged with a command that is not in the log",
    ]


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        ([(1, 101), (2, 102)], "given 2 of 3 entries"),
        ([(1, 101), (1, 101), (2, 102), (3, 103)], "not given every entry once and in order"),
        ([(1, 101), (3, 103), (2, 102)], "not given every entry once and in order"),
    ],
)
def test_a_follower_that_is_given_too_little_or_too_much(ledger, seen, says):
    (said,) = found(KEPT, ledger, seen=seen)
    assert says in said

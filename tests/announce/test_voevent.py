"""VOEvents: valid by the schema, read back the same, and known to a broker when they come again."""

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import voeventparse
from hypothesis import given

from announcing import ARGS, DETECTIONS, entry
from comets import CometBroker, ending
from ovro_alert.acting import NotTaken, Unreachable
from ovro_alert.alert import Role
from ovro_alert.announce import detection
from ovro_alert.announce.detection import Unfit
from ovro_alert.announce.sender import Message
from ovro_alert.announce.settings import VoeventSettings
from ovro_alert.announce.voevent import VoeventSender, question
from ovro_alert.announce.voevent_call import write
from ovro_alert.clients.world_alert import reach, send
from ovro_alert.command import Entry
from ovro_alert.demo.processes import free_port
from ovro_alert.formats import read


def sender(port: int = 8098, deployed: bool = True, **settings: object) -> VoeventSender:
    its = VoeventSettings(host="127.0.0.1", port=port, **settings)
    return VoeventSender(its, deployed, partial(send, its), partial(reach, its))


def message(its: VoeventSender, asked: Entry) -> Message:
    return its.message(asked, detection.read(asked.args))


def test_it_says_what_dsa_110s_own_voevents_say() -> None:
    said = message(sender(), entry("voevent", fluence=2.5, peak_flux=3.25))
    event = voeventparse.loads(said.raw)
    assert voeventparse.valid_as_v2_0(event)
    assert event.get("ivorn") == "ivo://edu.caltech.dsa-110#260304aaaa/7" == said.name
    found = voeventparse.get_grouped_params(event)["event parameters"]
    assert {name: (float(one["value"]), one.get("unit")) for name, one in found.items()} == {
        "dm": (531.7, "pc/cm^3"),
        "dm_error": (0.4, "pc/cm^3"),
        "width": (1.05, "ms"),
        "snr": (14.2, None),
        "fluence": (2.5, "Jansky ms"),
        "peak_flux": (3.25, "Janskys"),
    }
    position = voeventparse.get_event_position(event)
    assert (position.ra, position.dec, position.err) == (291.61, 71.52, 0.02)
    assert (position.units, position.system) == ("deg", "UTC-FK5-GEO")
    assert voeventparse.get_event_time_as_utc(event).isoformat() == "2026-03-04T05:06:07.123456+00:00"
    assert event.Who.Date == "2026-03-04T05:06:25"


@pytest.mark.parametrize(
    ("deployed", "changes", "role"),
    [
        (True, {}, Role.OBSERVATION),
        (False, {}, Role.TEST),
        (True, {"role": "test"}, Role.TEST),
        (True, {"name": "260304aaaa_inj0"}, Role.TEST),
    ],
)
def test_it_is_a_test_unless_deployed(deployed: bool, changes: dict[str, str], role: Role) -> None:
    said = message(sender(deployed=deployed), entry("voevent", **changes))
    assert read(said.raw).role is role
    assert said.test is (role is Role.TEST)


def test_the_same_command_is_the_same_bytes_and_another_is_not() -> None:
    digests = [
        hashlib.sha1(message(sender(), one).raw).hexdigest()
        for one in (entry("voevent"), entry("voevent"), entry("voevent", id=8))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_it_is_written_once_however_often_it_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counting(module: str, *about: Any) -> dict[str, Any]:
        asked.append(module)
        return {"document": "<it/>"}

    monkeypatch.setattr("ovro_alert.announce.voevent.call", counting)
    for _ in range(3):
        assert message(sender(), entry("voevent", id=99)).raw == b"<it/>"
    assert len(asked) == 1


@given(DETECTIONS)
def test_whatever_was_detected_it_is_valid_and_read_back_the_same(args: dict[str, object]) -> None:
    its = detection.read(args)
    asked = question(entry("voevent"), its, its.is_test, VoeventSettings())
    raw = write(json.loads(json.dumps(asked)))["document"].encode()  # as the process for it is asked
    assert voeventparse.valid_as_v2_0(voeventparse.loads(raw))
    alert = read(raw)
    where, frb = alert.localization, alert.frb
    assert where is not None
    assert frb is not None
    assert (where.ra, where.dec, where.error_deg) == (its.ra, its.dec, its.error_deg or 0.016)
    assert (frb.dm, frb.snr, frb.width_ms, frb.dm_error) == (its.dm, its.snr, its.width_ms, its.dm_error)
    assert (alert.event_time, frb.importance) == (its.toa, its.importance)
    # The same event as its trigger and its notice are of; and what is a test comes back as one.
    assert (alert.source, alert.event_id) == ("dsa", f"dsa-{its.name}")
    assert alert.role is (Role.TEST if its.is_test else Role.OBSERVATION)


@pytest.mark.parametrize("field", ["snr", "width_ms"])
def test_what_a_voevent_needs_is_asked_for_by_name(field: str) -> None:
    with pytest.raises(Unfit, match=rf"args\.{field}: is required"):
        message(sender(), entry("voevent", **{field: None}))


def test_without_a_broker_nothing_is_sent() -> None:
    its = VoeventSender(VoeventSettings(), True, lambda raw: "", lambda: None)
    with pytest.raises(Unfit, match=r"\[world_voevent\] host"):
        message(its, entry("voevent"))


def test_a_real_broker_acknowledges_it_and_knows_it_when_it_comes_again(tmp_path: Path) -> None:
    with ending(CometBroker(tmp_path / "broker")) as broker:
        its = sender(broker.author_port)
        assert "takes connections" in its.reach()
        said = message(its, entry("voevent"))
        assert its.send(said) == {"said": "acknowledged"}
        assert its.send(said) == {"said": "acknowledged before"}
        assert its.send(message(its, entry("voevent", id=8))) == {"said": "acknowledged"}


def test_what_a_broker_refuses_is_not_taken_and_the_reason_is_told(tmp_path: Path) -> None:
    with ending(CometBroker(tmp_path / "broker")) as broker:
        its = sender(broker.author_port)
        said = message(its, entry("voevent"))
        broken = Message(
            said.name,
            said.to,
            said.test,
            said.raw.replace(b"<Why", b"<NoWhy", 1).replace(b"</Why", b"</NoWhy"),
        )
        with pytest.raises(NotTaken, match="refuses it"):
            its.send(broken)


def test_a_broker_that_is_away_is_unreachable() -> None:
    its = sender(free_port())
    with pytest.raises(Unreachable, match="refused"):
        its.send(message(its, entry("voevent")))
    with pytest.raises(Unreachable, match="refused"):
        its.reach()


def test_the_args_of_the_tests_are_as_the_policy_sends_them() -> None:
    assert detection.read(ARGS).name == "260304aaaa"

"""The plugin in a real Comet, over real sockets, while the relay hangs or is away."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from comet.utility import Event_DB, xml_document

from comets import BIN, IAMALIVE, Broker, CometBroker, ending, subscriber, voevent
from ovro_alert.demo.processes import free_port
from support import until

# twistd with a plugin that tells the relay of its pulse without pause.
QUICK = """
from functools import partial
from twisted.scripts.twistd import run
from ovro_alert.receivers import chime_voevent
chime_voevent.beating = partial(chime_voevent.beating, every_s=0.02)
run()
"""


@pytest.fixture
def broker() -> Iterator[Broker]:
    broker = Broker()
    yield broker
    broker.close()


def test_comet_goes_on_answering_while_the_relay_hangs(broker, stand_in, tmp_path):
    stand_in.hanging.set()
    first, second = voevent("1"), voevent("2")
    with ending(subscriber(tmp_path / "ours", broker.port, stand_in)) as comet:
        broker.accept()
        assert b'role="ack"' in broker.ask(first)
        until(lambda: stand_in.posted)
        assert b'role="iamalive"' in broker.ask(IAMALIVE)
        assert b'role="ack"' in broker.ask(second)
        assert b'role="iamalive"' in broker.ask(IAMALIVE)
        assert stand_in.raws == [first]
        assert len(comet.spooled) == 2
        stand_in.hanging.clear()
        stand_in.release.set()
        until(lambda: not comet.spooled)
        comet.end()
    assert stand_in.raws == [first, second]
    _, about, key = stand_in.posted[0]
    assert (about["via"], key) == ("voevent", stand_in.key)
    assert stand_in.key not in comet.log


def test_what_was_acknowledged_is_on_disk_and_survives_kill_9(broker, stand_in, tmp_path):
    well = stand_in.answer
    stand_in.answer = lambda raw: (503, {})
    events = [voevent(str(n)) for n in range(5)]
    with ending(subscriber(tmp_path / "ours", broker.port, stand_in)) as comet:
        broker.accept()
        for n, event in enumerate(events):
            assert b'role="ack"' in broker.ask(event)
            # At the very moment of the acknowledgement, not a little later.
            assert len(comet.spooled) == n + 1
        comet.end(signal.SIGKILL)
    stand_in.answer = well
    with ending(subscriber(tmp_path / "ours", broker.port, stand_in)) as comet:
        until(lambda: not comet.spooled)
        assert "5 events of an earlier run" in comet.log
        comet.end()
    assert stand_in.acknowledged == events


def test_it_ends_soon_though_a_request_hangs(broker, stand_in, tmp_path):
    stand_in.hanging.set()
    with ending(subscriber(tmp_path / "ours", broker.port, stand_in)) as comet:
        broker.accept()
        broker.ask(voevent("1"))
        until(lambda: stand_in.posted)
        comet.end(signal.SIGINT)
        assert len(comet.spooled) == 1


def test_an_event_that_the_disk_has_no_room_for_still_goes_to_the_relay(broker, stand_in, tmp_path):
    limit = {"OVRO_ALERT_CHIME_VOEVENT_SPOOL_LIMIT": "10"}
    with ending(subscriber(tmp_path / "ours", broker.port, stand_in, **limit)) as comet:
        broker.accept()
        assert b'role="ack"' in broker.ask(voevent("1"))
        until(lambda: stand_in.posted)
        assert "may hold 10 bytes" in comet.log


def test_a_key_that_is_refused_keeps_events_on_disk_until_it_is_mended(broker, stand_in, tmp_path):
    well = stand_in.answer
    stand_in.answer = lambda raw: (401, {"detail": "not a key"})
    events = [voevent(str(n)) for n in range(3)]
    with ending(subscriber(tmp_path / "ours", broker.port, stand_in)) as comet:
        broker.accept()
        for event in events:
            broker.ask(event)
        until(lambda: "the relay refuses the key" in comet.log)
        assert len(comet.spooled) == 3
        stand_in.answer = well
        until(lambda: not comet.spooled)
    assert stand_in.acknowledged == events


def test_an_event_that_comes_twice_is_acknowledged_twice_and_handed_over_once(broker, stand_in, tmp_path):
    with ending(subscriber(tmp_path / "ours", broker.port, stand_in)) as comet:
        broker.accept()
        for name in ("1", "1", "2"):
            assert b'role="ack"' in broker.ask(voevent(name))
        until(lambda: len(stand_in.acknowledged) == 2 and not comet.spooled)
    assert stand_in.acknowledged == [voevent("1"), voevent("2")]


def killed_before_the_handler(folder: Path, event: bytes) -> None:
    """Comet's database as a kill leaves it that comes between the marking of an event and its handling."""
    assert Event_DB(str(folder)).check_event(xml_document(event))


def killed_within_the_database(folder: Path, event: bytes) -> None:
    """And as one leaves it that comes while it is written."""
    killed_before_the_handler(folder, event)
    for file in folder.glob("*FRB-DETECTION-*"):
        file.write_bytes(file.read_bytes()[:-5])


@pytest.mark.parametrize("left", [killed_before_the_handler, killed_within_the_database])
def test_what_a_kill_leaves_of_comets_database_makes_no_event_pass_for_known(
    broker, stand_in, tmp_path, left
):
    event = voevent("1")
    (tmp_path / "ours").mkdir()
    left(tmp_path / "ours", event)
    with ending(subscriber(tmp_path / "ours", broker.port, stand_in)) as comet:
        broker.accept()
        assert b'role="ack"' in broker.ask(event)  # its sender had no acknowledgement, and sends it again
        until(lambda: stand_in.acknowledged and not comet.spooled)
    assert stand_in.acknowledged == [event]


@pytest.mark.parametrize(
    "message",
    [
        b"not XML at all",
        voevent("1").replace(b"</Who>", b""),
        voevent("1").replace(b"<Who>", b"<Who>&entity;"),
        voevent("1").replace(b'role="test"', b""),
        voevent("1").replace(b"ivorn=", b"id="),
    ],
)
def test_what_comet_would_drop_is_for_the_relay_to_judge(broker, stand_in, tmp_path, message):
    with ending(subscriber(tmp_path / "ours", broker.port, stand_in)) as comet:
        broker.accept()
        broker.tell(message)
        assert b'role="iamalive"' in broker.ask(IAMALIVE)
        until(lambda: stand_in.raws == [message] and not comet.spooled)


def test_the_relay_is_told_how_the_broker_is_heard(broker, stand_in, tmp_path):
    def told(**wanted: Any) -> Any:
        pulse = stand_in.pulses.get("chime.voevent", {})
        return {name: pulse.get(name) for name in wanted} == wanted and pulse

    quick = [sys.executable, "-c", QUICK]
    with ending(subscriber(tmp_path / "ours", broker.port, stand_in, twistd=quick)):
        broker.accept()
        # That a connection is accepted proves nothing: a broker may hang up on whom it does not know.
        until(lambda: told(connected=False, heard_s=None, waiting=0, transport="voevent"))
        broker.ask(IAMALIVE)
        assert until(lambda: told(connected=True, expected_s=None))["heard_s"] < 30
        broker.ask(voevent("of a broker on the way"))
        until(lambda: len(stand_in.acknowledged) == 1)
        assert stand_in.pulses["chime.voevent"]["expected_s"] is None
        broker.ask(voevent("of CHIME's", "ivo://ca.chimenet.frb"))
        until(
            lambda: (told(waiting=0) or {}).get("expected_s") is not None and len(stand_in.acknowledged) == 2
        )
        stand_in.hanging.set()
        broker.ask(voevent("that waits"))
        until(lambda: told(waiting=1, connected=True))
        broker.disconnect()
        until(lambda: told(connected=False))
        assert "connection" in stand_in.pulses["chime.voevent"]["why"].lower()


def test_systemd_is_told_that_it_is_ready_goes_on_and_stops(broker, stand_in, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        unit = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"}
        with ending(subscriber(tmp_path / "ours", broker.port, stand_in, **unit)) as comet:
            for said in (b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"):
                until(lambda said=said: systemd.recv(1000) == said)  # among how the broker is heard
            comet.end()
        until(lambda: systemd.recv(1000) == b"STOPPING=1")


@pytest.mark.parametrize(
    ("environment", "said"), [({"RELAY_KEY": ""}, "RELAY_KEY"), ({"RELAY_URL": "nowhere"}, "RELAY_URL")]
)
def test_settings_that_cannot_work_are_named_at_the_start(stand_in, tmp_path, environment, said):
    with ending(subscriber(tmp_path / "ours", free_port(), stand_in, **environment)) as comet:
        assert comet.process.wait(20) == 1
    assert said in comet.log
    assert "Traceback" not in comet.log


@pytest.mark.end_to_end
def test_from_an_author_through_a_real_broker(stand_in, tmp_path):
    stand_in.hanging.set()

    def send(event: bytes) -> None:
        command: list[Any] = [BIN / "comet-sendvo", "-h", "127.0.0.1", "-p", str(broker.author_port)]
        subprocess.run(command, input=event, check=True, capture_output=True, timeout=20)

    with ending(CometBroker(tmp_path / "broker")) as broker:
        with ending(subscriber(tmp_path / "ours", broker.port, stand_in)) as ours:
            until(lambda: "New subscriber" in broker.log)
            send(voevent("1"))
            until(lambda: stand_in.posted)
            send(voevent("2"))  # while the relay hangs
            until(lambda: len(ours.spooled) == 2)
            until(lambda: broker.log.count("Ack received") == 2)
            stand_in.hanging.clear()
            stand_in.release.set()
            until(lambda: not ours.spooled)
            ours.end()
        broker.end()
    assert stand_in.raws == [voevent("1"), voevent("2")]

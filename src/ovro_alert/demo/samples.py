"""Made-up alerts, as their senders would write them, that tell the story of the main job.

Everything in them is invented; V388 Cas alone is a real star in its place. What is to be looked at never sets
at Owens Valley, whenever the story is told, and the waves come from high in its sky. Numbers and names derive
from the moment that they are made for, so that no two stories share an event.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from ovro_alert.demo.sample_bursts import (
    Burst,
    chime_notice,
    chime_retraction,
    chime_voevent,
    dsa_notice,
    dsa_trigger,
)
from ovro_alert.demo.sample_waves import BBH, BNS, EARLY, gw_notice, meridian
from ovro_alert.demo.wire import to_json, utc

TRIGGER = ("lwa", "trigger")
BEAM = ("lwa", "powerbeam")
VOLTAGES = ("lwa", "voltagebeam")
SEARCH = ("dsa", "CHIME FRB")
GUANO = ("world", "swift")
AGAIN = (BEAM, SEARCH, ("dsa", "repoint"))
ARRAY_DEC = 71.2  # deg, where DSA-110 looks


class Sample(NamedTuple):
    """One message, and the (slot, command)s that the project's own policy makes of it; None: not known."""

    name: str  # unique in the story
    title: str
    raw: bytes
    transport: Literal["kafka", "voevent", "flarescope", "etcd"]
    topic: str  # of Kafka; "" for the others
    filename: str
    expects: tuple[tuple[str, str], ...] | None


def samples(now: datetime) -> list[Sample]:
    """The story, in the order that it is told, as though it happened at `now` (aware)."""
    return list(_story(now.astimezone(UTC)))


def codetection(now: datetime) -> list[Sample]:
    """One burst by DSA-110 and by CHIME/FRB, as though it came at `now` (aware), where the array looks."""
    return list(_seen_by_both(now.astimezone(UTC)))


def _story(now: datetime) -> Iterator[Sample]:
    seen = now - timedelta(seconds=1)
    test = Burst(_number(now, 0), seen, 83.633, 22.0145, 567.7, 1.0, role="test")
    repeater = Burst(_number(now, 1), seen, 41.37, 63.21, 348.8, 0.99, "60792403")
    new = Burst(_number(now, 2), seen, 212.34, 68.21, 812.4, 0.97)
    noise = Burst(_number(now, 3), seen, 144.8, 31.9, 487.0, 0.21)
    yield Sample(
        name="flarescope-request",
        title="Flarescope asks for a beam on a star",
        raw=flarescope(now),
        transport="flarescope",
        topic="",
        filename="flarescope-request.json",
        expects=(BEAM,),
    )
    yield _chime("chime-test", "CHIME/FRB's hourly test", chime_voevent(test))
    yield _chime("chime-repeater", "CHIME/FRB: a source bursts again", chime_voevent(repeater), *AGAIN)
    by_gcn = chime_notice(repeater)
    yield _by_kafka("chime-repeater-gcn", "CHIME/FRB: the same by GCN", by_gcn, "gcn.notices.chime.frb")
    yield _chime("chime-new", "CHIME/FRB: a new burst of high DM", chime_voevent(new), BEAM, SEARCH)
    yield _chime("chime-interference", "CHIME/FRB: probably interference", chime_voevent(noise))
    yield _chime("chime-retraction", "CHIME/FRB: the new burst is retracted", chime_retraction(new, now))
    yield _dsa("dsa-detection", "DSA-110: a burst", "initial", now, BEAM, GUANO)
    yield _dsa("dsa-retraction", "DSA-110: the burst is retracted", "retraction", now)
    mock, binary, merger = (superevent(now, turn) for turn in range(3))
    yield _wave("gw-mock", "LIGO: a mock neutron-star merger", f"M{mock}", "PRELIMINARY", now, BNS)
    yield _wave("gw-black-holes", "LIGO: black holes merge", binary, "PRELIMINARY", now, BBH)
    yield _wave("gw-retraction", "LIGO: the black holes are retracted", binary, "RETRACTION", now, None)
    yield _wave(
        "gw-early-warning",
        "LIGO: early warning of neutron stars, not yet sure",
        merger,
        "EARLYWARNING",
        now,
        EARLY,
    )
    yield _wave("gw-merger", "LIGO: neutron stars merge", merger, "PRELIMINARY", now, BNS, TRIGGER)
    cut_off = gw_notice(superevent(now, 3), "PRELIMINARY", now, BNS)[:-400]
    yield _by_kafka("gw-malformed", "LIGO: a notice that was cut off", cut_off, "igwn.gwalert")


def _seen_by_both(now: datetime) -> Iterator[Sample]:
    both = Burst(_number(now, 4), now - timedelta(seconds=1), meridian(now), ARRAY_DEC, 437.2, 0.99)
    yield Sample(
        name="dsa-trigger",
        title="DSA-110's search finds a burst",
        raw=dsa_trigger(f"{now:%y%m%d}{_letters(now, 1)}", both),
        transport="etcd",
        topic="",
        filename="dsa-trigger.json",
        expects=(BEAM,),  # and nothing to Swift: nobody has classified it yet
    )
    as_chime_saw_it = replace(both, ra=round((both.ra + 0.11) % 360, 3), dec=71.17, dm=437.6)
    yield _chime(
        "chime-codetection",
        "CHIME/FRB: the same burst, as CHIME saw it",
        chime_voevent(as_chime_saw_it),
        *(BEAM, SEARCH, VOLTAGES),
    )


def _letters(now: datetime, turn: int) -> str:
    """Lower-case letters that no other turn, and no other millisecond of the day, has."""
    number = int((now - now.replace(hour=0, minute=0, second=0, microsecond=0)) / timedelta(milliseconds=1))
    number, found = number * 8 + turn, ""
    while number or not found:
        number, letter = divmod(number, 26)
        found = chr(ord("a") + letter) + found
    return found


def superevent(now: datetime, turn: int = 0) -> str:
    """A superevent's name."""
    return f"S{now:%y%m%d}{_letters(now, turn)}"


def _number(now: datetime, turn: int) -> str:
    return str(int(now.timestamp() * 1000) * 8 + turn)


def flarescope(now: datetime) -> bytes:
    """A request for a beam that starts in 5 s."""
    start = now + timedelta(seconds=5)
    return to_json(
        {"name": "V388 Cas", "ra": 15.83, "dec": 62.37, "start": utc(start), "duration": 60, "int_time": 128}
    )


def _by_kafka(name: str, title: str, raw: bytes, topic: str, *expects: tuple[str, str]) -> Sample:
    return Sample(name, title, raw, "kafka", topic, f"{name}.json", expects)


def _chime(name: str, title: str, raw: bytes, *expects: tuple[str, str]) -> Sample:
    return Sample(name, title, raw, "voevent", "", f"{name}.xml", expects)


def _dsa(name: str, title: str, alert_type: str, now: datetime, *expects: tuple[str, str]) -> Sample:
    raw = dsa_notice(f"{now:%y%m%d}{_letters(now, 0)}", alert_type, now)
    return _by_kafka(name, title, raw, "gcn.notices.dsa110.frb", *expects)


def _wave(
    name: str,
    title: str,
    superevent_id: str,
    alert_type: str,
    now: datetime,
    candidate: dict[str, Any] | None,
    *expects: tuple[str, str],
) -> Sample:
    raw = gw_notice(superevent_id, alert_type, now, candidate)
    return _by_kafka(name, title, raw, "igwn.gwalert", *expects)

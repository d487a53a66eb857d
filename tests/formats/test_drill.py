"""Any alert as a test of an event of its own, and otherwise in its own words."""

import json
from pathlib import Path
from typing import Any

import pytest

from ovro_alert.alert import Alert, Role
from ovro_alert.formats import Unreadable, read
from ovro_alert.formats.drill import as_test

NUMBER = 1_772_366_400
ICECUBE: dict[str, Any] = {
    "$schema": "https://gcn.nasa.gov/schema/main/gcn/notices/icecube/lvk_nu_track_search.schema.json",
    "alert_tense": "current",
    "ref_ID": "S260301ab-2-Preliminary",
    "trigger_time": "2026-03-01T12:00:00Z",
    "pval_generic": 0.03,
}
SWIFT: dict[str, Any] = {
    "$schema": "https://gcn.nasa.gov/schema/main/gcn/notices/swift/bat/guano.schema.json",
    "mission": "Swift",
    "id": [1300001],
    "alert_type": "initial",
    "rate_snr": 7.5,
}
UNNUMBERED = {
    "$schema": "https://gcn.nasa.gov/schema/main/gcn/notices/new/mission.schema.json",
    "ra": 1.5,
    "dec": 2.5,
}
TRIGGER = {"mjds": 61100.5, "snr": 9.5, "ibox": 4, "dm": 279.5, "ra": 346.75, "dec": 12.625}
FLARE = {"name": "AD Leo", "ra": 154.5, "dec": 19.875, "start": "2026-03-01T12:00:00Z", "duration": 600}
CLASSIC = """<voe:VOEvent xmlns:voe="http://www.ivoa.net/xml/VOEvent/v2.0" version="2.0" role="observation"
  ivorn="ivo://nasa.gsfc.gcn/SWIFT#BAT_GRB_Pos_1300001-077">
<What><Param name="TrigID" value="1300001"/><Param name="Rate_Signif" value="7.5"/></What></voe:VOEvent>"""
LVC = """<voe:VOEvent xmlns:voe="http://www.ivoa.net/xml/VOEvent/v2.0" version="2.0" role="observation"
  ivorn="ivo://gwnet/LVC#S230518h-2-Preliminary">
<What><Param name="GraceID" value="S230518h"/><Param name="AlertType" value="Preliminary"/></What>
</voe:VOEvent>"""
OTHERS = {
    "a neutrino search": json.dumps(ICECUBE),
    "a number that is no text": json.dumps(SWIFT),
    "a notice without a number": json.dumps(UNNUMBERED),
    "DSA-110's trigger under its name": json.dumps({"260301aaaa": TRIGGER}),
    "DSA-110's trigger, flat": json.dumps({"trigname": "260301aaaa", **TRIGGER}),
    "Flarescope's request": json.dumps(FLARE),
    "a classic notice": CLASSIC,
    "a classic notice of a gravitational wave": LVC,
}


def names(alert: Alert) -> set[str]:
    return {alert.alert_id, alert.event_id, *alert.event_names}


def said(alert: Alert) -> dict[str, Any]:
    """What it says of the sky; names may also stand in the sentences for people."""
    return alert.model_dump(exclude={"alert_id", "event_id", "event_names", "role", "stage", "description"})


def check(raw: bytes) -> None:
    before, first, again = read(raw), read(as_test(raw, NUMBER)), read(as_test(raw, NUMBER + 1))
    assert (first.role, again.role) == (Role.TEST, Role.TEST)
    assert not names(before) & names(first)
    assert not names(before) & names(again)
    assert not names(first) & names(again)
    assert said(first) == said(again) == said(before)


@pytest.mark.parametrize("raw", OTHERS.values(), ids=OTHERS.keys())
def test_it_is_a_test_of_an_event_that_never_was_and_says_the_same(raw):
    assert read(raw.encode()).role is Role.OBSERVATION
    check(raw.encode())


def test_so_are_gravitational_waves_and_bursts(gw, chime, detection, retraction, skymap_text):
    for raw in (
        gw(event__skymap=skymap_text),
        gw(alert_type="RETRACTION", event=None),
        gw(superevent_id="MS260301ab"),  # a test already
        chime(),
        detection.encode(),
        retraction.encode(),
    ):
        check(raw)


def test_under_one_number_the_messages_of_an_event_stay_of_one_event(gw, chime, detection, retraction):
    def drilled(raw: bytes) -> Alert:
        return read(as_test(raw, NUMBER))

    burst = drilled(detection.encode())
    assert names(drilled(retraction.encode())) & names(burst)
    assert drilled(chime()).event_id == burst.event_id
    assert drilled(gw()).event_id == drilled(gw(alert_type="RETRACTION", event=None)).event_id
    assert drilled(OTHERS["a neutrino search"].encode()).event_names == (drilled(gw()).event_id,)
    assert drilled(CLASSIC.encode()).event_id == drilled(OTHERS["a number that is no text"].encode()).event_id


@pytest.mark.parametrize("raw", [b"", b"{}", b"<VOEvent/>", b"<VOEvent"])
def test_what_is_no_alert_is_refused(raw):
    with pytest.raises(Unreadable):
        as_test(raw, NUMBER)


def test_what_has_no_room_for_another_name_is_refused(gw):
    with pytest.raises(Unreadable, match="superevent_id"):
        as_test(gw(superevent_id="S260301abcdefghij"), NUMBER)


def test_every_recorded_alert_can_be_drilled(corpus: Path) -> None:
    drilled = 0
    for path in sorted(corpus.rglob("*.*")):
        raw = path.read_bytes()
        try:
            read(raw)
        except Unreadable:
            continue
        check(raw)
        drilled += 1
    assert drilled > 20

"""The made-up alerts are what their senders would write, and tell the story that they say."""

import json
import math
from datetime import UTC, datetime, timedelta

import pytest
import voeventparse

from ovro_alert.alert import Alert, AlertType, Role
from ovro_alert.demo.samples import Sample, codetection, samples
from ovro_alert.formats import Unreadable, read
from ovro_alert.sky.coincidence import Burst, compare
from ovro_alert.sky.visibility import altitude, zenith

NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
STORY = {sample.name: sample for sample in [*samples(NOW), *codetection(NOW)]}


def alert(name: str) -> Alert:
    return read(STORY[name].raw)


def test_every_one_but_the_malformed_is_read() -> None:
    for sample in STORY.values():
        if sample.name != "gw-malformed":
            assert read(sample.raw).source == sample.name.split("-")[0].replace("gw", "ligo")
    with pytest.raises(Unreadable, match="is not JSON"):
        alert("gw-malformed")


def test_the_story_has_its_people() -> None:
    assert alert("gw-merger").gw.classification["BNS"] > 0.9
    assert alert("gw-merger").event_id == alert("gw-early-warning").event_id
    assert alert("gw-early-warning").stage == "EARLYWARNING"
    assert alert("gw-mock").role is alert("chime-test").role is Role.TEST
    assert alert("gw-black-holes").event_id == alert("gw-retraction").event_id
    assert alert("gw-retraction").alert_type is AlertType.RETRACTION
    assert alert("chime-repeater").event_id == alert("chime-repeater-gcn").event_id
    assert alert("chime-repeater").frb.known_source == alert("chime-repeater-gcn").frb.known_source
    assert alert("chime-new").alert_id in alert("chime-retraction").event_names
    assert alert("chime-interference").frb.importance < 0.5
    assert alert("dsa-detection").event_id == alert("dsa-retraction").event_id


def test_the_merger_passes_the_observatorys_thresholds_and_the_others_do_not() -> None:
    def passes(name: str) -> bool:
        gw = alert(name).gw
        return (
            gw.far <= 3.17e-9
            and 1 - gw.classification["Terrestrial"] >= 0.9
            and gw.properties["HasNS"] >= 0.5
            and gw.classification["BNS"] + gw.classification["NSBH"] > 0
        )

    assert {name: passes(name) for name in ("gw-merger", "gw-early-warning", "gw-black-holes")} == {
        "gw-merger": True,
        "gw-early-warning": False,
        "gw-black-holes": False,
    }


def test_the_mergers_map_is_a_real_one() -> None:
    skymap = alert("gw-merger").gw.skymap
    assert 5000 < skymap.pixels < 25000
    assert skymap.distance_mpc == 104.0
    # 2π·9°·1.6°·ln 10 = 208 deg² in the plane; on the sphere a little less.
    assert skymap.area_90_deg2 == pytest.approx(206, abs=6)
    assert len(json.loads(STORY["gw-merger"].raw)["event"]["skymap"]) > 500_000


def test_one_burst_is_seen_by_both_and_no_other_is() -> None:
    told = [read(sample.raw) for sample in STORY.values() if sample.name != "gw-malformed"]
    bursts = {alert.event_id: alert for alert in told if alert.frb and alert.frb.dm}
    seen = {source: [a for a in bursts.values() if a.source == source] for source in ("chime", "dsa")}
    same = [
        (one.event_id, other.event_id)
        for one in seen["chime"]
        for other in seen["dsa"]
        if compare(_burst(one), _burst(other)).is_one
    ]
    assert same == [(alert("chime-codetection").event_id, alert("dsa-trigger").event_id)]


def test_the_array_sees_only_what_crosses_its_meridian() -> None:
    place = alert("dsa-trigger").localization
    x, y, z = zenith(NOW)
    assert place.ra == pytest.approx(math.degrees(math.atan2(y, x)) % 360, abs=0.01)
    assert altitude(place.ra, place.dec, NOW) == pytest.approx(
        90 - (71.2 - math.degrees(math.asin(z))), abs=0.01
    )


def _burst(one: Alert) -> Burst:
    return Burst(one.localization, one.event_time, one.frb.dm, one.frb.dm_error, one.frb.reference_mhz)


def test_what_is_expected_is_what_the_policy_says() -> None:
    beam, search, guano = ("lwa", "powerbeam"), ("dsa", "CHIME FRB"), ("world", "swift")
    assert {name: sample.expects for name, sample in STORY.items() if sample.expects} == {
        "flarescope-request": (beam,),
        "chime-repeater": (beam, search, ("dsa", "repoint")),
        "chime-new": (beam, search),
        "dsa-detection": (beam, guano),
        "dsa-trigger": (beam,),
        "chime-codetection": (beam, search, ("lwa", "voltagebeam")),
        "gw-merger": (("lwa", "trigger"),),
    }


@pytest.mark.parametrize(
    "name", ["chime-test", "chime-repeater", "chime-new", "chime-interference", "chime-codetection"]
)
def test_voevents_are_valid_by_the_schema_that_brokers_check(name: str) -> None:
    voeventparse.assert_valid_as_v2_0(voeventparse.loads(STORY[name].raw))


def test_the_retraction_is_as_odd_as_the_real_ones() -> None:
    raw = STORY["chime-retraction"].raw
    assert b"xmlns" not in raw
    assert b"<What/>" in raw
    assert b"<original_prefix>voe</original_prefix>" in raw
    assert alert("chime-retraction").role is Role.UTILITY


def test_they_happen_now() -> None:
    assert alert("chime-new").event_time == NOW - timedelta(seconds=1)
    assert NOW - timedelta(minutes=1) < alert("gw-merger").event_time < NOW
    assert alert("flarescope-request").request.start > NOW


def test_no_two_stories_share_a_name() -> None:
    def names(story: list[Sample]) -> set[str]:
        read_ones = [read(sample.raw) for sample in story if sample.name != "gw-malformed"]
        return {name for one in read_ones for name in (one.alert_id, one.event_id, *one.event_names)}

    a_moment_later = NOW + timedelta(milliseconds=1)
    tellings = [told(moment) for told in (samples, codetection) for moment in (NOW, a_moment_later)]
    said = [names(telling) for telling in tellings]
    assert len(set().union(*said)) == sum(map(len, said))
    assert samples(NOW) == samples(NOW.astimezone())
    assert codetection(NOW) == codetection(NOW.astimezone())


def test_names_and_files_are_unique() -> None:
    story = [*samples(NOW), *codetection(NOW)]
    assert len({sample.name for sample in story}) == len({sample.filename for sample in story}) == len(story)
    assert all((sample.topic != "") == (sample.transport == "kafka") for sample in story)

"""The slot protocol of today, in both directions and in every style that is in use."""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovro_alert.alert import (
    Alert,
    AlertType,
    BeamRequest,
    FastRadioBurst,
    GravitationalWave,
    Localization,
    Role,
)
from ovro_alert.demo.samples import samples
from ovro_alert.formats import Unreadable, read
from ovro_alert.formats.slot import from_slot, to_slot

MJD = 61100.5  # 2026-03-01T12:00:00Z: 61000 is 2025-11-21, a hundred days before
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
Changed = Callable[..., bytes]


def put(slot: str, command: str = "observation", /, **args: Any) -> Alert:
    return from_slot(slot, command, MJD, args, "")


def test_chime_as_its_receiver_sends_it() -> None:
    alert = put(
        "chime", position="29.5,65.75,0.125", dm=348.75, id="123", instrument="CHIME/FRB", mission="CHIME"
    )
    assert (alert.source, alert.event_id) == ("chime", "chime-123")  # as by VOEvent and by GCN
    assert alert.alert_id == "chime-123-61100.5"
    assert (alert.role, alert.alert_type) == (Role.OBSERVATION, AlertType.INITIAL)
    assert (alert.mission, alert.instrument) == ("CHIME", "CHIME/FRB")
    assert alert.localization == Localization(ra=29.5, dec=65.75, error_deg=0.125, containment=0.95)
    assert alert.frb == FastRadioBurst(dm=348.75, reference_mhz=400.0)
    assert (alert.sent, alert.event_time) == (NOON, NOON)  # it had happened by then


def test_chime_as_the_older_plugin_sends_it() -> None:
    alert = put(
        "chime",
        role="observation",
        event_no=123,
        dm="348.75",
        toa="2026-03-01T11:59:50.5+00:00",
        position="29.5,65.75,0.125",
        known="FRB 20180916B",
    )
    assert alert.event_id == "chime-123"
    assert alert.event_time == datetime(2026, 3, 1, 11, 59, 50, 500000, tzinfo=UTC)
    assert alert.frb == FastRadioBurst(dm=348.75, known_source="FRB 20180916B", reference_mhz=400.0)
    assert put("chime", known=True).frb.known_source != ""
    assert put("chime", known=False).frb.known_source == ""
    assert put("chime", known="").frb.known_source == ""


@pytest.mark.parametrize(("slot", "mhz"), [("chime", 400.0), ("dsa", 1530.0)])
def test_bursts_as_the_readme_has_them(slot: str, mhz: float) -> None:
    alert = put(slot, "event", TOA=MJD - 0.25, DM=348.75, RA=29.5, Dec=65.75)
    assert alert.role is Role.OBSERVATION
    assert alert.event_time == datetime(2026, 3, 1, 6, tzinfo=UTC)
    assert alert.localization == Localization(ra=29.5, dec=65.75)
    assert alert.frb == FastRadioBurst(dm=348.75, reference_mhz=mhz)


def test_dsa_and_casm_as_they_send() -> None:
    alert = put("dsa", dm=500.5, ra=10.5, dec=-20.25, trigname="260301aaaa")
    assert alert.event_id == "dsa-260301aaaa"
    assert alert.localization == Localization(ra=10.5, dec=-20.25)
    casm = put("casm", dm=500.5, position="10.5,-20.25")
    assert casm.localization == Localization(ra=10.5, dec=-20.25)
    assert casm.event_id == casm.alert_id == "casm-61100.5"


def test_ligo_as_its_receiver_sends_it() -> None:
    """Selected already: CBC, and what it does not say follows from what it says."""
    alert = put(
        "ligo",
        FAR="9.11e-14",
        BNS="0.75",
        HasNS="1.0",
        Terrestrial="0.0078125",
        GraceID="S260301ab",
        AlertType="Preliminary",
    )
    assert alert.event_id == "ligo-S260301ab"
    assert (alert.stage, alert.alert_type) == ("PRELIMINARY", AlertType.INITIAL)
    assert alert.gw == GravitationalWave(
        far=9.11e-14,
        group="CBC",
        classification={"BNS": 0.75, "NSBH": 0.25, "Terrestrial": 0.0078125},
        properties={"HasNS": 1.0},
    )


def test_ligo_as_the_readme_has_it() -> None:
    """A BNS has a neutron star: HasNS is 0.9375 at least; what is BNS is not terrestrial: 0.0625 at most."""
    alert = put("ligo", "event", TOA="2026-03-01T12:00:00Z", FAR=1e-10, BNS=0.9375)
    assert alert.stage == "INITIAL"
    assert alert.gw == GravitationalWave(
        far=1e-10,
        group="CBC",
        classification={"BNS": 0.9375, "NSBH": 0.0, "Terrestrial": 0.0625},
        properties={"HasNS": 0.9375},
    )


@pytest.mark.parametrize(
    ("said", "stage", "alert_type"),
    [
        ("EarlyWarning", "EARLYWARNING", AlertType.INITIAL),
        ("Early_Warning", "EARLYWARNING", AlertType.INITIAL),
        ("Initial", "INITIAL", AlertType.INITIAL),
        ("Update", "UPDATE", AlertType.UPDATE),
        ("Retraction", "RETRACTION", AlertType.RETRACTION),
    ],
)
def test_ligo_alert_types(said: str, stage: str, alert_type: AlertType) -> None:
    alert = put("ligo", AlertType=said, GraceID="S260301ab")
    assert (alert.stage, alert.alert_type) == (stage, alert_type)


def test_gcn_as_its_receiver_sends_it() -> None:
    alert = put("gcn", duration=3600, position="10.5,20.25,0.5", instrument="WXT", mission="Einstein Probe")
    assert (alert.mission, alert.instrument) == ("Einstein Probe", "WXT")
    assert alert.localization == Localization(ra=10.5, dec=20.25, error_deg=0.5)
    assert alert.request == BeamRequest(start=NOON, duration=3600)
    ellipse = put("swift", position="10.5,20.25,[0.25, 0.5, 90]")
    assert ellipse.localization == Localization(ra=10.5, dec=20.25, error_deg=0.5)


@pytest.mark.parametrize("start", ["2026-03-01T12:00:00Z", "2026-03-01 12:00:00", 61100.5, "61100.5"])
def test_flarescope(start: Any) -> None:
    alert = put("flarescope", start=start, duration="600", RA=154.5, Dec=19.875)
    assert alert.request == BeamRequest(start=NOON, duration=600)
    assert alert.event_time == NOON
    assert alert.localization == Localization(ra=154.5, dec=19.875)


@pytest.mark.parametrize(
    ("slot", "command", "args"),
    [
        ("chime", "test", {"date": "2026-03-01", "description": "hourly", "role": "test"}),
        ("chime", "observation", {"role": "test"}),
        ("dsa", "observation", {"trigname": "260301aaaa_inj0"}),
        ("ligo", "observation", {"GraceID": "MS260301ab", "AlertType": "EarlyWarning"}),
        ("ligo", "observation", {"GraceID": "TS260301ab"}),
        ("lsst", "test", {}),
    ],
)
def test_a_test_is_never_promoted(slot: str, command: str, args: dict[str, Any]) -> None:
    assert put(slot, command, **args).role is Role.TEST


def test_each_put_is_an_alert_of_its_own_and_the_same_put_the_same() -> None:
    args = {"id": "123", "dm": 5}
    first, again = (from_slot("chime", "observation", MJD, args, "") for _ in range(2))
    later = from_slot("chime", "observation", MJD + 1, args, "")
    assert first == again
    assert (first.event_id, first.alert_id != later.alert_id) == (later.event_id, True)
    ivorn = "ivo://ca.chimenet.frb/FRB-DETECTION-#2026"
    assert put("chime", id=ivorn).event_id == ivorn  # the name that ties it to its VOEvent
    assert from_slot("gcn", "observation", MJD, {}, "WXT").instrument == "WXT"


@pytest.mark.parametrize(
    ("slot", "args", "loc"),
    [
        ("chime", {"dm": "high"}, ("args", "dm")),
        ("chime", {"DM": math.nan}, ("args", "DM")),
        ("chime", {"dm": math.inf}, ("args", "dm")),
        ("chime", {"dm": "inf"}, ("args", "dm")),
        ("chime", {"dm": True}, ("args", "dm")),
        ("chime", {"dm": [1]}, ("args", "dm")),
        ("chime", {"dm": -1}, ("args", "dm")),
        ("chime", {"dm": 10**400}, ("args", "dm")),
        ("chime", {"position": "361,0,0.1"}, ("args", "position", "ra")),
        ("chime", {"position": "10,91,0.1"}, ("args", "position", "dec")),
        ("chime", {"position": "10,nan,0.1"}, ("args", "position", "dec")),
        ("chime", {"position": "10,20,-1"}, ("args", "position", "error_deg")),
        ("chime", {"position": "10"}, ("args", "position")),
        ("chime", {"position": [10, 20]}, ("args", "position")),
        ("chime", {"id": {"a": 1}}, ("args", "id")),
        ("chime", {"id": "a\nb"}, ("args", "id")),
        ("chime", {"id": "x" * 201}, ("args", "id")),
        ("chime", {"toa": "noon"}, ("args", "toa")),
        ("chime", {"toa": True}, ("args", "toa")),
        ("chime", {"toa": 1e300}, ("args", "toa")),
        ("chime", {"toa": math.nan}, ("args", "toa")),
        ("dsa", {"ra": 10.0}, ("args", "dec")),
        ("dsa", {"RA": 400, "Dec": 0}, ("args", "RA")),
        ("ligo", {"FAR": "often"}, ("args", "FAR")),
        ("ligo", {"BNS": "1.5"}, ("args", "BNS")),
        ("flarescope", {"duration": 60, "ra": 1, "dec": 1}, ("args", "start")),
        ("flarescope", {"start": MJD, "ra": 1, "dec": 1}, ("args", "duration")),
    ],
)
def test_a_faulty_arg_is_named_as_it_was_written(
    slot: str, args: dict[str, Any], loc: tuple[str, ...]
) -> None:
    with pytest.raises(Unreadable) as caught:
        put(slot, **args)
    assert [reason.loc for reason in caught.value.reasons] == [loc]


@pytest.mark.parametrize(
    ("command", "mjd", "loc"),
    [("retraction", MJD, "command"), ("test", math.nan, "command_mjd"), ("test", 1e300, "command_mjd")],
)
def test_a_faulty_command(command: str, mjd: float, loc: str) -> None:
    with pytest.raises(Unreadable) as caught:
        from_slot("chime", command, mjd, {}, "")
    assert caught.value.reasons[0].loc == (loc,)


values = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.lists(st.integers())
)
names = st.sampled_from(
    ["dm", "DM", "toa", "position", "id", "event_no", "known", "RA", "dec", "FAR", "BNS", "HasNS", "NSBH",
     "Terrestrial", "GraceID", "AlertType", "start", "duration", "role", "name", "trigname"]
)  # fmt: skip


@given(
    st.sampled_from(["chime", "casm", "dsa", "ligo", "gcn", "flarescope", "lsst"]),
    st.sampled_from(["observation", "event", "test", "?"]),
    st.floats(),
    st.dictionaries(names | st.text(max_size=3), values, max_size=5),
)
def test_any_args(slot: str, command: str, mjd: float, args: dict[str, Any]) -> None:
    try:
        alert: Alert | None = from_slot(slot, command, mjd, args, "")
    except Unreadable:
        alert = None
    if alert is not None:
        json.dumps(to_slot(alert, acted_on=True)[1], allow_nan=False)


# The other way: alerts as clients of today find them.


def test_chime_for_clients_of_today(detection: str) -> None:
    command, args = to_slot(read(detection.encode()), acted_on=True)
    assert command == "observation"
    # Today's clients: position.split(",") into three, float(dm), args["id"].
    assert [float(part) for part in args["position"].split(",")] == [346.75, 12.625, 0.625]
    assert (args["dm"], args["id"], args["event_no"]) == (279.5, "123456789", "123456789")
    assert (args["ra"], args["dec"]) == (346.75, 12.625)
    assert args["toa"] == "2026-03-01T12:00:00.250000Z"
    assert "known" not in args


def test_ligo_for_clients_of_today(gw: Changed) -> None:
    command, args = to_slot(read(gw()), acted_on=True)
    assert command == "observation"
    assert {name: args[name] for name in ("FAR", "BNS", "HasNS", "Terrestrial", "GraceID", "AlertType")} == {
        "FAR": "1.5e-10",
        "BNS": "0.95",
        "HasNS": "1.0",
        "Terrestrial": "0.01",
        "GraceID": "S260301ab",
        "AlertType": "Preliminary",
    }
    assert to_slot(read(gw(alert_type="EARLYWARNING")), acted_on=True)[1]["AlertType"] == "EarlyWarning"


def test_only_news_is_an_observation_to_clients_that_act_on_every_one(
    gw: Changed, chime: Changed, retraction: str
) -> None:
    for raw, word in (
        (gw(superevent_id="MS260301ab"), "test"),
        (gw(alert_type="RETRACTION", event=None), "retraction"),
        (gw(alert_type="UPDATE"), "update"),
        (chime(alert_type="update"), "update"),
        (chime(alert_type="retraction"), "retraction"),
        (chime(alert_tense="test"), "test"),
        (retraction.encode(), "retraction"),
    ):
        assert to_slot(read(raw), acted_on=True)[0] == word
    assert to_slot(read(gw()), acted_on=False)[0] == "event"


def test_gcn_for_clients_of_today() -> None:
    schema = "https://gcn.nasa.gov/schema/main/gcn/notices/einstein_probe/wxt/alert.schema.json"
    raw = {"$schema": schema, "instrument": "WXT", "id": ["7"], "ra": 10.5, "dec": 20.25, "image_snr": 8}
    command, args = to_slot(read(json.dumps(raw | {"ra_dec_error": 0.5}).encode()), acted_on=True)
    assert command == "observation"
    # Today's receiver writes these four, the duration always the same.
    today = {
        "duration": 3600,
        "position": "10.5,20.25,0.5",
        "instrument": "WXT",
        "mission": "Einstein Probe",
    }
    assert args | today == args
    assert put("gcn", **args).localization == Localization(ra=10.5, dec=20.25, error_deg=0.5)


def test_a_position_without_error_still_splits_into_three() -> None:
    alert = put("chime", position="29.5,65.75", dm=5)
    assert to_slot(alert, acted_on=True)[1]["position"] == "29.5,65.75,0"


def test_what_stands_in_a_slot_reads_as_the_same_event() -> None:
    """Every sample, written to its slot and read back as a PUT of today."""
    for sample in samples(NOON):
        if sample.name == "gw-malformed":
            continue
        alert = read(sample.raw)
        command, args = to_slot(alert, acted_on=True)
        json.dumps(args, allow_nan=False)
        assert all(isinstance(value, (str, int, float)) for value in args.values())
        if command in ("update", "retraction"):
            continue
        back = from_slot(alert.source, command, MJD, args, "")
        assert (back.role is Role.TEST) == (command == "test")
        if alert.source != "flarescope":
            assert back.event_id == alert.event_id
        if alert.event_time is not None:
            assert back.event_time == alert.event_time
        if alert.localization is not None:
            assert back.localization is not None
            assert (back.localization.ra, back.localization.dec) == (
                alert.localization.ra,
                alert.localization.dec,
            )
        if alert.frb is not None and back.frb is not None:
            assert (back.frb.dm, back.frb.known_source) == (alert.frb.dm, alert.frb.known_source)
        if alert.gw is not None and back.gw is not None:
            assert back.gw.far == alert.gw.far
            assert back.gw.classification == alert.gw.classification
        if alert.request is not None:
            assert back.request == alert.request

"""GCN's unified JSON notices of every mission; messages are made up by the published schemas."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ovro_alert.alert import Alert, AlertType, Localization, Role, Transient
from ovro_alert.formats import Unreadable, read

SWIFT: dict[str, Any] = {
    "mission": "SWIFT",
    "instrument": "BAT",
    "alert_datetime": "2026-03-01T12:00:20.5Z",
    "alert_tense": "current",
    "alert_type": "update",
    "trigger_time": "2026-03-01T12:00:00.25Z",
    "id": "1300001",
    "ra": 124.625,
    "dec": 33.5,
    "ra_dec_error": 0.05,
    "classification": {"GRB": 0.75, "unknown": 0.25, "known": None},
    "rate_snr": 13.5,
    "rate_duration": 0.256,
    "rate_energy_range": [15, 350],
    "image_snr": None,
    "image_energy_range": None,
    "properties": None,
    "T90": None,
    "systematic_included": False,
    "star_tracker_locked": True,
}


def notice(of: str, /, **fields: Any) -> bytes:
    schema = f"https://gcn.nasa.gov/schema/v7.2.3/gcn/notices/{of}.schema.json"
    return json.dumps({"$schema": schema} | fields).encode()


def swift(**changes: Any) -> Alert:
    return read(notice("swift/bat/position", **(SWIFT | changes)))


def transient(alert: Alert) -> Transient:
    assert alert.transient is not None
    return alert.transient


def test_every_field_of_the_core_schema() -> None:
    alert = swift(far=1e-5, p_astro=0.5, messenger="EM", image_snr=7.5, event_name=["GRB 260301A", "x"])
    assert (alert.source, alert.mission, alert.instrument) == ("gcn", "Swift", "BAT")
    assert alert.event_id == "swift-1300001"
    assert alert.alert_id.startswith("swift-1300001-update-")
    assert (alert.role, alert.alert_type) == (Role.OBSERVATION, AlertType.UPDATE)
    assert alert.event_time == datetime(2026, 3, 1, 12, 0, 0, 250000, tzinfo=UTC)
    assert alert.sent == datetime(2026, 3, 1, 12, 0, 20, 500000, tzinfo=UTC)
    assert alert.name == "GRB 260301A"
    assert alert.localization == Localization(ra=124.625, dec=33.5, error_deg=0.05, containment=0.9)
    assert alert.transient == Transient(
        messenger="EM",
        energy_range_kev=(15, 350),
        rate_snr=13.5,
        rate_duration=0.256,
        image_snr=7.5,
        far=1e-5,
        p_astro=0.5,
        classification={"GRB": 0.75, "unknown": 0.25},
    )
    assert (alert.frb, alert.gw, alert.request) == (None, None, None)
    assert alert.description == "The error is only the statistical one."


def test_null_is_the_same_as_absent() -> None:
    kept = {"mission", "id"}
    empty = {name: None for name in SWIFT if name not in kept}
    alert = swift(**empty)
    assert alert.alert_type is AlertType.INITIAL
    assert alert.role is Role.OBSERVATION
    assert (alert.event_time, alert.sent, alert.localization) == (None, None, None)
    assert alert.transient == Transient()
    assert alert.instrument == "BAT"  # its schema's folder says so
    assert alert.description == ""


def test_a_notice_repeated_is_one_alert_and_a_changed_one_another() -> None:
    again = read(
        json.dumps(dict(reversed(json.loads(notice("swift/bat/position", **SWIFT)).items()))).encode()
    )
    assert again == swift()
    assert swift(rate_snr=13.75).alert_id != swift().alert_id
    assert swift(rate_snr=13.75).event_id == swift().event_id


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ("1300001", ["swift-1300001"]),
        (1300001, ["swift-1300001"]),
        (["1300001"], ["swift-1300001"]),
        ([1300001, "", None, "bn260301500"], ["swift-1300001", "swift-bn260301500"]),
    ],
)
def test_the_identifier_in_every_shape(said: object, names: list[str]) -> None:
    alert = swift(id=said)
    assert [alert.event_id, *alert.event_names] == names


@pytest.mark.parametrize("said", [None, "", [], [None, ""]])
def test_without_an_identifier_each_notice_is_an_event_of_its_own(said: object) -> None:
    first, second = swift(id=said), swift(id=said, ra=125.0)
    assert first.event_id.startswith("swift-")
    assert first.event_id != second.event_id
    assert first == swift(id=said)


@pytest.mark.parametrize("alert_type", ["update", "retraction"])
@pytest.mark.parametrize(
    ("of", "fields"),
    [
        ("einstein_probe/wxt/alert", {"id": ["01708973486"]}),
        ("fermi/gbm/trigger", {"id": ["745121685", "bn260301500"]}),
        ("swift/bat/Guano", {"id": ["794215995"]}),
        ("svom/trigger", {"id": ["sb26030101"]}),
        ("maxi/gsc.unknown", {"id": "0858800020"}),
        ("icecube/single_neutrino_alerts", {"id": ["137840_57034692"]}),
        ("tomorrow/alert", {"id": "7"}),
    ],
)
def test_what_follows_is_tied_to_its_event(of: str, fields: dict[str, Any], alert_type: str) -> None:
    first = read(notice(of, **fields, ra=10.5, dec=5.25, rate_snr=8))
    then = read(notice(of, **fields, alert_type=alert_type, rate_snr=8))
    assert (first.alert_type, then.alert_type) == ("initial", alert_type)
    assert then.event_id == first.event_id
    assert then.alert_id != first.alert_id
    # A retraction's numbers would be of what it takes back.
    assert (then.transient is None) == (alert_type == "retraction")


def test_the_instruments_of_swift_share_their_trigger() -> None:
    xrt = read(
        notice("swift/xrt/position", mission="SWIFT", instrument="XRT", id=1300001, ra_dec_error=0.0014)
    )
    uvot = read(notice("swift/uvot/position", mission="SWIFT", instrument="UVOT", id="1300001"))
    assert xrt.event_id == uvot.event_id == swift().event_id
    assert (xrt.instrument, uvot.instrument) == ("XRT", "UVOT")


@pytest.mark.parametrize(
    ("tense", "role"),
    [
        ("current", Role.OBSERVATION),
        ("archival", Role.OBSERVATION),
        ("planned", Role.PREDICTION),
        ("commanded", Role.UTILITY),
        ("injection", Role.TEST),
        ("test", Role.TEST),
        ("mock", Role.TEST),
    ],
)
def test_tenses(tense: str, role: Role) -> None:
    assert swift(alert_tense=tense).role is role


@pytest.mark.parametrize(
    "of",
    ["icecube/test/gold_bronze_track_alerts", "superk/sn_alert.test", "burstcube/Test", "km3net/test/medal"],
)
def test_a_topic_for_tests_carries_tests(of: str) -> None:
    assert read(notice(of, id="1", alert_tense="current")).role is Role.TEST


@pytest.mark.parametrize(
    ("said", "containment", "error", "holds"),
    [
        (0.5, ..., 0.5, 0.9),  # the core schema's default
        (0.5, 0.68, 0.5, 0.68),
        ([0.25], ..., 0.25, 0.9),
        ([0.25, 0.5, 153], 0.95, 0.5, 0.95),  # the third is a position angle
        (None, 0.95, None, None),
        (0, ..., 0, 0.9),
    ],
)
def test_the_error_of_the_place(said: object, containment: object, error: object, holds: object) -> None:
    more = {} if containment is ... else {"containment_probability": containment}
    place = swift(ra_dec_error=said, **more).localization
    assert place is not None
    assert (place.error_deg, place.containment) == (error, holds)


@pytest.mark.parametrize(
    ("units", "kept"), [("keV", (15, 350)), (None, (15, 350)), ("MHz", None), ("nm", None)]
)
def test_energies_are_kept_where_they_are_kev(units: str | None, kept: object) -> None:
    assert transient(swift(spectral_band_units=units)).energy_range_kev == kept


def test_the_image_has_energies_too() -> None:
    found = transient(swift(rate_energy_range=None, image_energy_range=[4, 20], image_snr=25.5))
    assert (found.energy_range_kev, found.image_snr) == ((4, 20), 25.5)


def test_einstein_probe_has_neither_mission_nor_alert_type() -> None:
    raw = notice(
        "einstein_probe/wxt/alert",
        instrument="WXT",
        trigger_time="2026-03-01T21:46:05.13Z",
        id=["01708973486"],
        ra=120,
        dec=40,
        ra_dec_error=0.05,
        image_energy_range=[0.5, 4],
        net_count_rate=1,
        image_snr=8.5,
        additional_info="From an accumulated image.",
    )
    alert = read(raw)
    assert (alert.mission, alert.instrument) == ("Einstein Probe", "WXT")
    assert alert.alert_type is AlertType.INITIAL
    assert alert.event_id == "einstein_probe-01708973486"
    assert alert.localization == Localization(ra=120, dec=40, error_deg=0.05, containment=0.9)
    assert alert.transient == Transient(energy_range_kev=(0.5, 4), image_snr=8.5)
    assert alert.description == "From an accumulated image."


@pytest.mark.parametrize("field", ["subtype", "notice_subtype"])
def test_fermi_says_which_of_its_positions_it_is(field: str) -> None:
    alert = read(
        notice(
            "fermi/gbm/trigger",
            mission="Fermi",
            instrument="GBM",
            alert_type="update",
            id=["745121685", "bn260301500"],
            containment_probability=0.68,
            ra=136.875,
            dec=-78.125,
            ra_dec_error=8.25,
            systematic_included=True,
            classification={"GRB": 0.85, "GENERIC_SGR": 0.14},
            rate_duration=2.048,
            spectral_band_units="keV",
            **{field: "FLIGHT_POSITION"},
        )
    )
    assert (alert.stage, alert.event_id, alert.event_names) == (
        "FLIGHT_POSITION",
        "fermi-745121685",
        ("fermi-bn260301500",),
    )
    assert alert.localization == Localization(ra=136.875, dec=-78.125, error_deg=8.25, containment=0.68)
    assert transient(alert).classification == {"GRB": 0.85, "GENERIC_SGR": 0.14}
    assert alert.description == ""


def test_fermis_flares_have_no_number() -> None:
    flare = {"mission": "Fermi", "instrument": "LAT", "event_name": "OQ 334", "ra": 215.625, "dec": 32.375}
    first = read(notice("fermi/lat/flare", **flare, observation_start="2026-03-01T00:00:00.0", flux=1.2e-6))
    second = read(notice("fermi/lat/flare", **flare, observation_start="2026-04-01T00:00:00.0", flux=2e-6))
    assert first.name == second.name == "OQ 334"
    assert first.event_id != second.event_id  # the next flare of a source is not the same event


def test_guano_is_no_part_of_the_event_that_it_searched_for() -> None:
    guano = {"mission": "Swift", "instrument": "BAT-GUANO", "id": ["794215995"], "healpix_file": "aGVscA=="}
    alert = read(notice("swift/bat/Guano", **guano, follow_up_event="Fermi 794215970", follow_up_type="GRB"))
    assert (alert.event_id, alert.event_names) == ("swift-794215995", ())
    assert alert.localization is None
    assert alert.description == ("A sky map is in the notice. Searched for because of Fermi 794215970 (GRB).")


def test_a_swift_trigger_without_star_tracker_says_so() -> None:
    assert "probably not real" in swift(star_tracker_locked=False).description


@pytest.mark.parametrize(
    ("event_name", "known"), [(["M1"], "M1"), ("GRB 260301A", ""), (None, ""), (["GRB 260301A"], "")]
)
def test_svom_names_what_is_in_its_catalogue(event_name: object, known: str) -> None:
    alert = read(
        notice(
            "svom/trigger",
            instrument="ECLAIRs",
            alert_tense="test",
            alert_type="update",
            id=["sb26030101"],
            event_name=event_name,
            image_snr=25.5,
            image_energy_range=[4, 20],
            slew_status="accepted",
        )
    )
    assert (alert.mission, alert.instrument, alert.role) == ("SVOM", "ECLAIRs", Role.TEST)
    assert transient(alert).known_source == known
    assert alert.description == "Slew accepted."


def maxi(of: str = "maxi/gsc.unknown", **fields: Any) -> Alert:
    return read(notice(of, mission="MAXI", instrument="GSC", id="0858800020", ra=346.5, dec=18.5, **fields))


def test_maxi_has_names_of_its_own_for_time_scale_and_band() -> None:
    fields = {"detection_timescale": 10, "flux_spectral_band": [2, 4], "flux_spectral_unit": "keV"}
    assert transient(maxi(detection_timescale_units="s", **fields)) == Transient(
        rate_duration=10, energy_range_kev=(2, 4)
    )
    assert transient(maxi(detection_timescale_units="orbit", **fields)).rate_duration is None


def test_maxi_knows_a_source_or_does_not() -> None:
    assert transient(maxi("maxi/gsc.known", event_name="Swift J1858.6-0814")).known_source == (
        "Swift J1858.6-0814"
    )
    assert transient(maxi(event_name="GRB 260301A")).known_source == ""


def test_maxis_number_is_the_same_with_and_without_its_zeros() -> None:
    assert {maxi().event_id, *maxi().event_names} == {"maxi-0858800020", "maxi-858800020"}


def test_the_circle_around_maxis_rectangle() -> None:
    corners = [[346.5, 19.5], [346.5, 17.25], [346.25, 18.5], [346.75, 18.5]]
    place = maxi(rectangular_error_corners=corners).localization
    # Along the meridian the farthest corner is 1.25° away.
    assert place is not None
    assert (place.error_deg, place.containment) == (pytest.approx(1.25), 0.9)
    circle = maxi(rectangular_error_corners=corners, ra_dec_error=[0.25, 0.125, 153]).localization
    assert circle is not None
    assert circle.error_deg == 0.25


def test_the_circle_around_a_rectangle_across_0_h() -> None:
    raw = notice(
        "maxi/gsc.unknown", id="1", ra=359.75, dec=0, rectangular_error_corners=[[0.5, 0], [359.5, 0]]
    )
    place = read(raw).localization
    assert place is not None
    assert place.error_deg == pytest.approx(0.75)


def test_icecubes_single_neutrinos() -> None:
    fields = {
        "mission": "IceCube",
        "instrument": "IC86",
        "event_name": ["IceCube-260301A"],
        "alert_type": "update",
        "ra": 345.75,
        "dec": 9.25,
        "ra_dec_error": 0.5,
        "healpix_url": "https://example.org/map.fits",
        "nu_energy": 127.25,
        "far": 8e-8,
    }
    alert = read(
        notice(
            "icecube/single_neutrino_alerts",
            id=["137840_57034692"],
            p_astro=0.375,
            pipeline="Gold Track Alert",
            **fields,
        )
    )
    assert alert.event_id == "icecube-137840_57034692"
    assert alert.transient == Transient(messenger="Neutrino", energy_tev=127.25, p_astro=0.375, far=8e-8)
    assert alert.description == "Gold Track Alert. Sky map: https://example.org/map.fits"
    # As it was until v6: run and event apart, of which a run has many.
    old = read(
        notice(
            "icecube/gold_bronze_track_alerts",
            id=["137840", "57034692"],
            signalness=0.375,
            analysis_pipeline="Gold Track Alert",
            **fields,
        )
    )
    assert [old.event_id, *old.event_names] == [alert.event_id]
    assert (old.transient, old.description) == (alert.transient, alert.description)


SEARCH: dict[str, Any] = {
    "type": "IceCube LVK Alert Nu Track Search",
    "reference": {"gcn.notices.LVK.alert": "S260301ab-2-Update"},
    "ref_ID": "S260301ab",
    "alert_datetime": "2026-03-01T11:49:16.5Z",
    "trigger_time": "2026-03-01T11:14:01Z",
    "pval_generic": 0.0625,
    "pval_bayesian": 0.03125,
    "n_events_coincident": 2,
    "coincident_events": [
        {"event_dt": 12.9, "localization": {"ra": 17.5, "dec": 16.25}, "id": ["138590_39138551"]},
        {"event_dt": 222.5, "localization": {"ra": 13.75, "dec": 18.5}, "id": None},
    ],
    "most_probable_direction": {"ra": 17.5, "dec": 16.25},
}


def search(**changes: Any) -> Alert:
    return read(notice("icecube/lvk_nu_track_search", **(SEARCH | changes)))


def test_icecubes_search_belongs_to_the_wave_that_it_names() -> None:
    alert = search()
    assert alert.event_id == "icecube-S260301ab"
    assert "ligo-S260301ab" in alert.event_names  # as formats/igwn_gwalert.py names it
    assert (alert.mission, alert.stage, alert.role) == ("IceCube", "UPDATE", Role.OBSERVATION)
    assert alert.event_time == datetime(2026, 3, 1, 11, 14, 1, tzinfo=UTC)
    assert alert.localization == Localization(ra=17.5, dec=16.25)
    assert alert.transient == Transient(messenger="Neutrino", p_value=0.03125)
    assert alert.description == "Neutrinos found: 138590_39138551."


def test_icecubes_search_that_found_nothing() -> None:
    nothing = dict.fromkeys(["most_probable_direction", "coincident_events", "pval_bayesian", "reference"])
    alert = search(**nothing, n_events_coincident=0, ref_ID="S260301ab-2-Preliminary")
    assert alert.event_id == "icecube-S260301ab"
    assert alert.stage == "PRELIMINARY"
    assert alert.localization is None
    assert alert.transient == Transient(messenger="Neutrino", p_value=0.0625)
    assert search(most_probable_direction={"ra": None, "dec": None}).localization is None


def test_icecubes_search_in_a_direction_that_cannot_be() -> None:
    with pytest.raises(Unreadable, match=r"^most_probable_direction\.ra: must be less than 360"):
        search(most_probable_direction={"ra": 360, "dec": 16.25})
    with pytest.raises(Unreadable, match=r"^dec: is required beside the other coordinate"):
        search(most_probable_direction={"ra": 17.5})


@pytest.mark.parametrize("wave", ["MS260301ab", "TS260301ab"])
def test_the_search_for_a_mock_wave_is_a_test(wave: str) -> None:
    assert search(ref_ID=wave).role is Role.TEST


def test_any_missions_follow_up_has_the_name_of_what_it_follows() -> None:
    grb = read(notice("tomorrow/followup", ref_ID="bn260301500", ref_type="GRB"))
    assert (grb.event_id, grb.event_names, grb.role) == ("tomorrow-bn260301500", (), Role.OBSERVATION)
    own = read(notice("tomorrow/followup", id="7", ref_ID="S260301ab"))
    assert (own.event_id, own.event_names) == ("tomorrow-7", ())


def test_km3net() -> None:
    alert = read(notice("km3net/alert", mission="KM3NeT", id="2", p_value=0.0025, pipeline="orca_HE"))
    assert (alert.mission, alert.event_id) == ("KM3NeT", "km3net-2")
    assert alert.transient == Transient(messenger="Neutrino", p_value=0.0025)


@pytest.mark.parametrize(
    ("of", "fields", "mission", "event_id"),
    [
        ("tomorrow/deep/alert", {}, "tomorrow", "tomorrow-7"),
        ("tomorrow/alert", {"mission": "Tomorrow II"}, "Tomorrow II", "tomorrow-7"),
        ("core/Alert", {"mission": "Tomorrow II"}, "Tomorrow II", "tomorrow_ii-7"),
        ("Alert", {"mission": "SWIFT"}, "Swift", "swift-7"),
        ("classic/swift/alert", {}, "Swift", "swift-7"),
        ("core/Alert", {}, "gcn", "gcn-7"),
        ("core/Alert", {"mission": "天关"}, "天关", "gcn-7"),
    ],
)
def test_a_mission_that_nobody_knows(of: str, fields: dict[str, Any], mission: str, event_id: str) -> None:
    alert = read(notice(of, id="7", ra=10.5, dec=-5.25, rate_snr=9.5, what={"is": ["this"]}, **fields))
    assert (alert.source, alert.mission, alert.event_id) == ("gcn", mission, event_id)
    assert alert.localization == Localization(ra=10.5, dec=-5.25)
    assert transient(alert).rate_snr == 9.5


def test_words_of_one_mission_mean_nothing_in_another() -> None:
    alert = read(notice("tomorrow/alert", id="7", slew_status=True, nu_energy="high", p_value=[], subtype=3))
    assert alert.transient == Transient()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"alert_type": "new"}, "alert_type: must be 'initial'"),
        ({"alert_tense": "yesterday"}, "alert_tense: must be 'current'"),
        ({"trigger_time": "26-03-01T12:00:00Z"}, "trigger_time: must be an ISO 8601 time"),
        ({"ra": 360}, "ra: must be less than 360"),
        ({"dec": None}, "dec: is required beside the other coordinate"),
        ({"ra_dec_error": "0.5"}, "ra_dec_error: must be a valid number"),
        ({"containment_probability": 90}, "containment_probability: must be between 0 and 1"),
        ({"rate_energy_range": [15]}, "rate_energy_range.1: is required"),
        ({"rate_energy_range": [15, -350]}, "rate_energy_range.1: must be greater than or equal to 0"),
        ({"far": -1}, "far: must be greater than or equal to 0"),
        ({"classification": {"GRB": 2}}, "classification.GRB: must be between 0 and 1"),
        ({"classification": ["GRB"]}, "classification: must be a valid dictionary"),
        ({"id": [{"run": 1}]}, "id.0: must be a valid string"),
        ({"id": ["x"] * 21}, "id: must have at most 20 items"),
        ({"id": "a\nb"}, "id.0: must match pattern"),
        ({"mission": 7}, "mission: must be a valid string"),
    ],
)
def test_a_faulty_field_is_named(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        swift(**changes)
    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize(
    "schema",
    [
        "https://gcn.nasa.gov/schema/main/gcn/circulars.schema.json",
        "https://gcn.nasa.gov/schema/main/gcn/notices/",
        "https://gcn.nasa.gov/schema/main/xgcn/notices/swift/bat/position.schema.json",
        "https://gcn.nasa.gov/schema/main/gcn/notices/swift bat/position.schema.json",
        "gcn/notices/" + "x/" * 200 + "y",
        "gcn/notices/" * 100_000 + "!",  # a search from each of them to the end would take for ever
        "https://json-schema.org/draft/2020-12/schema",
    ],
)
def test_other_schemas_stay_unread(schema: str) -> None:
    with pytest.raises(Unreadable, match=r"^not a format that ovro-alert reads: a notice of"):
        read(json.dumps({"$schema": schema, "id": "7"}).encode())
    with pytest.raises(Unreadable, match=r"^\$schema: must be one of gcn/notices"):
        read(json.dumps({"$schema": schema, "id": "7"}).encode(), "gcn-notice")


PATHS = """
    swift/bat/Guano swift/xrt/position fermi/gbm/trigger einstein_probe/wxt/alert svom/trigger maxi/gsc.known
    maxi/gsc.unknown icecube/lvk_nu_track_search icecube/single_neutrino_alerts km3net/alert chime/frb
    dsa110/frb tomorrow/alert core/Alert
"""
paths = st.sampled_from(PATHS.split()) | st.from_regex(r"\A[A-Za-z0-9_./-]{1,40}\Z")
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(
        ["initial", "retraction", "test", "current", "s", "keV", "S260301ab", "MS260301ab-1-Update"]
    )
    | st.sampled_from(
        ["2026-03-01T12:00:00Z", "2026-03-01 12:00:00", "9999-12-31T23:59:59-14:00", "7", "007"]
    )
    | st.floats(0, 1)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["ra", "dec", "id", "gcn.notices.LVK.alert"]) | st.text(max_size=4), inner
        )
    ),
    max_leaves=8,
)
FIELDS = sorted(
    {*SWIFT, *SEARCH, "event_name", "p_value", "nu_energy", "far", "messenger", "dm", "healpix_url"}
)
MORE = ["rectangular_error_corners", "detection_timescale", "flux_spectral_band", "slew_status", "subtype"]
MORE += ["pipeline", "follow_up_event", "known_source", "spectral_band_units", "containment_probability"]
fields = st.dictionaries(st.sampled_from(FIELDS + MORE) | st.text(max_size=8), values, max_size=8)


@settings(max_examples=400, deadline=None)
@given(paths, fields, st.booleans())
@example(
    "maxi/gsc.unknown", {"id": "000", "ra": 0, "dec": 90, "rectangular_error_corners": [[1e308, -90]]}, True
)
@example("core/Alert", {"mission": "x" * 300}, False)
def test_any_object_is_an_alert_or_unreadable(path: str, said: dict[str, Any], whole: bool) -> None:
    raw = notice(path, **((SWIFT if whole else {}) | {k: v for k, v in said.items() if k != "$schema"}))
    with suppress(Unreadable):
        alert = read(raw)
        assert alert.alert_id.startswith(alert.event_id)
        assert Alert.model_validate_json(alert.model_dump_json()) == alert

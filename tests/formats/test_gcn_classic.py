"""GCN's classic VOEvents, mission by mission, in the shapes that its own documents and archives show."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from ovro_alert.alert import Alert, AlertType, Localization, Role, Transient
from ovro_alert.formats import Unreadable, read
from tests.formats.classic import classic

GCN = "ivo://nasa.gsfc.gcn/"
PLACE = (330.2169, -9.167, 0.05)
BAT: dict[str, Any] = {
    "Packet_Type": 61,
    "TrigID": 1423875,
    "Segment_Num": 0,
    "Burst_TJD": 21023,
    "Burst_SOD": 32537.54,
    "Integ_Time": "0.256",
    "Rate_Signif": "22.02",
    "Image_Signif": "8.62",
    "SC_Lat": "634.91",  # no latitude, and none of ours
    "Coords_Type": 1,
    "Coords_String": "source_object",
}
STATUS = {"Point_Source": "true", "GRB_Identified": "true", "Def_NOT_a_GRB": "false",
          "StarTrack_Lost_Lock": "false", "Test_Submission": "false"}  # fmt: skip


def bat(status: dict[str, str] | None = None, **changes: Any) -> bytes:
    """A position by Swift's BAT, with some things said otherwise."""
    said: dict[str, Any] = {"place": PLACE, "name": "GRB 260301", "description": "Type=61", **changes}
    params = BAT | said.pop("params", {})
    return classic(
        said.pop("ivorn", f"{GCN}SWIFT#BAT_GRB_Pos_1423875-311"),
        {name: value for name, value in params.items() if value is not None},
        groups={"Solution_Status": STATUS | (status or {})},
        **said,
    )


def test_every_field() -> None:
    assert read(bat()) == Alert(
        alert_id="ivo://nasa.gsfc.gcn/SWIFT#BAT_GRB_Pos_1423875-311",
        event_id="swift-1423875",
        source="gcn",
        mission="Swift",
        instrument="BAT",
        role=Role.OBSERVATION,
        alert_type=AlertType.INITIAL,
        stage="BAT_GRB_Pos",
        name="GRB 260301",
        event_time=datetime(2026, 3, 1, 12, 0, 0, 250000, tzinfo=UTC),
        sent=datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC),
        localization=Localization(ra=330.2169, dec=-9.167, error_deg=0.05, containment=0.9),
        transient=Transient(messenger="EM", rate_snr=22.02, rate_duration=0.256, image_snr=8.62),
        description="Type=61",
    )


def test_the_format_by_its_name_and_only_its_own_authors() -> None:
    assert read(bat(), "gcn-classic-voevent") == read(bat())
    with pytest.raises(
        Unreadable, match=r"^ivorn: must begin with ivo://nasa\.gsfc\.gcn/ or ivo://org\.svom/"
    ):
        read(bat(ivorn="ivo://org.example/bursts#1"), "gcn-classic-voevent")
    with pytest.raises(Unreadable, match=r"a VOEvent of 'ivo://org\.example/bursts'"):
        read(bat(ivorn="ivo://org.example/bursts#1"))


@pytest.mark.parametrize(
    ("status", "role", "changes", "expected"),
    [
        ({}, "test", {}, Role.TEST),
        ({}, "utility", {}, Role.UTILITY),
        ({}, "prediction", {}, Role.PREDICTION),
        ({"Test_Submission": "true"}, "observation", {}, Role.TEST),
        ({}, "test", {"ivorn": f"{GCN}MAXI#Test_Pos_2026-03-01T12:00:00.00_599999-0-370"}, Role.TEST),
    ],
)
def test_roles(status: dict[str, str], role: str, changes: dict[str, Any], expected: Role) -> None:
    assert read(bat(status, role=role, **changes)).role is expected


ALERT = f"{GCN}Fermi#GBM_Alert_2026-03-01T12:00:00.25_794059205_1-651"
FLIGHT = f"{GCN}Fermi#GBM_Flt_Pos_2026-03-01T12:00:00.25_794059205_46-276"
FINAL = f"{GCN}Fermi#GBM_Fin_Pos2026-03-01T12:00:00.25_794059205_0-692"


def test_the_story_of_a_gbm_trigger() -> None:
    """Alert without a place, flight position with classes, final position: one event of three names."""
    heads_up = read(
        classic(
            ALERT,
            {
                "TrigID": 794059205,
                "Trig_Signif": "4.5",
                "Trig_Dur": "2.048",
                "Lo_Chan_Energy": 47,
                "Hi_Chan_Energy": 291,
                "Coords_Type": 0,
                "Coords_String": "unavailable/inappropriate",
            },
            place=(0.0, 0.0, 0.0),
        )
    )
    assert heads_up.localization is None
    assert (heads_up.alert_type, heads_up.stage) == (AlertType.INITIAL, "GBM_Alert")
    assert heads_up.transient == Transient(
        messenger="EM", rate_snr=4.5, rate_duration=2.048, energy_range_kev=(47, 291)
    )
    flight = read(
        classic(
            FLIGHT,
            {
                "TrigID": 794059205,
                "Trig_Timescale": "0.256",
                "Data_Timescale": "0.512",
                "Data_Signif": "48.60",
                "Most_Likely_Index": 4,
                "Most_Likely_Prob": 94,
                "Sec_Most_Likely_Index": 7,
                "Sec_Most_Likely_Prob": 4,
            },
            place=(241.6167, 48.4167, 4.7333),
            cites=[("followup", ALERT)],
        )
    )
    assert flight.localization == Localization(ra=241.6167, dec=48.4167, error_deg=4.7333, containment=0.68)
    assert flight.transient == Transient(
        messenger="EM",
        rate_snr=48.6,
        rate_duration=0.512,
        classification={"GRB": 0.94, "DISTANT_PARTICLES": 0.04},
    )
    final = read(
        classic(
            FINAL,
            {"TrigID": 794059205, "Burst_Signif": "0.00", "Data_Integ": "0.000", "Lo_Energy": 44032},
            place=(252.03, -19.76, 3.38),
            cites=[("followup", ALERT)],
        )
    )
    assert final.transient == Transient(messenger="EM")  # a packet's zeros are no measurements
    assert [one.stage for one in (flight, final)] == ["GBM_Flt_Pos", "GBM_Fin_Pos"]
    assert {one.event_id for one in (heads_up, flight, final)} == {"fermi-794059205"}
    assert {one.alert_type for one in (flight, final)} == {AlertType.UPDATE}
    assert {one.instrument for one in (heads_up, flight, final)} == {"GBM"}


def test_an_open_energy_band_is_no_band() -> None:
    params = {"TrigID": 5, "Trig_Signif": "5.9", "Lo_Chan_Energy": 291, "Hi_Chan_Energy": "infinity"}
    alert = read(classic(ALERT, params))
    assert alert.transient is not None
    assert (alert.transient.energy_range_kev, alert.transient.rate_snr) == (None, 5.9)


def test_lat_whose_trigger_time_is_garbage_where_gcn_wrote_it_first() -> None:
    """As sent on 2026-02-26: a year −9130 in the name, the time in WhereWhen right."""
    ivorn = f"{GCN}Fermi#LAT_Initial_Pos_2026-01--9130T00:00:00.00_793795104_0-086"
    alert = read(classic(ivorn, {"TrigID": 793795104, "Burst_TJD": 11910}, place=(42.2333, 8.0, 0.5)))
    assert (alert.event_id, alert.instrument, alert.stage) == ("fermi-793795104", "LAT", "LAT_Initial_Pos")
    assert alert.localization == Localization(ra=42.2333, dec=8.0, error_deg=0.5)
    assert alert.event_time == datetime(2026, 3, 1, 12, 0, 0, 250000, tzinfo=UTC)


@pytest.mark.parametrize(("instrument", "error"), [("XRT", 0.0014), ("UVOT", 0.0002)])
def test_what_only_looks_at_another_s_trigger_updates_it(instrument: str, error: float) -> None:
    ivorn = f"{GCN}SWIFT#{instrument}_Pos_1423875-123"
    alert = read(classic(ivorn, {"TrigID": 1423875}, place=(74.751, -9.3095, error)))
    assert (alert.event_id, alert.instrument) == ("swift-1423875", instrument)
    assert alert.alert_type is AlertType.UPDATE
    assert alert.localization == Localization(ra=74.751, dec=-9.3095, error_deg=error, containment=0.9)


def test_a_flaring_star_of_the_catalogue_by_an_image() -> None:
    """An image of 320 s: that is no duration of anything in the sky."""
    alert = read(
        bat(
            {"GRB_Identified": "false"}, params={"Rate_Signif": "0.00", "Integ_Time": "320.0"}, name="HD 8357"
        )
    )
    assert alert.transient == Transient(messenger="EM", image_snr=8.62, known_source="HD 8357")
    assert alert.name == "HD 8357"


@pytest.mark.parametrize(
    "changes",
    [
        {"status": {"Def_NOT_a_GRB": "true"}},
        {"params": {"Retraction": "1"}},
        {"cites": [("retraction", f"{GCN}SWIFT#BAT_GRB_Pos_1423875-100")]},
    ],
)
def test_retractions(changes: dict[str, Any]) -> None:
    alert = read(bat(**changes))
    assert alert.alert_type is AlertType.RETRACTION
    assert alert.event_id == "swift-1423875"
    assert alert.transient is None  # what it measured is taken back
    assert alert.event_names == tuple(cited for _, cited in changes.get("cites", ()))


def test_flags_that_say_no_retract_nothing() -> None:
    assert read(bat({"Def_NOT_a_GRB": "0"}, params={"Retraction": "false"})).alert_type is AlertType.INITIAL


def test_a_star_tracker_without_its_lock_is_said() -> None:
    alert = read(bat({"StarTrack_Lost_Lock": "true"}))
    assert alert.description == "Type=61 The star tracker was not locked: probably not real."


@pytest.mark.parametrize(
    ("place", "coords", "found"),
    [
        ((0.0, 0.0, 0.0), "source_object", None),
        ((0.0, 0.0, 0.0), None, None),
        ((999.0, -999.0, 0.0), "source_object", None),
        ((10.0, 20.0, 3.0), "unavailable/inappropriate", None),
        ((10.0, 20.0, 3.0), "pointing_direction", None),  # of the spacecraft
        ((0.0, 0.0, 0.05), "source_object", Localization(ra=0, dec=0, error_deg=0.05, containment=0.9)),
        ((0.0, 20.0, 0.0), "source_object", Localization(ra=0, dec=20)),
        ((10.0, 20.0, -1.0), "source_object", Localization(ra=10, dec=20)),
    ],
)
def test_what_stands_for_unknown_is_no_place(
    place: tuple[float, float, float], coords: str | None, found: Localization | None
) -> None:
    assert read(bat(params={"Coords_String": coords}, place=place)).localization == found


def test_svom() -> None:
    """ECLAIRs by image, GRM by rate without a place, MXT later, all of one burst; one retracts all."""
    burst = "ivo://org.svom/fsc#sb26030101_"

    def svom(kind: str, instrument: str, detection: dict[str, Any], **changes: Any) -> Alert:
        groups = {"Svom_Identifiers": {"Burst_Id": "sb26030101"}, "Detection_Info": detection}
        params = {"Packet_Type": 202, "Instrument": instrument}
        return read(classic(burst + kind, params, groups=groups, system="UTC-ICRS-GEO", **changes))

    band = {"Lower_Energy_Bound": 8, "Upper_Energy_Bound": 120}
    grm = svom("grm-trigger", "GRM", band | {"SNR": "9.2", "Timescale": "4.0"})
    eclairs = svom(
        "eclairs-wakeup",
        "ECLAIRs",
        band | {"SNR": "6.64", "Timescale": "81.92", "Trigger_Type": "IMT"},
        place=(337.5347, -0.3918, 0.1962),
    )
    mxt = svom("mxt-initial_qf1", "MXT", {"SNR": "42.00"}, cites=[("followup", burst + "eclairs-wakeup")])
    both = [("retraction", burst + "grm-trigger"), ("retraction", burst + "eclairs-wakeup")]
    gone = svom("retraction", "ECLAIRs", {"SNR": "6.64"}, cites=both)
    assert {one.event_id for one in (grm, eclairs, mxt, gone)} == {"svom-sb26030101"}
    assert {(one.source, one.mission) for one in (grm, eclairs, mxt, gone)} == {("gcn", "SVOM")}
    assert [one.stage for one in (grm, eclairs, mxt)] == ["grm-trigger", "eclairs-wakeup", "mxt-initial_qf1"]
    assert [one.alert_type for one in (grm, eclairs, mxt, gone)] == [
        "initial",
        "initial",
        "update",
        "retraction",
    ]
    assert grm.localization is None
    assert grm.transient == Transient(
        messenger="EM", rate_snr=9.2, rate_duration=4.0, energy_range_kev=(8, 120)
    )
    assert eclairs.localization == Localization(ra=337.5347, dec=-0.3918, error_deg=0.1962, containment=0.9)
    assert eclairs.transient == Transient(messenger="EM", image_snr=6.64, energy_range_kev=(8, 120))
    assert mxt.transient == Transient(messenger="EM", image_snr=42.0)
    assert gone.event_names == (burst + "grm-trigger", burst + "eclairs-wakeup")


def test_svom_grm_with_three_detectors_has_a_place_without_an_error() -> None:
    ivorn, params = (
        "ivo://org.svom/fsc#sb26030101_grm-trigger",
        {"Instrument": "GRM", "Burst_Id": "sb26030101"},
    )
    assert read(classic(ivorn, params, place=(12.0, 34.0, -1.0))).localization == Localization(ra=12, dec=34)


def icecube(revision: int, params: dict[str, Any], **changes: Any) -> Alert:
    name = f"ICECUBE_GOLD_Event2026-03-01T12:00:00.25_24_137840_057034692_{revision}"
    numbers = {"Stream": 24, "Rev": revision, "run_id": 137840, "event_id": 57034692, "AMON_ID": 9}
    return read(classic(f"{GCN}AMON#{name}", numbers | params, place=(345.82, 9.01, 0.3), **changes))


def test_icecube_by_run_and_event_as_its_unified_notices() -> None:
    first = icecube(
        0, {"signalness": "0.34064", "FAR": "2.534", "energy": "127.29", "pvalue": 0, "src_error_90": "0.5",
            "src_error_50": "0.2"}
    )  # fmt: skip
    assert (first.mission, first.event_id) == ("IceCube", "icecube-137840_57034692")
    assert (first.alert_type, first.stage) == (AlertType.INITIAL, "ICECUBE_GOLD_Event")
    assert first.localization == Localization(ra=345.82, dec=9.01, error_deg=0.5, containment=0.9)
    assert first.transient is not None
    assert first.transient.messenger == "Neutrino"
    assert first.transient.far == pytest.approx(8.03e-8, rel=1e-3)  # 2.534 a year
    assert (first.transient.p_astro, first.transient.energy_tev) == (0.34064, 127.29)
    assert first.transient.p_value is None  # 0 means not available
    revised = icecube(1, {"src_error_50": "0.2"})
    assert (revised.event_id, revised.alert_type) == (first.event_id, AlertType.UPDATE)
    assert revised.localization == Localization(ra=345.82, dec=9.01, error_deg=0.2, containment=0.5)


def test_maxi() -> None:
    ivorn = f"{GCN}MAXI#Known_source_Pos_2026-03-01T12:00:00.00_8346898070-0-894"
    alert = read(classic(ivorn, {"TrigID": 8346898070, "SourceName": "Cyg X-1"}, place=(299.6, 35.2, 0.5)))
    assert (alert.mission, alert.event_id, alert.stage) == ("MAXI", "maxi-8346898070", "Known_source_Pos")
    assert alert.localization == Localization(ra=299.6, dec=35.2, error_deg=0.5, containment=0.9)
    assert alert.transient == Transient(messenger="EM", known_source="Cyg X-1")


@pytest.mark.parametrize(("number", "role"), [(20, Role.OBSERVATION), (100000020, Role.TEST)])
def test_gecam_tells_tests_by_the_number(number: int, role: Role) -> None:
    """Its hour has been 569."""
    ivorn = f"{GCN}GECAM#GND_Event_2024-01-12T569:03:04.96_000020-810"
    alert = read(
        classic(ivorn, {"Trigger_Number": number}, place=(10.0, 20.0, 5.0), when="2024-01-12T569:03:04.96")
    )
    assert (alert.event_id, alert.role, alert.event_time) == (f"gecam-{number}", role, None)
    assert alert.localization == Localization(ra=10, dec=20, error_deg=5)


def test_a_mission_that_nobody_knows_yet() -> None:
    """What VOEvent itself says; its own Params may mean anything."""
    alert = read(
        classic(
            f"{GCN}NewSat_2#Burst_Pos_77-1",
            {"TrigID": 77, "SNR": "high", "Energy": "0.3-10 keV", "Instrument": "WFI"},
            place=(10.0, 20.0, 0.1),
            cites=[("supersedes", f"{GCN}NewSat_2#Burst_Pos_77-0")],
            name="X",
        )
    )
    assert (alert.source, alert.mission, alert.instrument) == ("gcn", "NewSat_2", "WFI")
    assert (alert.event_id, alert.event_names) == ("newsat_2-77", (f"{GCN}NewSat_2#Burst_Pos_77-0",))
    assert (alert.alert_type, alert.stage, alert.name) == (AlertType.UPDATE, "Burst_Pos", "X")
    assert alert.localization == Localization(ra=10, dec=20, error_deg=0.1)
    assert alert.transient == Transient(known_source="X")


@pytest.mark.parametrize("label", [{}, {"TrigID": "0"}, {"TrigID": "000000"}])
def test_what_has_no_number_of_its_own_is_an_event_of_its_own(label: dict[str, str]) -> None:
    ivorn = f"{GCN}Fermi#Point_Dir_2026-03-01T12:00:00.00_000000-0-274"
    assert read(classic(ivorn, label, role="utility")).event_id == ivorn


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"params": {"Rate_Signif": "strong"}}, "What.rate_signif: must be a valid number"),
        ({"params": {"Rate_Signif": "1e999"}}, "What.rate_signif: must be a finite number"),
        (
            {"params": {"Most_Likely_Index": 4, "Most_Likely_Prob": 940}},
            "What.most_likely_prob: must be less",
        ),
        ({"params": {"TrigID": "1" * 300}}, "What.trigid: must have at most 200 characters"),
        ({"place": (361.0, 0.0, 1.0)}, "WhereWhen.ra: must be less than 360"),
        ({"place": (10.0, 90.5, 1.0)}, "WhereWhen.dec: must be less than or equal to 90"),
        ({"system": "UTC-GEOD-TOPO"}, "WhereWhen.coord_system_id: must be UTC and FK5 or ICRS"),
    ],
)
def test_a_faulty_parameter_is_named(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(bat(**changes))
    assert str(caught.value).startswith(reason)


FILES = {
    "Fermi00": ("fermi-526726205", "GBM", AlertType.INITIAL, "GBM_Alert", None),
    "Fermi01": ("fermi-526736857", "GBM", AlertType.INITIAL, "GBM_Alert", None),
    "Fermi_GRB": ("fermi-533367528", "GBM", AlertType.UPDATE, "GBM_Flt_Pos", 0.68),
    "HD_8537_FLARE_STAR_TEST": ("swift-809217", "BAT", AlertType.INITIAL, "BAT_GRB_Pos", 0.9),
    "SWIFT00": ("swift-772006", "BAT", AlertType.INITIAL, "BAT_GRB_Pos", 0.9),
    "SWIFT01": ("swift-772052", "BAT", AlertType.INITIAL, "BAT_GRB_Pos", 0.9),
    "SWIFT02": ("swift-773082", "BAT", AlertType.INITIAL, "BAT_GRB_Pos", 0.9),
    "svom_eclairs": ("svom-sb25120806", "ECLAIRs", AlertType.INITIAL, "eclairs-wakeup", 0.9),
    "swift_bat_type61": ("swift-1423875", "BAT", AlertType.INITIAL, "BAT_GRB_Pos", 0.9),
    "swift_xrt_type67": ("swift-1423875", "XRT", AlertType.UPDATE, "XRT_Pos", 0.9),
}


@pytest.mark.parametrize("name", FILES)
def test_recorded_voevents(corpus: Path, name: str) -> None:
    """Against the elements found by a search of another kind: XPath on names."""
    raw = (corpus / "gcn-classic-voevent" / f"{name}.xml").read_bytes()
    root, alert = etree.fromstring(raw), read(raw)
    event_id, instrument, alert_type, stage, containment = FILES[name]
    assert (alert.event_id, alert.instrument, alert.alert_type) == (event_id, instrument, alert_type)
    assert (alert.alert_id, alert.stage) == (root.get("ivorn"), stage)
    assert (alert.source, alert.role) == ("gcn", Role.OBSERVATION)
    assert alert.event_time == _utc(root.xpath("string(//ISOTime)"))
    assert alert.sent == _utc(root.xpath("string(//Who/Date)"))
    assert alert.name == root.xpath("string(//Inference/Name)")
    place = [float(root.xpath(f"string(//{one})")) for one in ("C1", "C2", "Error2Radius")]
    if containment is None:
        assert (place, alert.localization) == ([0.0, 0.0, 0.0], None)
    else:
        ra, dec, error = place
        assert alert.localization == Localization(ra=ra, dec=dec, error_deg=error, containment=containment)


@pytest.mark.parametrize(
    ("name", "transient"),
    [
        ("Fermi00", {"rate_snr": 4.5, "rate_duration": 2.048, "energy_range_kev": (47, 291)}),
        ("Fermi01", {"rate_snr": 5.9, "rate_duration": 0.016}),
        ("Fermi_GRB", {"rate_snr": 48.6, "rate_duration": 0.512,
                       "classification": {"GRB": 0.94, "DISTANT_PARTICLES": 0.04}}),
        ("HD_8537_FLARE_STAR_TEST", {"image_snr": 6.46, "known_source": "HD 8357"}),
        ("SWIFT00", {"rate_snr": 13.74, "rate_duration": 4.096, "image_snr": 10.13}),
        ("SWIFT01", {"rate_snr": 20.73, "rate_duration": 0.064, "image_snr": 9.99}),
        ("SWIFT02", {"image_snr": 6.2, "known_source": "IGR15479-4529"}),
        ("svom_eclairs", {"image_snr": 6.64, "energy_range_kev": (8, 120)}),
        ("swift_bat_type61", {"rate_snr": 22.02, "rate_duration": 0.256, "image_snr": 8.62}),
        ("swift_xrt_type67", {}),
    ],
)  # fmt: skip
def test_what_the_recorded_ones_measured(corpus: Path, name: str, transient: dict[str, Any]) -> None:
    """As a person reads the files."""
    alert = read((corpus / "gcn-classic-voevent" / f"{name}.xml").read_bytes())
    assert alert.transient == Transient(messenger="EM", **transient)


def _utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

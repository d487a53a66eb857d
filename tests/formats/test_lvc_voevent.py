"""VOEvents of LIGO, Virgo and KAGRA, in the shape of GraceDB's."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ovro_alert.alert import Alert, AlertType, Coincidence, GravitationalWave, Role
from ovro_alert.formats import Unreadable, read
from tests.formats.classic import classic

PRELIMINARY = "ivo://gwnet/LVC#S260301ab-1-Preliminary"
INITIAL = "ivo://gwnet/LVC#S260301ab-2-Initial"
PARAMS: dict[str, Any] = {
    "Packet_Type": 150,
    "GraceID": "S260301ab",
    "AlertType": "Preliminary",
    "HardwareInj": 0,
    "OpenAlert": 1,
    "Significant": 1,
    "Instruments": "H1,L1",
    "FAR": "1.5e-10",
    "Group": "CBC",
    "Pipeline": "gstlal",
    "Search": "AllSky",
}
GROUPS: dict[str, dict[str, Any]] = {
    "GW_SKYMAP": {"skymap_fits": "https://example.org/bayestar.fits.gz,0"},
    "Classification": {"BNS": 0.95, "NSBH": 0.04, "BBH": 0, "Terrestrial": "0.01"},
    "Properties": {"HasNS": 1.0, "HasRemnant": 0.75},
}
COINCIDENT = {
    "External_GCN_Notice_Id": "794059205",
    "External_Ivorn": "ivo://nasa.gsfc.gcn/Fermi#GBM_Alert_2026-03-01T12:00:01.95_794059205_1-036",
    "External_Observatory": "Fermi",
    "External_Search": "GRB",
    "Time_Difference": "1.7",
    "Time_Coincidence_FAR": "3.9e-13",
    "Time_Sky_Position_Coincidence_FAR": "1e-15",
}


def lvc(ivorn: str = PRELIMINARY, groups: dict[str, dict[str, Any]] = GROUPS, **changes: Any) -> Alert:
    said = {name: value for name, value in (PARAMS | changes.pop("params", {})).items() if value is not None}
    return read(classic(ivorn, said, groups=groups, **changes))


def test_every_field() -> None:
    assert lvc() == Alert(
        alert_id=PRELIMINARY,
        event_id="ligo-S260301ab",
        source="ligo",
        mission="LIGO/Virgo/KAGRA",
        instrument="H1,L1",
        role=Role.OBSERVATION,
        alert_type=AlertType.INITIAL,
        stage="PRELIMINARY",
        event_time=datetime(2026, 3, 1, 12, 0, 0, 250000, tzinfo=UTC),
        sent=datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC),
        gw=GravitationalWave(
            far=1.5e-10,
            significant=True,
            group="CBC",
            pipeline="gstlal",
            search="AllSky",
            instruments=("H1", "L1"),
            classification={"BNS": 0.95, "NSBH": 0.04, "BBH": 0.0, "Terrestrial": 0.01},
            properties={"HasNS": 1.0, "HasRemnant": 0.75},
        ),
    )


def test_a_retraction_tells_the_time_of_its_writing() -> None:
    ivorn = "ivo://gwnet/LVC#S260301ab-3-Retraction"
    alert = lvc(ivorn, {}, params={"AlertType": "Retraction"}, cites=[("supersedes", INITIAL)])
    assert (alert.alert_type, alert.event_time, alert.gw) == (AlertType.RETRACTION, None, None)
    assert (alert.event_id, alert.event_names) == ("ligo-S260301ab", (INITIAL,))


@pytest.mark.parametrize(
    ("params", "role", "expected"),
    [
        ({"GraceID": "MS260301ab"}, "observation", Role.TEST),
        ({"GraceID": "TS260301ab"}, "observation", Role.TEST),
        ({"HardwareInj": 1}, "observation", Role.TEST),
        ({}, "test", Role.TEST),
        ({"GraceID": "G298048"}, "observation", Role.OBSERVATION),  # GW170817's
    ],
)
def test_roles(params: dict[str, Any], role: str, expected: Role) -> None:
    alert = lvc(params=params, role=role)
    assert alert.role is expected
    assert alert.event_id == f"ligo-{params.get('GraceID', 'S260301ab')}"


@pytest.mark.parametrize("word", ["EarlyWarning", "Initial", "Update", "EARLY_WARNING"])
def test_words(word: str) -> None:
    alert = lvc(params={"AlertType": word})
    assert alert.stage == word.upper().replace("_", "")
    assert alert.alert_type is (AlertType.UPDATE if word == "Update" else AlertType.INITIAL)


def test_a_coincidence_is_kept_and_its_event_stays_another() -> None:
    alert = lvc(groups=GROUPS | {"External Coincidence": COINCIDENT})
    assert alert.gw is not None
    assert alert.gw.coincidence == Coincidence(
        observatory="Fermi",
        search="GRB",
        ivorn=COINCIDENT["External_Ivorn"],
        gcn_notice_id="794059205",
        time_difference=1.7,
        time_far=3.9e-13,
        time_sky_far=1e-15,
    )
    assert alert.description == "Coincident with Fermi GRB, +1.70 s"
    assert alert.event_names == ()


def test_gcn_republished_them_under_its_own_name() -> None:
    alert = lvc(PRELIMINARY.replace("gwnet", "nasa.gsfc.gcn"))
    assert (alert.source, alert.event_id) == ("ligo", "ligo-S260301ab")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"params": {"GraceID": None}}, "What.graceid: is required"),
        ({"params": {"GraceID": "260301"}}, "What.graceid: must match"),
        ({"params": {"AlertType": "Retractation"}}, "What.alerttype: must match"),
        ({"params": {"FAR": -1}}, "What.far: must be greater than or equal to 0"),
        ({"groups": {"Classification": {"BNS": 1.5}}}, "What.Classification.of.BNS: must be between 0 and 1"),
        (
            {"groups": {"External Coincidence": {"Time_Difference": "soon"}}},
            "What.External Coincidence.Time_D",
        ),
    ],
)
def test_a_faulty_parameter_is_named(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        lvc(**changes)
    assert str(caught.value).startswith(reason)


def test_the_recorded_retraction(corpus: Path) -> None:
    alert = read((corpus / "gcn-classic-voevent" / "LVC_real_retraction.xml").read_bytes())
    assert alert == Alert(
        alert_id="ivo://gwnet/LVC#S230518h-2-Retraction",
        event_id="ligo-S230518h",
        source="ligo",
        mission="LIGO/Virgo/KAGRA",
        role=Role.OBSERVATION,
        alert_type=AlertType.RETRACTION,
        stage="RETRACTION",
        sent=datetime(2023, 5, 24, 20, 37, 50, tzinfo=UTC),
    )

"""A line about any alert: right for the known ones, one printable line for every one."""

from datetime import UTC, datetime

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
    SkyMap,
    Transient,
)
from ovro_alert.people.summary import one_line, summary

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
PLACE = Localization(ra=29.503, dec=65.717, error_deg=0.05, containment=0.95)
BURST = FastRadioBurst(dm=349.2, snr=24.8, known_source="FRB 20180916B")
MAP = SkyMap(
    pixels=19200, ra=10, dec=20, area_50_deg2=30, area_90_deg2=120, distance_mpc=100, distance_std_mpc=20
)
# 1.8e3 Julian years of 3.15576e7 s each are 5.68e10 s.
MERGER = GravitationalWave(
    far=1 / 5.68e10,
    significant=True,
    group="CBC",
    classification={"Terrestrial": 0.04, "BNS": 0.95, "NSBH": 0.01},
    skymap=MAP,
)


def alert(**fields: object) -> Alert:
    return Alert.model_validate(
        {"alert_id": "a", "event_id": "e", "source": "gcn", "role": "observation", "alert_type": "initial"}
        | fields
    )


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        (
            {"source": "chime", "event_id": "181344768", "frb": BURST, "localization": PLACE},
            "CHIME FRB 181344768, DM 349.2 pc cm⁻³, S/N 24.8, known source FRB 20180916B",
        ),
        (
            {"source": "chime", "event_id": "9", "role": "utility", "alert_type": "update", "frb": BURST},
            "CHIME FRB 9 update, DM 349.2 pc cm⁻³, S/N 24.8, known source FRB 20180916B",
        ),
        (
            {"source": "chime", "event_id": "chime-9", "role": "utility", "alert_type": "retraction"},
            "CHIME FRB 9 retraction",
        ),
        (
            {"source": "chime", "event_id": "9", "role": "test", "frb": FastRadioBurst(dm=100)},
            "Test: CHIME FRB 9, DM 100 pc cm⁻³",
        ),
        (
            {"source": "ligo", "event_id": "S241102br", "stage": "PRELIMINARY", "gw": MERGER},
            "LIGO S241102br PRELIMINARY: CBC, FAR 1 per 1.8e3 yr, BNS 0.95, 90 % area 120 deg², 100 ± 20 Mpc",
        ),
        (
            {
                "source": "ligo",
                "event_id": "MS241102br",
                "role": "test",
                "stage": "RETRACTION",
                "alert_type": "retraction",
            },
            "Test: LIGO MS241102br retraction",
        ),
        (
            {"source": "ligo", "event_id": "S1a", "gw": GravitationalWave(group="Burst", significant=False)},
            "LIGO S1a: Burst, not significant",
        ),
        (
            {
                "source": "flarescope",
                "event_id": "f1",
                "name": "HD 8537",
                "localization": PLACE,
                "request": BeamRequest(start=NOON, duration=600),
            },
            "Flarescope request: HD 8537, 600 s from 2026-03-01T12:00:00Z",
        ),
        (
            {
                "source": "flarescope",
                "localization": PLACE,
                "request": BeamRequest(start=NOON, duration=0.5),
            },
            "Flarescope request: RA 29.503° Dec +65.717° ± 0.05°, 0.5 s from 2026-03-01T12:00:00Z",
        ),
        (
            {"source": "swift", "event_id": "1201", "name": "GRB 260301A", "localization": PLACE},
            "Swift 1201: GRB 260301A, RA 29.503° Dec +65.717° ± 0.05°",
        ),
        (
            {
                "event_id": "swift-1215043",
                "mission": "Swift",
                "instrument": "BAT",
                "alert_type": "update",
                "event_time": NOON,
                "localization": PLACE,
                "transient": Transient(
                    rate_snr=15.83,
                    rate_duration=0.256,
                    image_snr=6.5,
                    classification={"GRB": 0.9, "SGR": 0.01},
                ),
            },
            "Swift BAT 1215043 update: GRB 0.90, S/N 15.8 in 0.256 s, image S/N 6.5, "
            "RA 29.503° Dec +65.717° ± 0.05°",
        ),
        (
            {
                "event_id": "icecube-137840_57034692",
                "mission": "IceCube",
                "name": "IceCube-230416A",
                "transient": Transient(energy_tev=127.29, p_astro=0.34, p_value=0.0191, far=1 / 5.68e10),
            },
            "IceCube 137840_57034692: IceCube-230416A, 127 TeV, astrophysical 0.34, p 0.019, "
            "FAR 1 per 1.8e3 yr",
        ),
        (
            {
                "event_id": "ligo-S230914ak",  # it was found to be of this event
                "mission": "IceCube",
                "stage": "PRELIMINARY",
                "transient": Transient(),
                "event_time": NOON,
            },
            "IceCube S230914ak PRELIMINARY: 2026-03-01T12:00:00Z",
        ),
        (
            {
                "event_id": "maxi-0858800020",
                "mission": "MAXI",
                "instrument": "GSC",
                "name": "Swift J1858.6-0814",
                "transient": Transient(rate_duration=1, known_source="Swift J1858.6-0814"),
                "localization": Localization(ra=285.6, dec=-9.2),
            },
            "MAXI GSC 0858800020: known source Swift J1858.6-0814, RA 285.600° Dec -9.200°",
        ),
        (
            {"event_id": "fermi-7", "mission": "Fermi", "instrument": "GBM", "alert_type": "retraction"},
            "Fermi GBM 7 retraction",
        ),
        (
            {"source": "newcomer", "mission": "Newcomer II", "event_time": NOON, "role": "utility"},
            "Utility: Newcomer II e: 2026-03-01T12:00:00Z",
        ),
    ],
)
def test_known_alerts_read_as_people_say_them(fields: dict[str, object], line: str) -> None:
    assert summary(alert(**fields)) == line


@pytest.mark.parametrize(
    ("far", "said"),
    [
        (0.0, "FAR 0 Hz"),
        (3.168809e-9, "FAR 1 per 10 yr"),  # one a decade
        (3.3e-7, "FAR 1 per 35 days"),  # 1 / 3.3e-7 s = 35.07 days
        (1e-4, "FAR 8.6 per day"),
        (3.2e-18, "FAR 1 per 9.9e9 yr"),
    ],
)
def test_false_alarm_rates(far: float, said: str) -> None:
    assert said in summary(alert(source="ligo", gw=GravitationalWave(far=far)))


anything = st.text(max_size=200)
positive = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
bursts = st.builds(FastRadioBurst, dm=positive | st.none(), snr=positive | st.none(), known_source=anything)
maps = st.builds(
    SkyMap,
    pixels=st.just(12),
    ra=st.just(0.0),
    dec=st.just(0.0),
    area_50_deg2=positive,
    area_90_deg2=positive,
    distance_mpc=positive | st.none(),
    distance_std_mpc=positive | st.none(),
)
waves = st.builds(
    GravitationalWave,
    far=positive | st.none(),
    group=anything,
    classification=st.dictionaries(anything, st.floats(0, 1), max_size=8),
    skymap=maps | st.none(),
)
transients = st.builds(
    Transient,
    rate_snr=positive | st.none(),
    rate_duration=positive | st.none(),
    image_snr=positive | st.none(),
    far=positive | st.none(),
    p_value=st.floats(0, 1) | st.none(),
    energy_tev=positive | st.none(),
    classification=st.dictionaries(anything, st.floats(0, 1), max_size=8),
    known_source=anything,
)
requests = st.builds(BeamRequest, start=st.datetimes(timezones=st.just(UTC)), duration=positive)
alerts = st.builds(
    Alert,
    alert_id=st.just("a"),
    event_id=st.text(min_size=1, max_size=500),
    source=st.just("gcn") | st.from_regex(r"\A[a-z][a-z0-9_]{0,300}\Z"),
    mission=anything,
    role=st.sampled_from(Role),
    alert_type=st.sampled_from(AlertType),
    stage=anything,
    name=anything,
    event_time=st.datetimes(timezones=st.just(UTC)) | st.none(),
    localization=st.just(PLACE) | st.none(),
    frb=bursts | st.none(),
    gw=waves | st.none(),
    transient=transients | st.none(),
    request=requests | st.none(),
)


@given(alerts)
def test_every_alert_is_one_printable_line_that_says_test_and_retraction(any_alert: Alert) -> None:
    line = summary(any_alert)
    assert line.isprintable()
    assert len(line) < 1000
    assert line.startswith("Test: ") == (any_alert.role is Role.TEST)
    assert "retraction" in line or any_alert.alert_type is not AlertType.RETRACTION


def test_what_a_sender_wrote_cannot_turn_or_break_the_line() -> None:
    assert one_line("a\r\nb\u202egnp\x1b[31m\x00c") == "a bgnp[31mc"
    assert one_line("x" * 100, 10) == "xxxxxxxxx…"

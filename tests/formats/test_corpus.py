"""Every recorded file: an alert, checked field by field, or refused for what it is."""

import json
from datetime import datetime
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from ovro_alert.alert import Alert, AlertType, Role
from ovro_alert.formats import Unreadable, read

# What is read by no format, and what is said of it.
UNREAD = {"lsst/7912941781254298.confluent.avro": "139056 bytes that are not text"}

# File, event_id, mission, instrument, role, alert_type and stage, as their missions' documents have them.
TABLE = """
chime/frb.detection.json          | chime-427325191            | CHIME          | CHIME/FRB | observation | initial    |
chime/frb.retraction.json         | chime-427325191            | CHIME          | CHIME/FRB | observation | retraction |
chime/frb.subsequent.json         | chime-427325192            | CHIME          | CHIME/FRB | observation | subsequent |
dsa110/frb.detection.json         | dsa-240918aaaa             | DSA-110        | DSA-110   | observation | initial    |
dsa110/frb.retraction.json        | dsa-240918aaaa             | DSA-110        | DSA-110   | observation | retraction |
dsa110/frb.subsequent.json        | dsa-240918aaaa             | DSA-110        | DSA-110   | observation | subsequent |
dsa110/frb.update.json            | dsa-240918aaaa             | DSA-110        | DSA-110   | observation | update     |
einstein_probe/wxt/alert.json     | einstein_probe-01708973486 | Einstein Probe | WXT       | observation | initial    |
fermi/gbm/trigger.alert.json      | fermi-745121685            | Fermi          | GBM       | observation | initial    | INITIAL_ALERT
fermi/gbm/trigger.flight1.json    | fermi-745121685            | Fermi          | GBM       | observation | update     | FLIGHT_POSITION
icecube/lvk_nu_track_search.json  | icecube-S230914ak          | IceCube        |           | observation | initial    | PRELIMINARY
maxi/gsc.known.json               | maxi-0858800020            | MAXI           | GSC       | observation | initial    |
svom/eclairs/trigger.slewing.json | svom-sb24022203            | SVOM           | ECLAIRs   | test        | update     |
swift/bat/Guano.json              | swift-694215995            | Swift          | BAT-GUANO | observation | initial    |
swift/bat/guano.loc_arc_min.json  | swift-694215995            | Swift          | BAT-GUANO | observation | update     |
"""  # noqa: E501
NOTICES = {
    name: rest
    for name, *rest in ([cell.strip() for cell in row.split("|")] for row in TABLE.strip().splitlines())
}
# Where a notice says the same as a field of the alert, by the core schema and by the missions' own.
SAME = {
    "localization.ra": ("ra", "most_probable_direction.ra"),
    "localization.dec": ("dec", "most_probable_direction.dec"),
    "transient.messenger": ("messenger",),
    "transient.rate_snr": ("rate_snr",),
    "transient.rate_duration": ("rate_duration", "detection_timescale"),
    "transient.image_snr": ("image_snr",),
    "transient.energy_range_kev": ("rate_energy_range", "image_energy_range", "flux_spectral_band"),
    "transient.far": ("far",),
    "transient.p_value": ("pval_generic",),  # the smaller, in the one search
    "transient.classification": ("classification",),
    "frb.dm": ("dm",),
    "frb.dm_error": ("dm_error",),
    "frb.dm_galactic": ("dm_gal_ne_2001_max",),
    "frb.snr": ("snr",),
    "frb.width_ms": ("event_duration",),
    "frb.importance": ("importance",),
    "frb.association_probability": ("association_probability",),
}
# What the field has where the notice says nothing.
DEFAULTS: dict[str, Any] = {"transient.messenger": "", "transient.classification": {}}


def at(document: Any, path: str) -> Any:
    """What a JSON document has at `a.b`; None where there is nothing."""
    return reduce(
        lambda part, name: part.get(name) if isinstance(part, dict) else None, path.split("."), document
    )


def files(corpus: Path) -> list[str]:
    kinds = {".json", ".xml", ".avro"}
    return [str(file.relative_to(corpus)) for file in sorted(corpus.rglob("*")) if file.suffix in kinds]


def test_every_recorded_file_is_an_alert_or_refused_for_what_it_is(corpus: Path) -> None:
    refused = {}
    for name in files(corpus):
        try:
            alert = read((corpus / name).read_bytes())
        except Unreadable as error:
            refused[name] = str(error)
        else:
            assert Alert.model_validate_json(alert.model_dump_json()) == alert
    assert refused.keys() == UNREAD.keys()
    for name, reason in refused.items():
        assert reason.startswith(f"not a format that ovro-alert reads: {UNREAD[name]}")


@pytest.mark.parametrize("name", NOTICES)
def test_recorded_notices_field_by_field(corpus: Path, name: str) -> None:
    raw = (corpus / "gcn-notices" / name).read_bytes()
    said, alert = json.loads(raw), read(raw)
    event_id, mission, instrument, role, alert_type, stage = NOTICES[name]
    assert alert.event_id == event_id
    assert (alert.mission, alert.instrument, alert.stage) == (mission, instrument, stage)
    assert (alert.role, alert.alert_type) == (Role(role), AlertType(alert_type))
    assert alert.source == {"CHIME": "chime", "DSA-110": "dsa"}.get(mission, "gcn")
    assert alert.name == said.get("event_name", "")
    for moment, written in ((alert.event_time, "trigger_time"), (alert.sent, "alert_datetime")):
        # All of them are UTC, whether they end with Z or not.
        told = said[written].rstrip("Z") + "+00:00" if written in said else None
        assert moment == (None if told is None else datetime.fromisoformat(told))
    error = said.get("ra_dec_error")
    if alert.localization is not None and error is not None:
        assert alert.localization.error_deg == (max(error[:2]) if isinstance(error, list) else error)
        assert alert.localization.containment == said.get("containment_probability", 0.9)
    part = "frb" if mission in ("CHIME", "DSA-110") else "transient"
    body = alert.model_dump(mode="json")
    if alert_type == "retraction":
        assert (body["frb"], body["transient"], body["localization"]) == (None, None, None)
        return
    assert {one for one in ("frb", "gw", "transient") if body[one] is not None} == {part}
    checked = [field for field in SAME if field.startswith(("localization", part))]
    for field in checked:
        written = next((found for name in SAME[field] if (found := at(said, name)) is not None), None)
        expected = DEFAULTS.get(field) if written is None else written
        if field == "transient.messenger" and mission == "IceCube":
            expected = "Neutrino"
        assert at(body, field) == expected, field


def test_every_recorded_notice_is_in_the_table(corpus: Path) -> None:
    folder = "gcn-notices/"
    assert {name.removeprefix(folder) for name in files(corpus) if name.startswith(folder)} <= NOTICES.keys()


def test_the_recorded_notices_of_one_trigger_are_one_event(corpus: Path) -> None:
    guano = [
        read((corpus / f"gcn-notices/swift/bat/{one}.json").read_bytes())
        for one in ("Guano", "guano.loc_arc_min")
    ]
    gbm = [
        read((corpus / f"gcn-notices/fermi/gbm/trigger.{one}.json").read_bytes())
        for one in ("alert", "flight1")
    ]
    for first, then in (guano, gbm):
        assert first.event_id == then.event_id
        assert first.alert_id != then.alert_id


@pytest.mark.parametrize(
    ("name", "of", "number"),
    [
        ("swift_bat_type61.xml", "swift/bat/position", "TrigID"),
        ("swift_xrt_type67.xml", "swift/xrt/position", "TrigID"),
        ("Fermi_GRB.xml", "fermi/gbm/trigger", "TrigID"),
        ("svom_eclairs.xml", "svom/trigger", "Burst_Id"),
    ],
)
def test_a_trigger_is_one_event_by_classic_and_by_unified_notice(
    corpus: Path, name: str, of: str, number: str
) -> None:
    raw = (corpus / "gcn-classic-voevent" / name).read_bytes()
    (param,) = etree.fromstring(raw).xpath("//Param[@name=$name]", name=number)
    unified = {"$schema": f"https://gcn.nasa.gov/schema/main/gcn/notices/{of}", "id": [param.get("value")]}
    alert = read(json.dumps(unified).encode())
    assert read(raw).event_id == alert.event_id
    assert read(raw).mission == alert.mission

"""VOEvents of CHIME/FRB, whatever their shape."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import voeventparse
from lxml import etree

from ovro_alert.alert import AlertType, FastRadioBurst, Localization, Role
from ovro_alert.formats import Unreadable, read

DETECTION = "ivo://ca.chimenet.frb/FRB-DETECTION-#2026-03-01-12:00:00.250000UTC+0000_0123456789ab"
RETRACTION = "ivo://ca.chimenet.frb/OBS-RETRACTION-#2026-03-01-12:30:00.000000UTC+0000_ba9876543210"


def test_every_field_of_a_detection(detection: str) -> None:
    alert = read(detection.encode())
    assert alert.alert_id == DETECTION
    assert alert.event_id == "chime-123456789"  # as by GCN: one event on two transports
    assert alert.event_names == (DETECTION,)
    assert (alert.source, alert.mission, alert.instrument) == ("chime", "CHIME", "CHIME/FRB")
    assert (alert.role, alert.alert_type) == (Role.OBSERVATION, AlertType.INITIAL)
    assert alert.event_time == datetime(2026, 3, 1, 12, 0, 0, 250000, tzinfo=UTC)
    assert alert.sent == datetime(2026, 3, 1, 12, 0, 9, tzinfo=UTC)
    assert alert.localization == Localization(ra=346.75, dec=12.625, error_deg=0.625, containment=0.95)
    assert alert.frb == FastRadioBurst(
        dm=279.5, dm_error=0.25, dm_galactic=37.75, snr=12.5, importance=0.9375, reference_mhz=400.0
    )
    assert alert.description == "A detection."


def test_a_subsequent_of_a_known_source(detection: str) -> None:
    text = (
        detection.replace("FRB-DETECTION", "FRB-SUBSEQUENT")
        .replace('name="known_source_name" value=""', 'name="known_source_name" value="FRB 20180916B"')
        .replace('probability="0"', 'probability="0.75"')
        .replace("</voe:VOEvent>", '<Citations><EventIVORN cite="followup"/></Citations></voe:VOEvent>')
    )
    alert = read(text.encode())
    assert alert.alert_type is AlertType.SUBSEQUENT
    assert alert.frb is not None
    assert (alert.frb.known_source, alert.frb.association_probability) == ("FRB 20180916B", 0.75)
    assert alert.event_names == (alert.alert_id,)


def test_a_follow_up_does_not_name_the_same_event(detection: str) -> None:
    cited = '<Citations><EventIVORN cite="followup">ivo://ca.chimenet.frb/X-#1</EventIVORN></Citations>'
    alert = read(detection.replace("</voe:VOEvent>", cited + "</voe:VOEvent>").encode())
    assert alert.event_names == (alert.alert_id,)


def test_a_retraction_in_the_shape_that_is_really_sent(retraction: str) -> None:
    alert = read(retraction.encode())
    assert alert.alert_id == RETRACTION
    assert (alert.role, alert.alert_type) == (Role.UTILITY, AlertType.RETRACTION)
    assert alert.event_id == DETECTION  # it knows no event number
    assert alert.event_names == (RETRACTION, DETECTION)
    # Position, time and importance in it are placeholders, and must not be taken for the burst's.
    assert (alert.localization, alert.frb, alert.event_time) == (None, None, None)
    assert alert.sent == datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def test_a_retraction_counts_whatever_its_placeholders_are(retraction: str) -> None:
    text = retraction.replace("<C1>0</C1>", "<C1>NaN</C1>").replace("UTC-FK5-TOPO", "")
    assert read(text.encode()) == read(retraction.encode())


def test_an_update_supersedes(detection: str) -> None:
    cited = f'<Citations><EventIVORN cite="supersedes">{DETECTION}</EventIVORN></Citations></voe:VOEvent>'
    text = detection.replace("DETECTION-#2026-03-01-12:00", "DETECTION-#2026-03-01-12:10")
    alert = read(text.replace("</voe:VOEvent>", cited).replace('"observation"', '"utility"').encode())
    assert alert.alert_type is AlertType.UPDATE
    assert alert.event_names == (alert.alert_id, DETECTION)


def test_the_hourly_test_has_hardly_anything_in_it(detection: str) -> None:
    start = detection[: detection.index("<What>")].replace('role="observation"', 'role="test"')
    alert = read(f"{start}<What><Description>hourly</Description></What></voe:VOEvent>".encode())
    assert alert.role is Role.TEST
    assert (alert.localization, alert.event_time) == (None, None)
    assert alert.event_id == DETECTION


def test_role_is_observation_where_none_is_said(detection: str) -> None:
    """The schema's default."""
    assert read(detection.replace('role="observation"', "").encode()).role is Role.OBSERVATION


def test_what_another_tool_writes_is_read(detection: str) -> None:
    """voevent-parse writes VOEvents of its own; the default namespace changes nothing."""
    written = voeventparse.Voevent("ca.chimenet.frb/FRB-DETECTION-", "1", "observation")
    written.attrib["ivorn"] = DETECTION
    params = [voeventparse.Param("dm", 500.5, unit="pc/cm^3"), voeventparse.Param("event_no", "77")]
    written.What.append(voeventparse.Group(params, name="event parameters"))
    voeventparse.add_where_when(
        written,
        voeventparse.Position2D(ra=10.5, dec=-20.5, err=0.25, units="deg", system="UTC-FK5-TOPO"),
        datetime(2026, 3, 1, 12, tzinfo=UTC),
        "CHIME",
    )
    voeventparse.add_why(written, importance=0.5)
    alert = read(voeventparse.dumps(written))
    assert alert.event_id == "chime-77"
    assert alert.frb is not None
    assert (alert.frb.dm, alert.frb.importance) == (500.5, 0.5)
    assert alert.localization == Localization(ra=10.5, dec=-20.5, error_deg=0.25, containment=0.95)
    assert alert.event_time == datetime(2026, 3, 1, 12, tzinfo=UTC)
    unprefixed = detection.replace("voe:VOEvent", "VOEvent").replace("xmlns:voe", "xmlns")
    assert read(unprefixed.encode()) == read(detection.encode())


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ('name="dm" value="279.5"', 'name="dm" value="high"', "What.dm: must be a valid number"),
        ('name="dm" value="279.5"', 'name="dm" value="nan"', "What.dm: must be a finite number"),
        ('name="dm" value="279.5"', 'name="dm" value="1e999"', "What.dm: must be a finite number"),
        ('name="dm" value="279.5"', 'name="dm" value="-3"', "What.dm: must be greater than 0"),
        ('name="snr" value="12.5"', 'name="snr" value="-1"', "What.snr: must be greater than"),
        ("2026-03-01 12:00:00.250000+00:00", "noon", "What.timestamp_utc: must be an ISO 8601 time"),
        ("<C1>346.75", "<C1>361", "WhereWhen.ra: must be less than 360"),
        ("<C2>12.625", "<C2>-90.5", "WhereWhen.dec: must be greater than or equal to -90"),
        ("<C2>12.625", "<C2>NaN", "WhereWhen.dec: must be"),
        ("<C2>12.625</C2>", "", "WhereWhen.dec: is required beside the other coordinate"),
        ("<Error2Radius>0.625", "<Error2Radius>inf", "WhereWhen.error: must be"),
        ('coord_system_id="UTC-FK5-TOPO"', 'coord_system_id="TT-FK5-TOPO"', "WhereWhen.coord_system_id: "),
        ('unit="deg"', 'unit="rad"', "WhereWhen.unit: must be deg"),
        ("<ISOTime>2026-03-01T", "<ISOTime>2026-33-01T", "WhereWhen.time: must be an ISO 8601 time"),
        ('importance="0.9375"', 'importance="5"', "Why.importance: must be between 0 and 1"),
        ("<Date>2026-03-01T", "<Date>yesterday", "Who.date: must be an ISO 8601 time"),
        ('role="observation"', 'role="sighting"', "role: must be 'observation', 'test'"),
    ],
)
def test_a_faulty_parameter_is_named(detection: str, before: str, after: str, reason: str) -> None:
    assert before in detection
    with pytest.raises(Unreadable) as caught:
        read(detection.replace(before, after).encode())
    assert str(caught.value).startswith(reason)


def test_a_cited_name_too_long_to_keep(retraction: str) -> None:
    with pytest.raises(Unreadable, match=r"^Citations\.EventIVORN\.0: "):
        read(retraction.replace(DETECTION, "ivo://x" * 200).encode())


def test_other_authors_are_named_in_the_refusal(detection: str) -> None:
    text = detection.replace("ivo://ca.chimenet.frb/FRB-DETECTION-", "ivo://org.example/bursts")
    with pytest.raises(Unreadable, match=r"a VOEvent of 'ivo://org\.example/bursts'"):
        read(text.encode())
    with pytest.raises(Unreadable, match=r"^ivorn: must begin with ivo://ca\.chimenet\.frb/"):
        read(text.encode(), "chime-voevent")
    with pytest.raises(Unreadable, match="a VOEvent of ''"):
        read(b"<VOEvent/>")


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "prologue",
    [
        f'<!DOCTYPE v [<!ENTITY l0 "ha">{LAUGHS}]>',
        '<!DOCTYPE v [<!ENTITY l9 SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE v [<!ENTITY % p SYSTEM "http://127.0.0.1:9/dtd"> %p;]>',
        '<!DOCTYPE v SYSTEM "http://127.0.0.1:9/dtd">',
    ],
    ids=["billion-laughs", "file", "parameter-entity", "external-dtd"],
)
def test_a_document_type_is_refused_before_it_is_read(detection: str, prologue: str) -> None:
    text = detection.replace("?>\n", f"?>\n{prologue}", 1).replace("A detection.", "&l9;")
    with pytest.raises(Unreadable, match="document type definition"):
        read(text.encode())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-7", "latin-1", "cp037"])
def test_other_encodings_are_refused(detection: str, encoding: str) -> None:
    """A declared encoding could hide a DTD from the search for it."""
    text = detection.replace("UTF-8", encoding).replace("A detection.", "A détection.")
    with pytest.raises(Unreadable):
        read(text.encode(encoding))


def test_utf8_is_what_counts_whatever_is_declared(detection: str) -> None:
    text = detection.replace("UTF-8", "latin-1").replace("A detection.", "A détection.")
    assert read(text.encode()).description == "A détection."


def test_undeclared_entities_and_deep_nesting(detection: str) -> None:
    with pytest.raises(Unreadable, match=r"^is not XML: "):
        read(detection.replace("A detection.", "&who;").encode())
    with pytest.raises(Unreadable, match=r"^is not XML: "):
        read(b"<a>" * 100_000)


def test_cut_anywhere_it_is_refused(detection: str) -> None:
    raw = detection.encode().rstrip()
    for length in range(0, len(raw), 7):
        with pytest.raises(Unreadable):
            read(raw[:length])


@pytest.mark.parametrize("name", ["detection", "subsequent"])
def test_recorded_voevents(corpus: Path, name: str) -> None:
    """Against the elements found by a search of another kind: XPath on names."""
    raw = (corpus / "chime-voevent" / f"{name}.xml").read_bytes()
    root, alert = etree.fromstring(raw), read(raw)
    said = {param.get("name"): param.get("value") for param in root.xpath("//Param")}
    assert alert.alert_id == root.get("ivorn")
    assert alert.event_id == f"chime-{said['event_no']}"
    assert alert.alert_type == {"detection": "initial"}.get(name, name)
    assert alert.event_time == datetime.fromisoformat(said["timestamp_utc"])
    assert alert.frb is not None
    assert alert.frb.dm == float(said["dm"])
    assert alert.frb.dm_error == float(said["dm_error"])
    assert alert.frb.snr == float(said["snr"])
    assert alert.frb.dm_galactic == float(said["dm_gal_ne_2001_max"])
    assert alert.frb.known_source == said["known_source_name"]
    assert alert.frb.importance == float(root.xpath("string(//Why/@importance)"))
    assert alert.localization is not None
    assert alert.localization.ra == float(root.xpath("string(//C1)"))
    assert alert.localization.dec == float(root.xpath("string(//C2)"))
    assert alert.localization.error_deg == float(root.xpath("string(//Error2Radius)"))
    assert (alert.frb.association_probability is None) == (name == "detection")

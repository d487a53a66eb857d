"""The door of the room: which format a message is of, and that nothing but Unreadable comes of a bad one."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovro_alert.alert import Alert
from ovro_alert.demo.samples import samples
from ovro_alert.formats import FORMATS, Reason, Unreadable, read

Changed = Callable[..., bytes]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not a format that ovro-alert reads: empty"),
        (b" \r\n\t", "not a format that ovro-alert reads: empty"),
        (b"\x00\x00\x00\x03\x84\x02", "not a format that ovro-alert reads: 6 bytes that are not text"),
        (
            b"\x89PNG\r\n\x1a\n" + bytes(999),
            "not a format that ovro-alert reads: 1007 bytes that are not text",
        ),
        (b"[1, 2]", "not a format that ovro-alert reads: a JSON list"),
        (b"TITLE: GCN/SWIFT NOTICE", "not a format that ovro-alert reads: text that is neither JSON nor XML"),
        ("é".encode() * 5000, "not a format that ovro-alert reads: text that is neither JSON nor XML"),
        (b"{}", "not a format that ovro-alert reads: a JSON object of 'nothing'"),
        (b'{"cntb": 1, "ibeam": 2}', "not a format that ovro-alert reads: a JSON object of 'cntb, ibeam'"),
        (b'{"$schema": 7}', "not a format that ovro-alert reads: a JSON object of '$schema'"),
        (b"<html><body/></html>", "is XML, but <html>, not a VOEvent"),
        (b"{not json", "is not JSON: "),
        (b"<not xml", "is not XML: "),
        (b"Subscribed topic not available: igwn.gwalert: Broker: Unknown topic or partition", "not a format"),
    ],
)
def test_what_it_looked_like_is_said(raw: bytes, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(raw)
    assert str(caught.value).startswith(reason)


def test_a_long_message_makes_a_short_reason() -> None:
    raw = b'{"$schema": "' + b"x" * 1_000_000 + b'"}'
    with pytest.raises(Unreadable) as caught:
        read(raw)
    assert len(str(caught.value)) < 400
    many = (
        b'{"superevent_id": 1, "event": {"classification": {'
        + b",".join(b'"%d%s": "x"' % (n, b"y" * 500) for n in range(1000))
        + b"}}}"
    )
    with pytest.raises(Unreadable) as caught:
        read(many)
    assert len(caught.value.reasons) <= 20
    assert len(str(caught.value)) < 4000


def test_a_reason_does_not_repeat_what_was_said_in_the_field(gw: Changed) -> None:
    with pytest.raises(Unreadable) as caught:
        read(gw(event__far="a-secret", superevent_id="another-secret"))
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert [str(reason) for reason in caught.value.reasons] == [
        "superevent_id: must match pattern '^[MT]?S[0-9]{6}[a-z]{1,10}$'",
        "event.far: must be a valid number",
    ]


def test_formats_by_name(gw: Changed, detection: str) -> None:
    assert set(FORMATS) >= {
        "igwn-gwalert",
        "gcn-notice",
        "flarescope",
        "chime-voevent",
        "lvc-voevent",
        "gcn-classic-voevent",
    }
    assert read(gw(), "igwn-gwalert") == read(gw())
    assert read(detection.encode(), "chime-voevent") == read(detection.encode())
    with pytest.raises(Unreadable, match=r"^format: must be one of igwn-gwalert, ") as caught:
        read(gw(), "igwn")
    assert caught.value.reasons[0].loc == ("format",)
    for name, raw in [("chime-voevent", gw()), ("igwn-gwalert", detection.encode()), ("flarescope", gw())]:
        with pytest.raises(Unreadable):
            read(raw, name)


def test_white_space_and_a_byte_order_mark_before_xml(detection: str) -> None:
    """XML allows neither before its declaration but for the mark."""
    bare = detection[detection.index("<voe:") :]
    assert read(b"\n \n" + bare.encode()) == read(detection.encode())
    assert read(b"\xef\xbb\xbf" + detection.encode()) == read(detection.encode())


def test_json_cut_anywhere_is_refused(gw: Changed, chime: Changed) -> None:
    for raw in (gw(), chime()):
        for length in range(0, len(raw), 5):
            with pytest.raises(Unreadable):
                read(raw[:length])


def alert_or_unreadable(raw: bytes, format: str | None) -> None:
    try:
        found: Alert | list[Reason] = read(raw, format)
    except Unreadable as error:
        found = error.reasons
    assert found
    assert isinstance(found, Alert) or all(reason.msg for reason in found)


formats = st.none() | st.sampled_from(sorted(FORMATS))


@given(
    st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")),
    formats,
)
def test_any_bytes(raw: bytes, format: str | None) -> None:
    alert_or_unreadable(raw, format)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["", "NaN", "1e999", "2026-03-01T12:00:00Z", "9999-12-31T23:59:59-14:00", "MS260301ab", "ivo://x"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
GW_PATHS = [
    "alert_type", "time_created", "superevent_id", "event", "external_coinc", "event__far", "event__time",
    "event__significant", "event__instruments", "event__properties", "event__classification", "event__skymap",
    "event__group",
]  # fmt: skip
CHIME_PATHS = [
    "schema", "alert_type", "id", "trigger_time", "ra", "dec", "ra_dec_error", "dm", "dm_error", "snr",
    "importance", "description", "known_source", "event_name", "alert_tense", "containment_probability",
]  # fmt: skip


@given(st.dictionaries(st.sampled_from(GW_PATHS[:5]) | st.sampled_from(GW_PATHS[5:]), values, max_size=3))
def test_any_value_in_a_gw_notice(gw: Changed, changes: dict[str, object]) -> None:
    inner = {} if "event" in changes else {k: v for k, v in changes.items() if "__" in k}
    alert_or_unreadable(gw(**{k: v for k, v in changes.items() if "__" not in k}, **inner), None)


@given(st.dictionaries(st.sampled_from(CHIME_PATHS), values, max_size=3), formats)
def test_any_value_in_a_gcn_notice(chime: Changed, changes: dict[str, object], format: str | None) -> None:
    alert_or_unreadable(chime(**changes), format)


STORY = [sample.raw for sample in samples(datetime(2026, 3, 1, 12, tzinfo=UTC))]


@given(
    st.sampled_from(STORY),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=3)), min_size=1, max_size=5),
)
@settings(max_examples=200, deadline=None)
def test_any_damage_to_a_message(raw: bytes, damage: list[tuple[float, bytes]]) -> None:
    broken = bytearray(raw)
    for place, put in damage:
        start = int(place**3 * len(broken))  # mostly where there is more than sky map
        broken[start : start + len(put) or start + 1] = put
    alert_or_unreadable(bytes(broken), None)

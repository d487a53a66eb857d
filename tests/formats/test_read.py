"""The door of the room: which format a message is of, and what a bad one is answered."""

from collections.abc import Callable

import pytest

from ovro_alert.formats import FORMATS, Unreadable, read

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

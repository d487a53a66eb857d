"""Bytes of any wire format → Alert. Pure; one module a format, and this door, which tells them apart."""

from collections.abc import Callable
from itertools import islice
from typing import Any, NamedTuple

from ovro_alert.alert import Alert
from ovro_alert.formats import (
    chime_voevent,
    dsa110_t2,
    dsa110_voevent,
    flarescope,
    gcn_classic,
    gcn_notice,
    igwn_gwalert,
    lvc_voevent,
    strict_json,
    voevent,
)
from ovro_alert.formats.unreadable import Reason, Unreadable

__all__ = ["FORMATS", "Format", "Reason", "Unreadable", "read", "with_map"]


class Format(NamedTuple):
    """One wire format. Its bytes are parsed once: recognising and reading share the document."""

    parse: Callable[[bytes], Any]
    claims: Callable[[Any], bool]  # whether a parsed document looks like this format; it may still be faulty
    read: Callable[[Any], Alert]


FORMATS: dict[str, Format] = {
    "igwn-gwalert": Format(strict_json.loads, igwn_gwalert.claims, igwn_gwalert.read),
    "gcn-notice": Format(strict_json.loads, gcn_notice.claims, gcn_notice.read),
    "dsa110-t2": Format(strict_json.loads, dsa110_t2.claims, dsa110_t2.read),
    "flarescope": Format(strict_json.loads, flarescope.claims, flarescope.read),
    "chime-voevent": Format(voevent.parse, chime_voevent.claims, chime_voevent.read),
    "dsa110-voevent": Format(voevent.parse, dsa110_voevent.claims, dsa110_voevent.read),
    "lvc-voevent": Format(voevent.parse, lvc_voevent.claims, lvc_voevent.read),
    "gcn-classic-voevent": Format(voevent.parse, gcn_classic.claims, gcn_classic.read),
}


def read(raw: bytes, format: str | None = None) -> Alert:
    """The alert that a message is, its format told by its content unless `format` names one of FORMATS.

    Raises
        Unreadable: not a format that we read, or a message that its format does not allow; the reasons name
            the fields.
    """
    if format is not None:
        if format not in FORMATS:
            raise Unreadable.at(f"must be one of {', '.join(FORMATS)}", "format")
        chosen = FORMATS[format]
        return chosen.read(chosen.parse(raw))
    parse = _parser(raw)
    document = parse(raw)
    for one in FORMATS.values():
        if one.parse is parse and one.claims(document):
            return one.read(document)
    raise _unknown(_described(document))


def with_map(alert: Alert, raw: bytes) -> Alert:
    """The alert with its sky map at hand, from its raw bytes; the alert itself where it has it, or has none.

    Of an alert that comes from the log, not from `read`. Raises as `read`.
    """
    if alert.gw is None or alert.gw.skymap is None or alert.gw.skymap.whole is not None:
        return alert
    again = read(raw).gw
    if again is None or again.skymap is None:
        return alert
    return alert.model_copy(update={"gw": alert.gw.model_copy(update={"skymap": again.skymap})})


def _parser(raw: bytes) -> Callable[[bytes], Any]:
    """Told by the first character that says anything."""
    start = raw[:1000].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"{"):
        return strict_json.loads
    if start.startswith(b"<"):
        return voevent.parse
    if not start:
        raise _unknown("empty")
    if start.startswith(b"["):
        raise _unknown("a JSON list")
    try:
        start.decode()
    except UnicodeDecodeError as error:
        if error.start < len(start) - 3:  # otherwise only a character that [:1000] cut through
            raise _unknown(f"{len(raw)} bytes that are not text") from None
    if b"\x00" in start:
        raise _unknown(f"{len(raw)} bytes that are not text")
    raise _unknown("text that is neither JSON nor XML")


def _described(document: Any) -> str:
    """What a document that no format claims looks like."""
    if not isinstance(document, dict):
        return f"a VOEvent of {_quoted(document.get('ivorn', '').split('#')[0])}"
    if isinstance(document.get("$schema"), str):
        return f"a notice of {_quoted(document['$schema'])}"
    return f"a JSON object of {_quoted(', '.join(islice(document, 100)) or 'nothing')}"


def _quoted(said: str) -> str:
    return repr(said if len(said) <= 200 else said[:200] + "…")


def _unknown(what: str) -> Unreadable:
    return Unreadable.at(f"not a format that ovro-alert reads: {what}")

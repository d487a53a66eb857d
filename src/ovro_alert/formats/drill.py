"""An alert as a test of itself, for drills: its own words, of role test, about an event that never was."""

import re
from typing import Any

import orjson
from lxml import etree

from ovro_alert.alert import Alert, Role
from ovro_alert.formats import flarescope, read, strict_json, voevent
from ovro_alert.formats.unreadable import Unreadable

# What names an event, or a message of it, in any of our formats. What is missed here is refused in the end.
FIELDS = frozenset({"id", "ref_ID", "superevent_id", "trigname"})
PARAMS = frozenset(
    "event_no graceid trigid trigger_number trignumber burst_id eventnum amon_id run_id event_id".split()  # noqa: SIM905
)
_SUPEREVENT = re.compile(r"[MT]?(S[0-9]{6}[a-z]{1,3})(?![A-Za-z0-9])")
_DSA_BURST = re.compile(r"[0-9]{6}[a-z]{4}")  # DSA-110's; those that it injects itself end in _injN


def as_test(raw: bytes, number: int, format: str | None = None) -> bytes:
    """The message as a test.

    A test that bore its event's name would pass for what came before, and its retraction for the event's own.
    So every name in it is made another one by `number`, such as the seconds since 1970: under one number the
    messages of one event stay of one event.

    Raises
        Unreadable: it is no alert, or of a kind that cannot be made a test.
    """
    before = read(raw, format)
    made = (
        _xml(raw, str(number)) if raw.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") else _json(raw, number)
    )
    after = read(made, format)
    if after.role is not Role.TEST or _names(before) & _names(after):
        raise Unreadable.at("cannot be made a test of another event: nothing in it says test, or names it")
    return made


def _names(alert: Alert) -> set[str]:
    return {alert.alert_id, alert.event_id, *alert.event_names}


def _xml(raw: bytes, number: str) -> bytes:
    root = voevent.parse(raw)
    root.set("role", "test")
    root.set("ivorn", f"{root.get('ivorn')}_{number}")
    for cited in root.iterfind("{*}Citations/{*}EventIVORN"):
        if ivorn := (cited.text or "").strip():
            cited.text = f"{ivorn}_{number}"
    for param in root.iterfind("{*}What//{*}Param"):
        if param.get("name", "").lower() in PARAMS and param.get("value", "").strip():
            param.set("value", _renamed(param.get("value").strip(), number))
    made: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return made


def _json(raw: bytes, number: int) -> bytes:
    document = _renamed_in(strict_json.loads(raw), str(number))
    # Of what has no name the content tells which it is: so it says the number too.
    if "$schema" in document:
        document |= {"alert_tense": "test", "drill": number}
    elif flarescope.claims(document):
        document |= {"role": "test", "drill": number}
    return orjson.dumps(document)


def _renamed_in(value: Any, number: str) -> Any:
    if isinstance(value, list):
        return [_renamed_in(one, number) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        _renamed(name, number) if _DSA_BURST.fullmatch(name) else name: (
            _all_renamed(one, number) if name in FIELDS else _renamed_in(one, number)
        )
        for name, one in value.items()
    }


def _all_renamed(value: Any, number: str) -> Any:
    """One name or several, as texts or numbers."""
    if isinstance(value, list):
        return [_all_renamed(one, number) for one in value]
    if isinstance(value, str) and value:
        return _renamed(value, number)
    return int(f"{value}{number}") if type(value) is int and 0 <= value < 10**8 else value


def _renamed(name: str, number: str) -> str:
    """Another name of the same kind, and of a test where the name tells."""
    if _SUPEREVENT.match(name):
        return _SUPEREVENT.sub(lambda found: f"M{found[1]}{_letters(int(number))}", name, count=1)
    return f"{name}_inj{number}" if _DSA_BURST.fullmatch(name) else f"{name}{number}"


def _letters(number: int) -> str:
    """A number as small letters, which is all that a superevent's name has after its date: at most seven."""
    letters = ""
    for _ in range(7):
        number, letter = divmod(number, 26)
        letters = chr(ord("a") + letter) + letters
    return letters

"""What a key allows: scopes by verb and slot, and which of them a request needs."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from ovro_alert.relay.settings import RESERVED


class Verb(StrEnum):
    """What one may do with a slot."""

    SEND = "send"  # put commands and alerts into it, and take commands back
    READ = "read"
    CLAIM = "claim"  # carry its commands out: claim them and report
    APPROVE = "approve"


ADMIN = "admin"  # the scope that holds all others
ALL_SLOTS = "*"
SCOPE = re.compile(rf"(?P<verb>{'|'.join(Verb)}):(?P<slot>\*|[a-z][a-z0-9_]{{0,49}})")
# What a POST to /commands/{id}/… does with the command's slot.
DEEDS = {
    "claim": Verb.CLAIM,
    "report": Verb.CLAIM,
    "cancel": Verb.SEND,
    "approve": Verb.APPROVE,
    "deny": Verb.APPROVE,
}


@dataclass(frozen=True)
class Rights:
    """The rights of a key: `admin`, or any of `<verb>:<slot>` and `<verb>:*`."""

    scopes: frozenset[str]
    holder: str = ""  # the key's name, which outlives its rotation; none for the key of the settings

    def allow(self, verb: Verb, slot: str) -> bool:
        """Whether the verb may be done with the slot; `*` asks for all of them."""
        scopes = self.scopes
        return f"{verb}:{slot}" in scopes or f"{verb}:*" in scopes or ADMIN in scopes

    def allow_some(self, verb: Verb) -> bool:
        """Whether there is any slot that the verb may be done with."""
        return any(scope == ADMIN or scope.startswith(f"{verb}:") for scope in self.scopes)


ALL_RIGHTS = Rights(frozenset({ADMIN}))


def parse_scope(text: str, slots: Iterable[str]) -> str:
    """A scope as a person writes it.

    Raises
        ValueError: it is none, or names a slot that is not among `slots`.
    """
    scope = text.strip()
    if scope == ADMIN:
        return scope
    match = SCOPE.fullmatch(scope)
    if match is None:
        raise ValueError(f"{scope!r} is no scope: admin, or {', '.join(Verb)} with a slot, such as read:lwa")
    if match["slot"] != ALL_SLOTS and match["slot"] not in (known := list(slots)):
        raise ValueError(f"{scope}: there is no slot {match['slot']}: there are {', '.join(known)}")
    return scope


def lacking(rights: Rights, method: str, path: str) -> str | None:
    """The scope that a request lacks, as far as its first line tells; None where it lacks none.

    What tells of all slots at once (the feed, what was set aside …) needs the verb for all of them. Of a
    command, an event or an alert that is posted, the slot is known only when it has been read: any right with
    the verb will do to ask, and the route demands the right itself. Whoever may send something may say how it
    hears what it sends. What nobody has thought of needs `admin`.
    """
    needed = _needed(method, path)
    if needed is None:
        return None if ADMIN in rights.scopes else ADMIN
    verb, slot = needed
    if slot is None:
        return None if rights.allow_some(verb) else f"{verb}:<slot>"
    return None if rights.allow(verb, slot) else f"{verb}:{slot}"


def _needed(method: str, path: str) -> tuple[Verb, str | None] | None:
    first, _, rest = path[1:].partition("/")
    if method in ("GET", "HEAD"):
        if rest and first in ("commands", "events"):
            return Verb.READ, None
        return Verb.READ, ALL_SLOTS if first in RESERVED else first
    if method == "PUT":
        return Verb.SEND, None if first == "sources" else first
    if method == "POST" and path in ("/alerts", "/alerts/batch"):
        return Verb.SEND, None
    if method == "POST" and first == "commands" and (verb := DEEDS.get(rest.rpartition("/")[2])):
        return verb, None
    return None

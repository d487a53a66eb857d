"""What is known before an alert: what its event has led to, what rules have used of their limits. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ovro_alert.command import State

# A command that ended so has moved nothing.
IN_VAIN = frozenset({State.CANCELLED, State.EXPIRED, State.REFUSED, State.FAILED})


@dataclass(frozen=True)
class Sent:
    """A command that an event has led to: where it went, how people call it, the rule that sent it."""

    id: int
    slot: str
    command: str
    name: str
    rule: str | None
    state: State


@dataclass(frozen=True)
class Use:
    """What a rule has asked of a slot before, for whichever event: when last, and how often in 24 h."""

    last: datetime
    in_a_day: int


@dataclass(frozen=True)
class History:
    """What is known before an alert: of its event, and of what the rules have used of their limits."""

    retracted_by: str | None = None
    sent: tuple[Sent, ...] = ()
    used: Mapping[tuple[str, str, str], Use] = field(default_factory=dict)  # by rule, slot and command

    def has_asked(self, slot: str, command: str) -> bool:
        """Whether the event has led to such a command, and not in vain."""
        asked = (one for one in self.sent if (one.slot, one.command) == (slot, command))
        return any(one.state not in IN_VAIN for one in asked)


NOTHING_BEFORE = History()

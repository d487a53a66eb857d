"""The commands that the story leads to, each with the last word of it that was heard."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ovro_alert.command import State, is_over
from ovro_alert.link.relay import FeedEntry

CLIENTS = frozenset({"lwa", "dsa"})  # slots whose clients take part in the demonstration
STEPS = {
    "queued": State.QUEUED,
    "pending": State.PENDING,
    "approved": State.QUEUED,
    "denied": State.REFUSED,
    "cancelled": State.CANCELLED,
    "expired": State.EXPIRED,
}


@dataclass
class Asked:
    """One command; `detail` is what its client said of it last."""

    id: int
    slot: str
    command: str
    event_id: str | None
    seq: int = 0  # while it waits for a person
    state: State = State.QUEUED
    detail: dict[str, Any] = field(default_factory=dict)
    at: datetime | None = None  # the last word
    running_at: datetime | None = None
    retracted: bool = False  # its event, before it was over

    def take(self, entry: FeedEntry) -> None:
        """What the relay says of it."""
        data = entry.data
        self.seq = data.get("seq") or self.seq
        self.state = STEPS.get(entry.kind) or State(data.get("state", self.state))
        self.at = entry.at
        if entry.kind in ("reported", "progress") and isinstance(data.get("detail"), dict):
            self.detail = data["detail"]
        elif "reason" in data:
            self.detail = {"message": data["reason"]}
        if self.state is State.RUNNING:
            self.running_at = self.running_at or entry.at

    @property
    def has_come(self) -> bool:
        """Whether what was due of it is seen: it is over, or its beam observes, or a search has looked."""
        return (
            is_over(self.state)
            or self.detail.get("state") == "observing"
            # Of one that begins later there is no more to be seen now.
            or (self.detail.get("state") == "scheduled" and self.detail.get("submission") == "buffer")
            or "triggers" in self.detail
        )

    @property
    def is_wrong(self) -> bool:
        """Whether it ended otherwise than it should have."""
        return is_over(self.state) and self.state is not State.DONE and not self.retracted

    @property
    def message(self) -> str:
        """The last word of it, for people."""
        return str(self.detail.get("message", ""))


class Commands:
    """All of them, by the relay's feed."""

    def __init__(self) -> None:
        self._by_id: dict[int, Asked] = {}

    def take(self, entry: FeedEntry) -> Asked | None:
        """The command that an entry of the feed is about."""
        if entry.command_id is None or "command" not in entry.data:
            return None
        asked = self._by_id.setdefault(
            entry.command_id,
            Asked(entry.command_id, entry.data["slot"], entry.data["command"], entry.event_id),
        )
        asked.take(entry)
        return asked

    @property
    def pending(self) -> list[Asked]:
        """Those that wait for a person."""
        return [one for one in self._by_id.values() if one.state is State.PENDING]

    def retract(self, event_id: str | None) -> list[Asked]:
        """Those of an event that is taken back; the ones that run, whose clients have not heard of it yet."""
        found = [one for one in self._by_id.values() if event_id and one.event_id == event_id]
        lasting = [one for one in found if not is_over(one.state)]
        unheard = [one for one in lasting if one.state is State.RUNNING and not one.retracted]
        for one in lasting:
            one.retracted = True
        return unheard

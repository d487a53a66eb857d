"""Plays alerts to the observatory one after the other, and holds what came of each against what was due."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ovro_alert.command import State, is_over
from ovro_alert.demo.observatory import Observatory
from ovro_alert.demo.processes import Failed
from ovro_alert.demo.samples import Sample
from ovro_alert.demo.view import View
from ovro_alert.formats import read
from ovro_alert.formats.unreadable import Unreadable
from ovro_alert.link.relay import FeedEntry, Relay

TELESCOPE = "lwa"  # the slot whose client runs in the demonstration
PATIENCE_S = 30.0


@dataclass
class Played:
    """What came of one sample."""

    sample: Sample
    sent_at: datetime
    alert_id: str | None  # None: unreadable
    entries: list[FeedEntry] = field(default_factory=list)
    complaint: str = ""  # "" when all that was due has come

    def asked(self, *kinds: str) -> list[tuple[str, str]]:
        """The (slot, command)s that were queued, or wait for a person (`pending`)."""
        asked = (one for one in self.entries if one.kind in kinds)
        return [(one.data["slot"], one.data["command"]) for one in asked]

    def states(self) -> dict[int, State]:
        """Of each command that the telescope was asked, where it stands."""
        found: dict[int, State] = {}
        for one in self.entries:
            if one.command_id is None or one.data.get("slot") != TELESCOPE:
                continue
            said = {"reported": one.data.get("state"), "cancelled": "cancelled", "expired": "expired"}
            found[one.command_id] = State(said.get(one.kind) or found.get(one.command_id, State.QUEUED))
        return found

    def timeline(self) -> dict[str, Any]:
        """As JSON: what was sent when, and all that followed."""
        return {
            "sample": self.sample.name,
            "title": self.sample.title,
            "transport": self.sample.transport,
            "topic": self.sample.topic,
            "bytes": len(self.sample.raw),
            "sent_at": self.sent_at.isoformat(),
            "alert_id": self.alert_id,
            "complaint": self.complaint,
            "happened": [entry.model_dump(mode="json") for entry in self.entries],
        }


class Player:
    """Sends samples and follows the relay's feed."""

    def __init__(self, place: Observatory, relay: Relay, view: View) -> None:
        self._place = place
        self._relay = relay
        self._view = view
        self._cursor = 0
        self._known: set[str] = set()

    def play(self, number: int, count: int, sample: Sample) -> Played:
        """Sends a sample and waits until all that follows from it has happened."""
        played = Played(sample, datetime.now(UTC), _alert_id(sample))
        self._view.begin(number, count, sample, played.sent_at)
        self._place.send(sample)
        if played.alert_id in self._known:
            self._view.repeated(datetime.now(UTC))
            return played
        try:
            self._follow(played)
        except Failed as failed:
            played.complaint = str(failed)
        else:
            played.complaint = _complaint(played)
        if played.complaint:
            self._view.say(f"[bold red]             {played.complaint}[/]")
        if played.alert_id is not None:
            self._known.add(played.alert_id)
        return played

    def _follow(self, played: Played) -> None:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            self._place.processes.check()
            # A decision and the commands that follow from it are one commit, so they come together.
            entries, self._cursor = self._relay.feed(self._cursor, 1)
            for entry in entries:
                self._view.show(entry)
                played.entries.append(entry)
            is_decided = any(one.kind in ("decided", "setaside") for one in played.entries)
            if is_decided and all(map(is_over, played.states().values())):
                return
        raise Failed(f"what was due has not come within {PATIENCE_S:.0f} s")


def _alert_id(sample: Sample) -> str | None:
    try:
        return read(sample.raw).alert_id
    except Unreadable:
        return None


def _complaint(played: Played) -> str:
    """What is wrong with what came; "" when nothing is."""
    if (played.alert_id is None) != any(one.kind == "setaside" for one in played.entries):
        return "it should have been set aside, and that alone"
    due = played.sample.expects
    asked = sorted(played.asked("queued", "pending"))
    if due is not None and sorted(due) != asked:
        return f"due were {sorted(due)}, asked were {asked}"
    left = [state for state in played.states().values() if state is not State.DONE]
    return f"not carried out: {', '.join(left)}" if left else ""

"""Plays alerts to the observatory one after the other, and holds what came of each against what was due."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ovro_alert.alert import Alert, AlertType
from ovro_alert.command import State
from ovro_alert.demo.asked import CLIENTS, Asked, Commands
from ovro_alert.demo.observatory import Observatory
from ovro_alert.demo.processes import Failed
from ovro_alert.demo.samples import Sample
from ovro_alert.demo.view import View
from ovro_alert.formats import read
from ovro_alert.formats.unreadable import Unreadable
from ovro_alert.link.relay import FeedEntry, Relay

PATIENCE_S = 30.0


@dataclass
class Played:
    """What came of one sample."""

    sample: Sample
    sent_at: datetime
    alert: Alert | None  # None: unreadable
    entries: list[FeedEntry] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)  # what it led to
    unheard: list[Asked] = field(default_factory=list)  # what runs, and is not known to know its retraction
    lacks: str = ""  # what was due and did not come

    @property
    def has_ended(self) -> bool:
        """Whether all that follows from it has happened; the sessions go on, and what waits for a person."""
        is_decided = any(one.kind in ("decided", "setaside") for one in self.entries)
        acted_on = (one for one in self.asked if one.slot in CLIENTS and one.state is not State.PENDING)
        return is_decided and not self.unheard and all(one.has_come for one in acted_on)

    @property
    def complaint(self) -> str:
        """What is wrong with what came; "" when nothing is."""
        if self.lacks:
            return self.lacks
        wrong = (f"/{one.slot} #{one.seq} {one.state}: {one.message}" for one in self.asked if one.is_wrong)
        return "; ".join(wrong)

    def timeline(self) -> dict[str, Any]:
        """As JSON: what was sent when, all that followed, and how each command stands by now."""
        return {
            "sample": self.sample.name,
            "title": self.sample.title,
            "transport": self.sample.transport,
            "topic": self.sample.topic,
            "bytes": len(self.sample.raw),
            "sent_at": self.sent_at.isoformat(),
            "alert_id": self.alert.alert_id if self.alert else None,
            "complaint": self.complaint,
            "happened": [entry.model_dump(mode="json") for entry in self.entries],
            "commands": [
                {"id": one.id, "slot": one.slot, "command": one.command, "state": one.state}
                | {"detail": one.detail}
                for one in self.asked
            ],
        }


class Player:
    """Sends samples and follows the relay's feed."""

    def __init__(self, place: Observatory, relay: Relay, view: View) -> None:
        self._place = place
        self._relay = relay
        self._view = view
        self._cursor = 0
        self._known: set[str] = set()
        self._commands = Commands()

    def play(self, number: int, count: int, sample: Sample) -> Played:
        """Sends a sample and waits until all that follows from it has happened."""
        played = Played(sample, datetime.now(UTC), _alert(sample))
        alert_id = played.alert.alert_id if played.alert else None
        self._view.begin(number, count, sample, alert_id, played.sent_at)
        self._place.send(sample)
        if alert_id in self._known:
            self._view.repeated(datetime.now(UTC))
            return played
        try:
            self._follow(played)
        except Failed as failed:
            played.lacks = str(failed)
        else:
            played.lacks = _lacks(played)
        if played.complaint:
            self._view.say(f"[bold red]             {played.complaint}[/]")
        if alert_id:
            self._known.add(alert_id)
        return played

    @property
    def pending(self) -> list[Asked]:
        """The commands that wait for a person."""
        return self._commands.pending

    def watch(self) -> None:
        """Shows what happens within a moment, whatever it is about."""
        for entry in self._news():
            self._commands.take(entry)
            self._view.show(entry)

    def _news(self) -> list[FeedEntry]:
        entries, self._cursor = self._relay.feed(self._cursor, 0.5)
        return entries

    def _follow(self, played: Played) -> None:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            self._place.processes.check()
            # A decision and the commands that follow from it are one commit, so they come together.
            for entry in self._news():
                self._take(entry, played)
            if played.has_ended:
                return
        raise Failed(f"what was due has not come within {PATIENCE_S:.0f} s")

    def _take(self, entry: FeedEntry, played: Played) -> None:
        asked = self._commands.take(entry)
        if asked and entry.kind in ("queued", "pending") and asked not in played.asked:
            played.asked.append(asked)
        is_retracted = played.alert is not None and played.alert.alert_type is AlertType.RETRACTION
        if entry.kind == "decided" and is_retracted:
            played.unheard = self._commands.retract(entry.event_id)
        is_news = asked in played.asked or asked in played.unheard
        if asked in played.unheard and entry.kind in ("reported", "progress"):
            played.unheard.remove(asked)
        if entry.kind != "progress" or is_news:  # how far those of earlier alerts are is not this one's story
            self._view.show(entry)
        played.entries.append(entry)


def _alert(sample: Sample) -> Alert | None:
    try:
        return read(sample.raw)
    except Unreadable:
        return None


def _lacks(played: Played) -> str:
    """What should have followed and did not, or not that; "" when all is as it should be."""
    if (played.alert is None) != any(one.kind == "setaside" for one in played.entries):
        return "it should have been set aside, and that alone"
    due, asked = played.sample.expects, sorted((one.slot, one.command) for one in played.asked)
    if due is not None and sorted(due) != asked:
        return f"due were {sorted(due)}, asked were {asked}"
    return ""

"""What people see of the demonstration: every hop of every alert on a line of its own, as it happens."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape

from ovro_alert.demo.samples import Sample
from ovro_alert.link.relay import FeedEntry

WAYS = {
    "kafka": "to Kafka",
    "voevent": "from CHIME's broker to Comet",
    "flarescope": "as a file",
    "etcd": "into DSA-110's etcd",
}
RECEIVERS = {
    "kafka": "GCN receiver",
    "voevent": "CHIME receiver",
    "file": "Flarescope receiver",
    "etcd": "DSA-110 receiver",
}
STATE_STYLE = {"done": "bold green", "failed": "bold red", "refused": "bold red"}


class View:
    """Prints to a console; a line says what happened, and how long after the line before."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: datetime | None = None
        self._numbers: dict[str, str] = {}  # of alerts, by their long names

    def say(self, text: str) -> None:
        for name, number in self._numbers.items():
            text = text.replace(name, number)
        self._console.print(text, highlight=False)

    def begin(self, number: int, count: int, sample: Sample, alert_id: str | None, now: datetime) -> None:
        if alert_id:
            self._numbers[alert_id] = f"alert {number}"
        way = WAYS[sample.transport] + (f", {sample.topic}" if sample.topic else "")
        self._console.rule(f"[bold]{number}/{count}  {escape(sample.title)}", align="left", style="dim")
        self._last = now
        self._line(now, "sent", "white", f"{len(sample.raw):,} bytes {way}")

    def show(self, entry: FeedEntry) -> None:
        """One thing that happened at the relay."""
        data = entry.data
        slot = f"/{data.get('slot')} #{data.get('seq')}"
        match entry.kind:
            case "logged":
                if arrived := data.get("arrived_at"):
                    self._line(
                        datetime.fromisoformat(arrived),
                        "received",
                        "white",
                        f"by the {RECEIVERS.get(data['via'], data['via'])}",
                    )
                self._line(entry.at, "logged", "white", escape(data["summary"]))
            case "decided":
                self._decided(entry)
            case "queued":
                self._line(entry.at, "queued", "yellow", f"{slot} [bold]{escape(data['command'])}[/]")
            case "pending":
                what = f"/{data.get('slot')} [bold]{escape(data['command'])}[/]"
                self._line(entry.at, "pending", "yellow", f"{what} waits until a person has approved it")
            case "claimed":
                self._line(entry.at, "claimed", "cyan", f"{slot} by {escape(data['client'])}")
            case "reported" | "progress":
                self._reported(entry, slot)
            case "approved":
                self._line(entry.at, "approved", "yellow", f"{slot} by {escape(data['by'])}")
            case "setaside":
                self._line(entry.at, "set aside", "bold magenta", escape(data["reason"]))
            case kind:
                about = f"{slot} " if entry.command_id else ""
                said = data.get("reason") or data.get("why") or data.get("trouble") or ""
                self._line(entry.at, kind, "magenta", escape(f"{about}{said}"))

    def repeated(self, now: datetime) -> None:
        self._line(now, "known", "dim", "the relay had it already: nothing follows")

    def _reported(self, entry: FeedEntry, slot: str) -> None:
        word, detail = entry.data["state"], entry.data.get("detail")
        style, said = STATE_STYLE.get(word, "cyan"), detail or ""
        if isinstance(detail, dict):
            said = detail.get("message", "")
            if word == "running":  # of which a session's own state says more
                word = detail.get("state", word)
        self._line(entry.at, word, style, escape(f"{slot} {said}"))

    def _decided(self, entry: FeedEntry) -> None:
        decisions: list[Mapping[str, Any]] = entry.data["decisions"]
        acting = [one for one in decisions if one["verdict"] != "no"] or _nearest(decisions)
        for one in acting:
            style = {"yes": "bold green", "error": "bold red"}.get(one["verdict"], "dim")
            said = [reason for reason in one["reasons"] if reason.startswith("/")] or one["reasons"][-1:]
            self._line(entry.at, one["verdict"], style, escape(f"{one['rule']}: {'; '.join(said)}"))

    def _line(self, at: datetime, what: str, style: str, text: str) -> None:
        since = (at - (self._last or at)).total_seconds() * 1e3
        self._last = at
        # Machines' clocks and processes' buffers may disagree by a hair: never a negative time.
        self.say(f"[dim]{max(since, 0):>8.1f} ms[/]  [{style}]{what:<10}[/] {text}")


def _nearest(decisions: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of rules that all said no, the one that got furthest says most."""
    return [max(decisions, key=lambda one: len(one["reasons"]))] if decisions else []

"""What came of the story in the end, for people: what is done, what still runs, what waits for whom."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.markup import escape

from ovro_alert.command import State, is_over
from ovro_alert.demo.asked import CLIENTS, Asked
from ovro_alert.demo.play import Played
from ovro_alert.telescopes.dsa.settings import DsaSettings

TELESCOPES = {"lwa": ", OVRO-LWA", "dsa": ", DSA-110"}
STYLE = {State.DONE: "bold green", State.RUNNING: "cyan", State.PENDING: "yellow", State.CANCELLED: "magenta"}


def summary(played: list[Played], out: Path) -> Iterator[str]:
    """Line by line, marked up for the console."""
    asked = [one for each in played for one in each.asked]
    yield f"[bold]{len(played)} alerts played, {len(asked)} commands followed from them.[/]"
    for slot in dict.fromkeys(one.slot for one in asked):
        yield f"/{slot}{TELESCOPES.get(slot, '')}:"
        yield from map(_line, (one for one in asked if one.slot == slot))
    yield "Session definition files:"
    yield from [f"  {path}" for path in sorted(out.glob("lwa/sdf/*.sdf"))] or ["  none"]
    for each in played:
        if each.complaint:
            yield f"[bold red]{escape(each.sample.title)}: {escape(each.complaint)}[/]"


def _line(one: Asked) -> str:
    place = f"#{one.seq}" if one.seq else ""
    state = "waits" if one.state is State.PENDING else str(one.state)
    style = STYLE.get(one.state, "bold red" if one.is_wrong else "white")
    return f"  [{style}]{state:<10}[/]{place:<4}{escape(one.command):<12}{escape(_how(one))}"


def _how(one: Asked) -> str:
    if one.state is State.PENDING:
        return "for a person's approval"
    if one.state is State.QUEUED and one.slot not in CLIENTS:
        return "no client of it takes part here"
    until = None if is_over(one.state) else _until(one)
    return f"{one.message}, until {until:%H:%M:%S} UTC" if until else one.message


def _until(one: Asked) -> datetime | None:
    """When one that runs will have ended: a session by its times, a search when it waits no longer."""
    if end := one.detail.get("end"):
        return datetime.fromisoformat(end).astimezone(UTC)
    if "triggers" in one.detail and one.running_at:
        return one.running_at + timedelta(seconds=DsaSettings().search_wait_s)
    return None

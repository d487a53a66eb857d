"""The demonstration: the whole way of an alert to the telescope, for real, on one machine."""

import json
import shutil
import signal
import threading
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from rich.console import Console

from ovro_alert.demo.observatory import KEY, Observatory, observatory
from ovro_alert.demo.play import Played, Player
from ovro_alert.demo.processes import Failed
from ovro_alert.demo.replay import as_though_now, recorded
from ovro_alert.demo.samples import Sample, samples
from ovro_alert.demo.view import View
from ovro_alert.link.relay import Away, Relay

TIMELINE = "timeline.json"


def demo(out: Path, corpus: Path | None, once: bool) -> int:
    """Runs the demonstration with its files below `out`; returns the exit code.

    0 only if every command that was due was carried out. Unless `once`, all goes on running until Ctrl-C.
    """
    view = View(Console(soft_wrap=True))
    stop = threading.Event()

    def told_to_stop(number: int, frame: FrameType | None) -> None:
        stop.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, told_to_stop)
    try:
        now = datetime.now(UTC)
        played = _cast(corpus, now, view)
        _clear(out)
        view.say("Starting the relay, Kafka, Comet, the receivers and the LWA client …")
        topics = {sample.topic for sample in played if sample.topic}
        with observatory(out, topics) as place:
            code = _perform(place, played, view)
            if not once and not stop.is_set():
                _stay(place, view, stop)
        return code
    except KeyboardInterrupt:
        view.say("\nStopped; everything that the demonstration started has ended.")
        return 130 if once else 0
    except (Failed, Away) as failed:
        view.say(f"[bold red]The demonstration failed:[/] {failed}")
        return 1


def _cast(corpus: Path | None, now: datetime, view: View) -> list[Sample]:
    """The alerts to play."""
    if corpus is None:
        return samples(now)
    if not corpus.is_dir():
        raise Failed(f"--corpus: {corpus} is not a folder")
    found = [as_though_now(sample, now)[0] for sample in recorded(corpus)]
    if not found:
        raise Failed(f"--corpus: there are no files in {corpus}")
    view.say(
        f"{len(found)} recorded alerts of {corpus}. They are old: each is played as though it happened now, "
        "every time in it shifted alike."
    )
    return found


def _clear(out: Path) -> None:
    """Makes room for this run where an earlier one has been; what is not a demonstration's is left alone."""
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()) and not (out / "logs").is_dir():
        raise Failed(f"--out: {out} holds files that are not a demonstration's: name another folder")
    for path in out.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _perform(place: Observatory, cast: list[Sample], view: View) -> int:
    with Relay(place.relay_url, KEY) as relay:
        player = Player(place, relay, view)
        played = [player.play(number, len(cast), sample) for number, sample in enumerate(cast, 1)]
    timeline = place.out / TIMELINE
    timeline.write_text(json.dumps([each.timeline() for each in played], indent=1), encoding="utf-8")
    return _sum_up(place, played, view)


def _sum_up(place: Observatory, played: list[Played], view: View) -> int:
    states = Counter(str(state) for each in played for state in each.states().values())
    wrong = [each for each in played if each.complaint]
    view.say(f"\n[bold]{len(played)} alerts played.[/] Commands to OVRO-LWA: {_listed(states)}.")
    elsewhere = Counter(f"/{slot}" for each in played for slot, _ in each.asked("queued") if slot != "lwa")
    if elsewhere:
        view.say(f"Queued where no client takes part in this demonstration: {_listed(elsewhere)}.")
    for slot, command in (one for each in played for one in each.asked("pending")):
        view.say(f"/{slot} {command} waits for a person: POST /commands/{{id}}/approve, or /deny.")
    for title, pattern in (("Session definition files", "sdf/*.sdf"), ("Dump plans", "dumps/*.json")):
        view.say(f"{title}:")
        paths = sorted(map(str, place.out.glob(pattern)))
        view.say("\n".join(f"  {path}" for path in paths or ["none"]))
    view.say(f"Timeline: {place.out / TIMELINE}")
    for each in wrong:
        view.say(f"[bold red]{each.sample.title}: {each.complaint}[/]")
    return 1 if wrong else 0


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"


def _stay(place: Observatory, view: View, stop: threading.Event) -> None:
    view.say(
        f"\n[bold]The relay is running at {place.relay_url}[/] (pages: {place.relay_url}/docs; "
        f"key: {KEY}). Try:\n"
        f"  curl -H 'X-API-Key: {KEY}' {place.relay_url}/lwa\n"
        f"  curl -H 'X-API-Key: {KEY}' {place.relay_url}/events\n"
        "Ctrl-C ends all of it."
    )
    while not stop.wait(0.5):
        place.processes.check()

"""The demonstration: the whole way of an alert to the telescope, for real, on one machine."""

import json
import shutil
import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.markup import escape

from ovro_alert.demo.observatory import KEY, Observatory, observatory
from ovro_alert.demo.play import Player
from ovro_alert.demo.processes import Failed
from ovro_alert.demo.replay import as_though_now, recorded
from ovro_alert.demo.samples import Sample, codetection, samples
from ovro_alert.demo.summary import summary
from ovro_alert.demo.view import View
from ovro_alert.link.relay import Away, Relay

TIMELINE = "timeline.json"


def demo(out: Path, corpus: Path | None, once: bool) -> int:
    """Runs the demonstration with its files below `out`; returns the exit code.

    0 only if every command that was due is done, or its session observes. Unless `once`, all goes on running
    until Ctrl-C.
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
        view.say("Starting the relay, Kafka, Comet, etcd, receivers, clients and simulated telescopes …")
        topics = {sample.topic for sample in played if sample.topic}
        with observatory(out, topics) as place, Relay(place.relay_url, KEY) as relay:
            player = Player(place, relay, view)
            code = _perform(player, played, place.out, view)
            if not once and not stop.is_set():
                _stay(place, player, view, stop)
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
        return [*samples(now), *codetection(now)]
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


def _perform(player: Player, cast: list[Sample], out: Path, view: View) -> int:
    played = [player.play(number, len(cast), sample) for number, sample in enumerate(cast, 1)]
    timeline = out / TIMELINE
    timeline.write_text(json.dumps([each.timeline() for each in played], indent=1), encoding="utf-8")
    view.say("")
    for line in summary(played, out):
        view.say(line)
    view.say(f"Timeline: {timeline}")
    return int(any(each.complaint for each in played))


def _stay(place: Observatory, player: Player, view: View, stop: threading.Event) -> None:
    url, bin = place.relay_url, Path(sys.executable).parent
    header = f"-H 'X-API-Key: {KEY}'"
    endpoints = f"OVRO_ALERT_ETCD_ENDPOINTS='{place.environment['OVRO_ALERT_ETCD_ENDPOINTS']}'"
    tries = [
        *(f'curl {header} {url}/commands/{one.id}/approve -d \'{{"by":"me"}}\'' for one in player.pending),
        f"curl {header} {url}/events",
        f"{endpoints} {bin / 'dsa-alert'} --check",
        f"{endpoints} OVRO_ALERT_LWA_ALERT_DIRECTORY={place.out / 'lwa'} {bin / 'lwa-alert'} --check",
    ]
    view.say(f"\n[bold]All of it runs on[/]; the relay is at {url} (pages: {url}/docs; key: {KEY}). Try:")
    for line in tries:
        view.say(f"  {escape(line)}")
    view.say("What happens is told here. Ctrl-C ends all of it.")
    while not stop.is_set():
        place.processes.check()
        player.watch()

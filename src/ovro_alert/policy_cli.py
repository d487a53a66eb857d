"""`ovro-alert policy`: rules checked, explained, and tried on what has come before."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from ovro_alert.formats import read
from ovro_alert.formats.unreadable import Unreadable
from ovro_alert.policy import rules, text
from ovro_alert.policy.compared import Past, Replayed, Tally
from ovro_alert.policy.doubts import doubts
from ovro_alert.policy.explain import explain
from ovro_alert.policy.functions import World
from ovro_alert.policy.replay import Replay
from ovro_alert.relay import past as past_alerts
from ovro_alert.relay.maps import Maps
from ovro_alert.relay.settings import RelaySettings, load_settings
from ovro_alert.sky.catalogue import Catalogue
from ovro_alert.span import parse_moment, parse_span
from ovro_alert.store import catalogue, engine
from ovro_alert.store import past as past_log
from ovro_alert.store.log import utc_now

PROGRESS_S = 5.0
EARLIEST, LATEST = past_log.EARLIEST, past_log.LATEST
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Checks rules, says why they do what they do, and tries them on what has come before.",
)
AnotherPolicy = Annotated[
    Path | None, typer.Option("--policy", help="Another policy than the one that the settings name.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]


def _fail(reason: object) -> NoReturn:
    typer.echo(f"ovro-alert policy: {reason}", err=True)
    raise typer.Exit(1)


def _echo(lines: Iterable[str]) -> None:
    """Prints lines; what senders wrote may hold characters that a terminal would obey."""
    for line in lines:
        typer.echo("".join(letter for letter in line if letter.isprintable()))


def _policy(settings: RelaySettings, file: Path | None) -> rules.Policy:
    """The policy as the relay would load it; one that it would refuse ends the process, a line a fault."""
    try:
        return rules.load(file or settings.policy, settings.commanded)
    except rules.PolicyError as error:
        for each in error.errors:
            typer.echo(each, err=True)
        raise typer.Exit(1) from error


@contextmanager
def _log(url: str) -> Iterator[Connection | None]:
    """The log, to be read; None where there is none. What is wrong with it ends the process with one line."""
    try:
        if not engine.exists(url):
            yield None
        elif not engine.is_newest(url):
            _fail("the log has not the schema of this version: `ovro-alert db status`")
        else:
            with engine.opened(url, writes=False) as log, log.connect() as connection:
                yield connection
    except (ValueError, SQLAlchemyError) as error:
        _fail(getattr(error, "orig", error))


def _world(settings: RelaySettings, log: Connection | None) -> World:
    """What the relay would ask rules over; known sources, and maps of what came before, are in the log."""
    if log is None:
        return settings.world
    maps, known = Maps(), Catalogue(catalogue.sources(log))
    return replace(settings.world, catalogue=known, map_of=lambda alert: maps.of(log, alert))


def _moment(written: str) -> datetime:
    """A moment that is written out, or so long ago (90d, 12h, 30m)."""
    try:
        span = parse_span(written)
        return parse_moment(written) if span is None else utc_now() - span
    except (ValueError, OverflowError) as error:
        _fail(error)


def _unread(what: str, why: str) -> None:
    typer.echo(f"not read: {what}: {why}", err=True)


@app.command()
def check(
    file: Annotated[Path | None, typer.Argument(help="Without it the one that the settings name.")] = None,
) -> None:
    """Loads a policy as the relay does, says what each rule sends, and warns of what is seldom meant.

    Exits with 1 where the relay would refuse it, and says each fault with its line.
    """
    settings = load_settings()
    policy = _policy(settings, file)
    name = file or settings.policy or rules.DEFAULT
    _echo([f"{name}, digest {policy.digest}", "", *text.sends(policy)])
    for rule, doubt in doubts(policy):
        typer.echo(f"{name}:{rule.line}: warning: {rule.name}: {doubt}", err=True)


@app.command("explain")
def explain_(
    alert: Annotated[
        str, typer.Argument(metavar="ALERT", help="A file, - for standard input, or an alert_id of the log.")
    ],
    policy: AnotherPolicy = None,
    now: Annotated[
        str | None, typer.Option(help="The moment of the decision, instead of when it was logged, or now.")
    ] = None,
    format: Annotated[str | None, typer.Option(help="Of a file, where the content does not tell it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Says what each rule makes of an alert: each condition and its value, the verdict, what would be sent.

    An alert of the log comes after what had come before it; one of a file as though nothing had.
    """
    settings = load_settings()
    chosen = _policy(settings, policy)
    at = None if now is None else _moment(now)
    with _log(settings.database_url) as log:
        replay = Replay(chosen, _world(settings, log))
        past = _read(alert, format) or _logged(log, replay, alert)
        past = replace(past, at=at or past.at)
        history, world = replay.before(past)
        said = explain(chosen, past.alert, history, past.at, world)
    if as_json:
        typer.echo(text.dumps(text.explained_json(past, said), indent=2))
    else:
        _echo(text.explained(past, said))


def _read(file: str, format: str | None) -> Past | None:
    """An alert of a file, or of standard input, as though it came now; None where there is no such file."""
    if file != "-" and not Path(file).is_file():
        return None
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return Past(read(raw, format), utc_now(), None)
    except (Unreadable, OSError) as error:
        _fail(f"{file}: {error}")


def _logged(log: Connection | None, replay: Replay, alert_id: str) -> Past:
    """An alert of the log, when the replay has taken what came before it."""
    at = None if log is None else past_log.logged_at(log, alert_id)
    if log is None or at is None:
        _fail(f"{alert_id}: there is no such file, and no such alert in the log")
    until = at + timedelta(microseconds=1)
    for past in past_alerts.of_log(log, replay.policy, _unread, since=at, until=until):
        if past.alert.alert_id == alert_id:
            return past
        replay.take(past)
    _fail(f"{alert_id}: it cannot be read any more")


@app.command("replay")
def replay_(
    since: Annotated[
        str | None, typer.Option(help="From a UTC date or moment on, or from so long ago: 90d, 12h, 30m.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Until then.")] = None,
    policy: AnotherPolicy = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="A folder of messages, instead of the log.", exists=True, file_okay=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Says what a policy would have done with the alerts of the log, and how that differs from what was done.

    = the same, + would have been sent, - would not, ~ would have been another, ? nobody knows what was done.
    With --json a line for each alert that leads to anything, and one of the sum.
    """
    settings = load_settings()
    chosen = _policy(settings, policy)
    begin, end = _moment(since) if since else EARLIEST, _moment(until) if until else LATEST
    tally = Tally(chosen)
    with _log(settings.database_url) as log:
        replay = Replay(chosen, _world(settings, log))
        alerts: Iterable[Past]
        if folder is not None:
            alerts = (past for past in past_alerts.of_folder(folder, _unread) if past.at < end)
        elif log is not None:
            alerts = past_alerts.of_log(log, chosen, _unread, since=begin, until=end)
        else:
            _fail("there is no log")
        for said in replay.through(_with_progress(alerts)):
            if begin <= said.at < end:
                tally.add(said)
                _show(said, as_json)
    if as_json:
        typer.echo(text.dumps(text.tally_json(tally)))
    else:
        _echo(text.tally(tally))


def _show(said: Replayed, as_json: bool) -> None:
    if not as_json:
        _echo(text.replayed(said))
    elif said.compared or any(one.cancels for one in said.decisions):
        typer.echo(text.dumps(text.replayed_json(said)))


def _with_progress(alerts: Iterable[Past]) -> Iterator[Past]:
    """The same; who waits long is told how far it is."""
    said = time.monotonic()
    for n, past in enumerate(alerts):
        if time.monotonic() - said > PROGRESS_S:
            said = time.monotonic()
            typer.echo(f"{n:,} alerts, {past.at:%Y-%m-%d %H:%M} UTC", err=True)
        yield past

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
from sqlalchemy.exc import DatabaseError

from ovro_alert.alert import Alert
from ovro_alert.formats import read
from ovro_alert.formats.unreadable import Unreadable
from ovro_alert.policy import rules, text
from ovro_alert.policy.decide import History
from ovro_alert.policy.doubts import doubts
from ovro_alert.policy.explain import explain
from ovro_alert.policy.functions import World
from ovro_alert.policy.replay import DAY, Past, Replay, Tally
from ovro_alert.relay import past as past_alerts
from ovro_alert.relay.settings import RelaySettings, load_settings
from ovro_alert.sky.visibility import Site
from ovro_alert.span import parse_moment, parse_span
from ovro_alert.store import engine
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


def _world(settings: RelaySettings) -> World:
    return World(Site(*settings.site))


@contextmanager
def _log(url: str) -> Iterator[Connection]:
    """The log, to be read; what is wrong with it ends the process with one line."""
    try:
        if not engine.is_newest(url):
            _fail("there is no log with the schema of this version: `ovro-alert db status`")
        with engine.opened(url, writes=False) as log, log.connect() as connection:
            yield connection
    except (ValueError, DatabaseError) as error:
        _fail(getattr(error, "orig", error))


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
    if alert == "-" or Path(alert).is_file():
        past, history = Past(_read(alert, format), at or utc_now(), None), History()
    else:
        past, history = _logged(settings, chosen, alert, at)
    said = explain(chosen, past.alert, history, past.at, _world(settings))
    if as_json:
        typer.echo(text.dumps(text.explained_json(past, said), indent=2))
    else:
        _echo(text.explained(past, said))


def _read(file: str, format: str | None) -> Alert:
    try:
        return read(sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes(), format)
    except (Unreadable, OSError) as error:
        _fail(f"{file}: {error}")


def _logged(
    settings: RelaySettings, policy: rules.Policy, alert_id: str, now: datetime | None
) -> tuple[Past, History]:
    """An alert of the log and what the policy would have known before it."""
    with _log(settings.database_url) as connection:
        at = past_log.logged_at(connection, alert_id)
        if at is None:
            _fail(f"{alert_id}: there is no such file, and no such alert in the log")
        replay = Replay(policy, _world(settings))
        before = DAY if policy.limited else timedelta(0)
        until = at + timedelta(microseconds=1)
        for past in past_alerts.of_log(connection, _unread, since=at, until=until, before=before):
            if past.alert.alert_id == alert_id:
                past = replace(past, at=now or at)
                return past, replay.history(past)
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
    replay, tally = Replay(chosen, _world(settings)), Tally(chosen)
    with _past(settings, folder, begin, end) as alerts:
        for past in _with_progress(alerts):
            replayed = replay.take(past)
            if past.at < begin:
                continue
            tally.add(replayed)
            if not as_json:
                _echo(text.replayed(replayed))
            elif replayed.compared:
                typer.echo(text.dumps(text.replayed_json(replayed)))
    if as_json:
        typer.echo(text.dumps(text.tally_json(tally)))
    else:
        _echo(text.tally(tally))


@contextmanager
def _past(
    settings: RelaySettings, folder: Path | None, begin: datetime, end: datetime
) -> Iterator[Iterable[Past]]:
    """The alerts until a moment, and of those before the other what bears on them."""
    if folder is not None:
        yield (past for past in past_alerts.of_folder(folder, _unread) if past.at < end)
    else:
        with _log(settings.database_url) as connection:
            yield past_alerts.of_log(connection, _unread, since=begin, until=end, before=DAY)


def _with_progress(alerts: Iterable[Past]) -> Iterator[Past]:
    """The same; who waits long is told how far it is."""
    said = time.monotonic()
    for n, past in enumerate(alerts):
        if time.monotonic() - said > PROGRESS_S:
            said = time.monotonic()
            typer.echo(f"{n:,} alerts, {past.at:%Y-%m-%d %H:%M} UTC", err=True)
        yield past

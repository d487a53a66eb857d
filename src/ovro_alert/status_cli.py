"""`ovro-alert status`: how each source is heard, for people, for Nagios, and for scripts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError

from ovro_alert.hearing import Hearing, SourceNow, SourcesNow
from ovro_alert.link.relay import Away, Refused
from ovro_alert.link.settings import LinkSettings
from ovro_alert.people.summary import one_line
from ovro_alert.span import say_span
from ovro_alert.table import aligned, as_line

# https://nagios-plugins.org/doc/guidelines.html: the first line sums up, and the exit code is one of these.
OK, WARNING, CRITICAL, UNKNOWN = range(4)
WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
GRAVITY = {Hearing.HEARING: OK, Hearing.UNWATCHED: OK, Hearing.DEAF: CRITICAL}  # of others: WARNING
COLOURS = (typer.colors.GREEN, typer.colors.YELLOW, typer.colors.RED, typer.colors.MAGENTA)
LONGEST_WHY = 200
HEAD = ("source", "state", "connected", "message", "expected", "cadence", "behind", "waiting", "host", "why")


def status(
    url: Annotated[
        str | None, typer.Option(help="The relay's address; without it that of the settings (RELAY_URL).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the relay's answer as JSON.")] = False,
) -> None:
    """Says whether every source is heard. Exits with 0: all are, 1: hardly, 2: one is deaf, 3: nobody knows.

    These are the codes of Nagios and its kin. RELAY_KEY is a key that reads all slots (read:*).
    """
    now = _ask(url)
    gravity, summary = sum_up(now.sources)
    if as_json:
        typer.echo(now.model_dump_json(indent=2))
    else:
        typer.secho(f"SOURCES {WORDS[gravity]} - {summary}", fg=COLOURS[gravity], bold=True)
        _show(now)
    raise typer.Exit(gravity)


def sum_up(sources: Sequence[SourceNow]) -> tuple[int, str]:
    """The exit code of Nagios, and why in a few words."""
    watched = [each for each in sources if each.state is not Hearing.UNWATCHED]
    if not watched:
        return UNKNOWN, "no receiver has ever reported of a source that is watched"
    amiss = [each for each in watched if _gravity(each) != OK]
    if not amiss:
        return OK, f"all are heard: {', '.join(each.source for each in watched)}"
    amiss.sort(key=_gravity, reverse=True)
    return _gravity(amiss[0]), ", ".join(f"{each.source} {each.state}" for each in amiss)


def _gravity(source: SourceNow) -> int:
    return GRAVITY.get(source.state, WARNING)


def _ask(url: str | None) -> SourcesNow:
    try:
        # Under the name that the environment has: else that would win.
        said: dict[str, Any] = {} if url is None else {"RELAY_URL": url}
        with LinkSettings(**said).relay() as relay:
            return relay.sources()
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        _fail(f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}")
    except (ValueError, OSError) as error:
        _fail(str(error))
    except Refused as refused:
        _fail(f"the relay refuses: {refused}")
    except Away as away:
        _fail(f"no relay answers: {away}")


def _fail(reason: str) -> NoReturn:
    """Says on standard output why nothing can be said: that is where Nagios reads."""
    typer.secho(f"SOURCES {WORDS[UNKNOWN]} - {reason}", fg=COLOURS[UNKNOWN], bold=True)
    raise typer.Exit(UNKNOWN)


def _show(now: SourcesNow) -> None:
    rows = [HEAD, *(_row(each, now.now) for each in now.sources)]
    for cells, source in zip(aligned(rows), [None, *now.sources], strict=True):
        if source is not None:
            cells[1] = typer.style(cells[1], fg=COLOURS[_gravity(source)])
        typer.echo(as_line(cells))


def _row(source: SourceNow, now: datetime) -> tuple[str, ...]:
    since = "-" if source.since is None else say_span((now - source.since).total_seconds())
    return (
        source.source,
        source.state,
        since if source.connected else f"no, {since}",
        _ago(source.heard_at, now),
        _ago(source.expected_at, now),
        "-" if source.cadence_s is None else say_span(source.cadence_s),
        "-" if source.behind is None else str(source.behind),
        "-" if source.waiting is None else str(source.waiting),
        one_line(source.reporter or "-"),
        one_line(source.why, LONGEST_WHY).replace("|", "/"),  # after which Nagios takes all for figures
    )


def _ago(moment: datetime | None, now: datetime) -> str:
    return "-" if moment is None else f"{say_span((now - moment).total_seconds())} ago"

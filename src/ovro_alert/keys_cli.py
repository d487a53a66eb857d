"""`ovro-alert keys`: who may speak with the relay, on the database of its settings, even while it runs."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, NoReturn, TypeVar

import typer
from sqlalchemy.exc import SQLAlchemyError

from ovro_alert.relay.rights import Verb, parse_scope
from ovro_alert.relay.settings import load_settings
from ovro_alert.span import parse_moment, parse_span
from ovro_alert.store import keys
from ovro_alert.store.log import Transaction, Unavailable, utc_now
from ovro_alert.store.once import write_once
from ovro_alert.table import table

T = TypeVar("T")
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Makes, lists, rotates and revokes keys. A running relay notices within a second.",
)


def _fail(reason: object) -> NoReturn:
    typer.echo(f"ovro-alert keys: {reason}", err=True)
    raise typer.Exit(1)


def parse_end(text: str, now: datetime) -> datetime:
    """The moment after a life such as 90d, 12h or 30m, or the one that is named, such as 2027-01-31.

    Raises
        ValueError: it is neither, or is past.
    """
    try:
        life = parse_span(text)
        end = parse_moment(text) if life is None else now + life
    except ValueError:
        raise ValueError(f"{text!r} is neither a life (90d, 12h, 30m) nor a date or UTC moment") from None
    if end <= now:
        raise ValueError(f"{text} is past")
    return end


def _end(text: str | None) -> datetime | None:
    try:
        return None if text is None else parse_end(text, utc_now())
    except ValueError as error:
        _fail(error)


def _id(text: str) -> str:
    """The id of a key that is named by it or shown whole: who found it somewhere has only that."""
    return keys.id_of(text.encode()) or text.removeprefix("oa_")[:10]


def _write(job: Callable[[Transaction], T]) -> T:
    """Runs a job on the log's database."""
    try:
        return write_once(load_settings().database_url, job)
    except (keys.Unknown, Unavailable, ValueError, SQLAlchemyError) as error:
        _fail(error)


def _show(key: keys.Key, token: str) -> None:
    """Shows a new key: itself, alone, on standard output; what is to be said of it beside that."""
    end = "" if key.expires_at is None else f" until {_moment(key.expires_at)}"
    typer.echo(f"Key {key.id} for {key.name}: {', '.join(key.scopes)}{end}. It is shown only now:", err=True)
    typer.echo(token)


def _moment(moment: datetime | None) -> str:
    return "-" if moment is None else f"{moment:%Y-%m-%d %H:%M}"


@app.command()
def make(
    name: Annotated[str, typer.Argument(help="Who it is for: a person, a daemon and its host.")],
    scope: Annotated[
        list[str],
        typer.Option(
            help=f"admin, or one of {', '.join(Verb)} with a slot or *: read:lwa, send:*. May repeat."
        ),
    ],
    expires: Annotated[
        str | None, typer.Option(help="After a life (90d, 12h, 30m) or at a UTC date or moment.")
    ] = None,
) -> None:
    """Makes a key and shows it, once: the database keeps only its hash."""
    if not 0 < len(name) <= 200 or not name.isprintable():
        _fail("a name has 1 to 200 characters, all printable")
    slots = load_settings().slots
    try:
        scopes = [parse_scope(each, slots) for each in scope]
    except ValueError as error:
        _fail(error)
    end = _end(expires)
    _show(*_write(lambda tx: keys.make(tx, name, scopes, end)))


@app.command("list")
def list_() -> None:
    """Lists all keys, the oldest first, without their secrets; times are UTC, the last use is to the hour."""
    now = utc_now()
    rows = [("id", "name", "scopes", "made", "last used", "expires", "state")]
    for key in _write(lambda tx: keys.listed(tx.connection)):
        state = "in force" if key.is_in_force(now) else "expired" if key.revoked_at is None else "revoked"
        moments = (_moment(key.made_at), _moment(key.last_used), _moment(key.expires_at))
        rows.append((key.id, key.name, " ".join(key.scopes), *moments, state))
    for line in table(rows):
        typer.echo(line)


@app.command()
def rotate(
    id: Annotated[str, typer.Argument(help="The key's id, or the key.")],
    overlap: Annotated[
        str | None, typer.Option(help="How long the old key stays good beside the new one, such as 24h.")
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(help="As in make; without it the new key lives as long as the old was made to."),
    ] = None,
) -> None:
    """Makes a new key with the name and scopes of an old one, and revokes that."""
    old_end, new_end = _end(overlap), _end(expires)
    _show(*_write(lambda tx: keys.rotate(tx, _id(id), old_end or tx.now, new_end)))


@app.command()
def revoke(id: Annotated[str, typer.Argument(help="The key's id, or the key.")]) -> None:
    """Takes a key out of force, for good."""
    key = _write(lambda tx: keys.revoke(tx, _id(id)))
    typer.echo(f"Key {key.id} for {key.name} is revoked.", err=True)

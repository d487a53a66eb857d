"""`ovro-alert db`: the log's database, its schema and what it keeps, even while the relay runs."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, NoReturn

import typer
from alembic.util import CommandError
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from ovro_alert.relay.settings import load_settings
from ovro_alert.span import parse_span
from ovro_alert.store import engine, prune
from ovro_alert.store.figures import figures
from ovro_alert.store.log import utc_now

SHORTEST_PAUSE_S = 0.02
app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The log's database: its schema, and what it keeps."
)


def _fail(reason: object) -> NoReturn:
    typer.echo(f"ovro-alert db: {reason}", err=True)
    raise typer.Exit(1)


@contextmanager
def _database() -> Iterator[str]:
    """The address of the log's database; what is wrong with it ends the process with one line."""
    try:
        yield load_settings().database_url
    except (ValueError, SQLAlchemyError, CommandError) as error:
        _fail(getattr(error, "orig", error))


@app.command()
def upgrade() -> None:
    """Brings the schema to the newest revision, from empty or any older one.

    The relay does so by itself as it starts.
    """
    with _database() as url:
        before = engine.revision(url) if engine.exists(url) else None
        engine.migrate(url)
        after = engine.revision(url)
    typer.echo(
        f"schema {after}: nothing to do" if before == after else f"schema {before or 'none'} → {after}"
    )


@app.command()
def status() -> None:
    """Says where the database is, the revision of its schema, and how much it holds."""
    with _database() as url:
        typer.echo(f"database   {make_url(url).render_as_string(hide_password=True)}")
        at = engine.revision(url) if engine.exists(url) else None
        newest = engine.newest_revision()
        typer.echo(f"schema     {at or 'none'}" + ("" if at == newest else f", of {newest}: `db upgrade`"))
        if at != newest:
            return
        with engine.opened(url, writes=False) as log, log.connect() as connection:
            now = figures(connection)
    typer.echo(f"size       {now.size / 1e6:.1f} MB")
    typer.echo(f"set aside  {now.set_aside}")
    for slot, entries in sorted(now.entries.items()):
        typer.echo(f"/{slot:<9} {entries} entries since it began")


@app.command("prune")
def prune_(
    older_than: Annotated[str, typer.Option(help="How long what goes has not been spoken of, such as 90d.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Removes old events with all that belongs to them, and what was set aside; keeps every command.

    Events that led to a command stay whole, as does the newest entry of each slot. No number is given again.
    """
    span = parse_span(older_than)
    if not span:
        _fail(f"--older-than: {older_than!r} is no span: write 90d, 12h or 30m")
    with _database() as url:
        if not engine.is_newest(url):
            _fail("the database has not the schema of this version: `ovro-alert db upgrade`")
        before = utc_now() - span
        gone: Counter[str] = Counter()
        with engine.opened(url, writes=False) as reading, engine.opened(url, writes=True) as writing:
            if dry_run:
                gone = prune.count(reading, before)
            else:
                began = time.monotonic()
                for removed in prune.prune(reading, writing, before):
                    gone += removed
                    # The relay's writes have waited: now they have as long for themselves.
                    time.sleep(max(SHORTEST_PAUSE_S, time.monotonic() - began))
                    began = time.monotonic()
    verb = "would remove" if dry_run else "removed"
    typer.echo(f"{verb} what is older than {before:%Y-%m-%d %H:%M} UTC:")
    for table, rows in sorted(gone.items()) or [("nothing", 0)]:
        typer.echo(f"  {table:<12} {rows}")

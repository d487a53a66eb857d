"""`ovro-alert catalogue`: known sources of bursts, in the log's database, even while the relay runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import typer
from sqlalchemy.exc import SQLAlchemyError

from ovro_alert.formats.catalogue import read
from ovro_alert.formats.unreadable import Unreadable
from ovro_alert.relay.settings import load_settings
from ovro_alert.store import catalogue
from ovro_alert.store.log import Transaction, Unavailable
from ovro_alert.store.once import write_once
from ovro_alert.table import table

T = TypeVar("T")
LONGEST_NAME = 100
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Imports, lists and removes catalogues of known sources. A running relay notices within seconds.",
)


def _fail(reason: object) -> NoReturn:
    typer.echo(f"ovro-alert catalogue: {reason}", err=True)
    raise typer.Exit(1)


def _write(job: Callable[[Transaction], T]) -> T:
    """Runs a job on the log's database."""
    try:
        return write_once(load_settings().database_url, job)
    except catalogue.Exists as error:
        _fail(f"{error}: --replace puts this one in its place")
    except (catalogue.Unknown, Unavailable, ValueError, SQLAlchemyError) as error:
        _fail(error)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV with a header, or JSON, as CHIME/FRB publishes them.")],
    name: Annotated[str | None, typer.Option(help="Of the catalogue; without it, the file's.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="In place of the one of that name.")] = False,
) -> None:
    """Imports a catalogue, whole or not at all: a row that cannot be is refused by its number and field."""
    name = file.stem if name is None else name
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        _fail(f"--name: has 1 to {LONGEST_NAME} characters, all printable")
    try:
        sources = read(file.read_bytes())
    except OSError as error:
        _fail(error)
    except Unreadable as error:
        _fail(f"{file}: {error}")
    before = _write(lambda tx: catalogue.put(tx, name, sources, replace=replace))
    instead = f", in place of {before}" if before else ""
    typer.echo(f"{name}: {len(sources)} entries{instead}, {sum(one.repeats for one in sources)} of repeaters")


@app.command("list")
def list_() -> None:
    """Lists the catalogues; times are UTC."""
    rows = [("name", "entries", "of repeaters", "imported")]
    for one in _write(lambda tx: catalogue.listed(tx.connection)):
        rows.append((one.name, str(one.sources), str(one.repeating), f"{one.imported_at:%Y-%m-%d %H:%M}"))
    for line in table(rows):
        typer.echo(line)


@app.command()
def remove(name: Annotated[str, typer.Argument(help="The catalogue's name.")]) -> None:
    """Lets go of a catalogue."""
    typer.echo(f"{name}: {_write(lambda tx: catalogue.remove(tx, name))} entries removed")

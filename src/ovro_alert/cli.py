"""The command `ovro-alert`."""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from ovro_alert.status_cli import status

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Carries alerts to telescopes.")
# Of a command with commands of its own: all that follows, a plea for help included, is theirs.
GROUP = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def _load(module: str, extra: str) -> Any:
    """A part of the house that not every host has; ends the process with one line where it is not there."""
    try:
        return import_module(module)
    except ModuleNotFoundError as missing:
        typer.echo(f"this needs {missing.name}: pip install 'ovro-alert[{extra}]'", err=True)
        raise typer.Exit(1) from missing


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Exit when all is played.")] = False,
    out: Annotated[Path, typer.Option(help="Where SDFs, logs, etcd's data, the timeline go.")] = Path("out"),
    corpus: Annotated[
        Path | None, typer.Option(help="Play every alert file of this folder, not the samples.")
    ] = None,
) -> None:
    """The main job for real on this machine: alerts in over Kafka, Comet and files, commands carried out.

    Exits with 0 only if every command that was due is carried out, or observes.
    """
    raise typer.Exit(_load("ovro_alert.demo.run", "demo").demo(out, corpus, once))


@app.command(context_settings=GROUP)
def catalogue(context: typer.Context) -> None:
    """Imports, lists and removes catalogues of known sources."""
    _load("ovro_alert.catalogue_cli", "relay").app(context.args, prog_name="ovro-alert catalogue")


@app.command(context_settings=GROUP)
def db(context: typer.Context) -> None:
    """Upgrades the log's database, says how it is, and lets go of what is old."""
    _load("ovro_alert.db_cli", "relay").app(context.args, prog_name="ovro-alert db")


@app.command(context_settings=GROUP)
def send(context: typer.Context) -> None:
    """Sends alerts by hand: to the relay, or into Kafka or a VOEvent broker, for drills."""
    _load("ovro_alert.send_cli", "relay").app(context.args, prog_name="ovro-alert send")


@app.command(context_settings=GROUP)
def keys(context: typer.Context) -> None:
    """Makes, lists, rotates and revokes the keys of those who speak with the relay."""
    _load("ovro_alert.keys_cli", "relay").app(context.args, prog_name="ovro-alert keys")


@app.command(context_settings=GROUP)
def policy(context: typer.Context) -> None:
    """Checks rules, says why they do what they do, and tries them on what has come before."""
    _load("ovro_alert.policy_cli", "relay").app(context.args, prog_name="ovro-alert policy")


app.command()(status)


def main() -> None:
    """Entry point of the console script."""
    app()

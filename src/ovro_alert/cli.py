"""The command `ovro-alert`."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Carries alerts to telescopes.")


@app.callback()
def _root() -> None:
    """Keeps `ovro-alert demo` a command of its own while it is the only one."""


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="Exit when all is played.")] = False,
    out: Annotated[Path, typer.Option(help="Where SDFs, dump plans, logs, the timeline go.")] = Path("out"),
    corpus: Annotated[
        Path | None, typer.Option(help="Play every alert file of this folder, not the samples.")
    ] = None,
) -> None:
    """The main job for real on this machine: alerts in over Kafka, Comet and files, commands carried out.

    Exits with 0 only if every command that was due was carried out.
    """
    try:
        from ovro_alert.demo.run import demo as run
    except ModuleNotFoundError as missing:
        typer.echo(f"ovro-alert demo needs {missing.name}: pip install 'ovro-alert[demo]'", err=True)
        raise typer.Exit(1) from missing
    raise typer.Exit(run(out, corpus, once))


def main() -> None:
    """Entry point of the console script."""
    app()

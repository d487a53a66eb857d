"""What a person wants to see of the voltage buffer before trusting a client with it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from ovro_alert.sky import ring
from ovro_alert.span import say_span
from ovro_alert.telescopes.findings import Finding, Level
from ovro_alert.telescopes.lwa.dump.answers import Shown
from ovro_alert.telescopes.lwa.dump.commands import DumpPlan, Pipeline
from ovro_alert.telescopes.lwa.dump.settings import DumpSettings


def findings(
    shown: Mapping[Pipeline, Shown | None], now: datetime, settings: DumpSettings
) -> Iterator[Finding]:
    """How each pipeline is by what it shows, and what a dump of all that is buffered would weigh."""
    nfile, ntime_per_file = ring.split(ring.to_samples(settings.oldest_s), settings.file_samples)
    whole = DumpPlan("", now, nfile, ntime_per_file, tuple(shown))
    fits = whole.bytes_per_pipeline <= settings.budget_bytes
    yield Finding(
        Level.FINE if fits else Level.NOTE,
        f"the ring holds {settings.ring_s:g} s; all of it is {nfile} files of {ntime_per_file} samples,"
        f" {whole.bytes_per_pipeline / 1e9:.0f} GB a pipeline, {whole.bytes / 1e12:.2f} TB in all; the disk"
        f" budget of {settings.budget_bytes / 1e9:.0f} GB a pipeline is {'enough' if fits else 'less'}",
    )
    for one, said in shown.items():
        yield _of(one, said, now, settings)


def _of(one: Pipeline, said: Shown | None, now: datetime, settings: DumpSettings) -> Finding:
    where = f"pipeline {one.name} (to {one.dump_path})"
    if said is None:
        return Finding(Level.WRONG, f"{where}: shows nothing")
    ahead = 0.0 if said.at is None else said.at - now.timestamp()
    if ahead > settings.clock_s:
        return Finding(Level.WRONG, f"{where}: its clock is {ahead:.1f} s ahead of ours")
    if not said.is_fresh(now, settings):
        return Finding(Level.WRONG, f"{where}: silent for {say_span(-ahead)}")
    if said.triggered is None:
        return Finding(Level.FINE, f"{where}: never triggered")
    last = f"triggered {datetime.fromtimestamp(said.triggered, UTC):%Y-%m-%dT%H:%M:%SZ}"
    level = Level.NOTE if said.is_writing else Level.FINE
    return Finding(level, f"{where}: {said.status or said.state}, last {last}, {said.bytes / 1e9:.1f} GB")

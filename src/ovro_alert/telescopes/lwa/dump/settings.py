"""What an operator tunes of the voltage buffer's dump."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from ovro_alert.alert import NotNegative, Positive
from ovro_alert.settings import Settings
from ovro_alert.sky import ring
from ovro_alert.telescopes.lwa.dump.commands import DUMP_PATHS, HOSTS, Pipeline, pipelines

MOST_PIPELINES = 42  # three keys each, and etcd is asked for 128 at once

Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*$")]
Folder = Annotated[str, Field(pattern=r"^/\S*$")]


class DumpSettings(Settings, table="lwa_dump"):
    """Table `[lwa_dump]`; the environment names them OVRO_ALERT_LWA_DUMP_RING_S and so on."""

    hosts: tuple[Host, ...] = Field(HOSTS, min_length=1)
    dump_paths: dict[Annotated[int, Field(ge=0)], Folder] = Field(DUMP_PATHS, min_length=1)  # by pipeline
    # So much is surely held: 256 GB. A dump may begin earlier: bifrost rounds that up to 2³⁸ bytes
    # [copy_block.py], so that its samples are counted from `oldest_s` ago. Versions of the block that look
    # for what was 120 s ago [triggered_dump_block.py] have 120 for both.
    ring_s: Positive = ring.LENGTH_S
    oldest_s: Positive = ring.OLDEST_S
    file_samples: int = Field(ring.FILE_SAMPLES, ge=ring.BLOCK_SAMPLES, multiple_of=ring.BLOCK_SAMPLES)
    budget_bytes: int = Field(3_000_000_000_000, gt=0)  # of a pipeline's disk, for one dump: half an hour
    # Of an event of which only the time of arrival is known, from so long before it to so long after it.
    before_s: NotNegative = 10.0
    after_s: NotNegative = 60.0
    reply_s: Positive = 10.0  # so long a pipeline may take to say whether it will
    answer_s: Positive = 0.5  # where some have said so, the others are not waited for any longer than this
    # A monitor point is put every 10 s [bifrost_etcd_bridge.py]. One that is older than this is silent, and a
    # pipeline that has shown nothing new for so long has ended, whatever it said last.
    fresh_s: Positive = 35.0
    quiet_s: Positive = 60.0
    look_s: Positive = 2.0  # between two looks at a dump that runs
    say_s: Positive = 5.0  # between two words of how far it is
    clock_s: Positive = 1.0  # a clock that is off by more is told of

    @property
    def longest_s(self) -> float:
        """Long past what a dump takes, ours or another's: the budget's, as it is sampled, and an hour."""
        return self.budget_bytes / (ring.SAMPLE_BYTES * ring.SAMPLE_HZ) + 3600

    @property
    def pipelines(self) -> tuple[Pipeline, ...]:
        """Those that hold a buffer."""
        return pipelines(self.hosts, self.dump_paths)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.oldest_s < self.ring_s:
            raise ValueError(f"oldest_s: {self.oldest_s:g} s, less than ring_s, {self.ring_s:g} s")
        if len(self.pipelines) > MOST_PIPELINES:
            raise ValueError(f"hosts: {len(self.pipelines)} pipelines, more than {MOST_PIPELINES}")
        return self

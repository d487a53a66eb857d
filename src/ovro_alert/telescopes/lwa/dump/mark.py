"""What is written down in etcd of a dump, with the commands themselves: all that following it takes."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from ovro_alert.alert import Finite, Utc
from ovro_alert.telescopes.etcd import Put
from ovro_alert.telescopes.lwa.dump.commands import DumpPlan, Pipeline


class _Written(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    def read(cls, put: Put | None) -> Self | None:
        """What is under its key; None where nothing is that makes sense."""
        try:
            return cls.model_validate_json(put.value) if put else None
        except ValidationError:
            return None


class Asked(_Written):
    """A pipeline, and how it was found before this trigger."""

    host: str
    number: int
    dump_path: str
    before: Finite | None = None  # what it showed as the time of its last trigger, unix s
    told: int = 0  # the revision of the last command that it was given; 0 for none

    @property
    def pipeline(self) -> Pipeline:
        return Pipeline(self.host, self.number, self.dump_path)


class Mark(_Written):
    """A dump that was triggered, by the command of that id."""

    kind: Literal["dump"] = "dump"
    name: str
    at: Utc
    id: str
    command: str = ""
    event_id: str | None = None
    priority: int = 0
    nfile: int = 0  # 0 where it is not known any more
    ntime_per_file: int = 0
    notes: tuple[str, ...] = ()
    pipelines: tuple[Asked, ...]

    @property
    def plan(self) -> DumpPlan:
        """What the pipelines are told."""
        return DumpPlan(
            self.id, self.at, self.nfile, self.ntime_per_file, tuple(one.pipeline for one in self.pipelines)
        )


class AbortMark(_Written):
    """A dump that was aborted, and what its event was taken back by."""

    kind: Literal["abort"] = "abort"
    name: str
    at: Utc
    by: str

"""The vocabulary of listening: what a receiver says of its source, and whether that source is heard. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt

from ovro_alert.alert import Part, Positive, Utc
from ovro_alert.span import say_span

# A receiver that is started anew, or a broker that hands its topics out anew, is back well before that.
PATIENCE_S = 120.0

Ago = Annotated[float, Field(ge=0, le=1e10, allow_inf_nan=False)]  # seconds before it is said
Count = Annotated[int, Field(ge=0, lt=2**63)]


class Report(Part):
    """How a receiver hears one source, at the moment when it says so.

    It tells ages and no moments, so that no two clocks need agree.
    """

    model_config = ConfigDict(strict=True)

    transport: str = Field(min_length=1, max_length=100)  # kafka, voevent, etcd, folder …
    reporter: str = Field(min_length=1, max_length=200)  # the host that it runs on
    connected: bool
    since_s: Ago  # that it is connected, or not
    why: str = Field("", max_length=500)  # it is not
    heard_s: Ago | None = None  # the last message, of any kind
    expected_s: Ago | None = None  # the last that comes at a cadence: a heartbeat, a mock event, a test
    behind: Count | None = None  # messages at the broker that have not come yet
    waiting: Count | None = None  # messages here that the relay has not acknowledged yet


class Expectation(Part):
    """What is expected of a source."""

    cadence_s: Positive | None = None  # a longer silence is deafness; None: silence means nothing
    most_behind: NonNegativeInt = 1000  # messages that may be behind, or waiting
    watched: bool = True  # whether anybody is to be told that it is deaf


@dataclass(frozen=True)
class Source:
    """What is known of a source; all moments by the relay's clock."""

    source: str
    watched_at: datetime  # when it was first reported, or expected
    reported_at: datetime | None = None
    transport: str | None = None
    reporter: str | None = None
    connected: bool = False
    since: datetime | None = None
    trouble: str = ""  # why it is not connected
    heard_at: datetime | None = None
    expected_at: datetime | None = None
    behind: int | None = None
    waiting: int | None = None
    deaf_at: datetime | None = None  # when people were told that it is deaf, until they are that it hears

    @property
    def silent_since(self) -> datetime:
        """Its last message; of a source with messages that come at a cadence, the last of these."""
        return self.expected_at or self.heard_at or self.watched_at


class Hearing(StrEnum):
    """How a source is heard."""

    HEARING = "hearing"
    BEHIND = "behind"  # heard, but too much of it has not reached the relay
    LOST = "lost"  # not connected, and not for long
    DEAF = "deaf"
    UNKNOWN = "unknown"  # nothing was reported since the relay started, and that was not long ago
    UNWATCHED = "unwatched"


class SourceNow(BaseModel):
    """A source as the relay tells of it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    source: str
    state: Hearing
    why: str
    transport: str | None
    reporter: str | None
    connected: bool
    since: Utc | None
    heard_at: Utc | None
    expected_at: Utc | None
    cadence_s: float | None
    behind: int | None
    waiting: int | None
    reported_at: Utc | None
    deaf_at: Utc | None


class SourcesNow(BaseModel):
    """All sources, at a moment by the relay's clock."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    now: Utc
    sources: list[SourceNow]


def judge(source: Source, expected: Expectation, started: datetime, now: datetime) -> tuple[Hearing, str]:
    """How a source is heard, and why it is not; `started` is when the relay did: nobody can report before.

    What was deaf stays so until it surely hears: that its receiver, or the relay, starts anew mends nothing.
    """
    state, why = _look(source, expected, started, now)
    if not expected.watched:
        return Hearing.UNWATCHED, why
    if source.deaf_at is not None and state in (Hearing.LOST, Hearing.UNKNOWN):
        return Hearing.DEAF, why
    return state, why


def _look(source: Source, expected: Expectation, started: datetime, now: datetime) -> tuple[Hearing, str]:
    cadence_s = expected.cadence_s
    patience_s = PATIENCE_S if cadence_s is None else min(PATIENCE_S, cadence_s)
    reported = source.reported_at
    if reported is None or _seconds(reported, now) > patience_s:
        why = "no receiver has reported of it"
        if reported is not None:
            why = f"its receiver has reported nothing for {say_span(_seconds(reported, now))}"
        awaited = max(reported or source.watched_at, started)
        return Hearing.DEAF if _seconds(awaited, now) > patience_s else Hearing.UNKNOWN, why
    if not source.connected:
        lost_s = _seconds(source.since or reported, now)
        why = f"not connected for {say_span(lost_s)}: {source.trouble}"
        return Hearing.DEAF if lost_s > patience_s else Hearing.LOST, why
    # As of its report: what came since then is told by the next.
    silence_s = _seconds(source.silent_since, reported)
    if cadence_s is not None and silence_s > cadence_s:
        which = "message" if source.expected_at is None else "expected message"
        return Hearing.DEAF, f"no {which} for {say_span(silence_s)}, where {say_span(cadence_s)} are the most"
    for count, where in ((source.behind, "behind the broker"), (source.waiting, "waiting for the relay")):
        if count is not None and count > expected.most_behind:
            return Hearing.BEHIND, f"{count} messages {where}"
    return Hearing.HEARING, ""


def _seconds(since: datetime, now: datetime) -> float:
    return (now - since).total_seconds()

"""The pipelines that hold a voltage buffer, as etcd shows them: what they were told, replied, and show."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from ovro_alert.telescopes.etcd import Compacted, Keys, Put
from ovro_alert.telescopes.history import history
from ovro_alert.telescopes.lwa.dump.answers import (
    ACCEPTED,
    OPENS_S,
    REPLY_S,
    Given,
    Reply,
    Shown,
    read_given,
    read_reply,
    read_shown,
)
from ovro_alert.telescopes.lwa.dump.commands import TRIGGER, Kind, Pipeline
from ovro_alert.telescopes.lwa.dump.settings import DumpSettings

REPLIES = "/resp/corr/x/"
TOLD = 100  # commands that are looked through for one's own, each with a question


class Buffers:
    """What is under the pipelines' keys. Every method raises Unreachable."""

    def __init__(self, keys: Keys, settings: DumpSettings) -> None:
        self._keys = keys
        self._settings = settings
        # What each pipeline showed when it was last looked at, and since when it shows just that.
        self._last: dict[Pipeline, tuple[Shown, datetime]] = {}

    def look(self, wanted: Mapping[Pipeline, Iterable[Kind]]) -> dict[Pipeline, dict[Kind, Put]]:
        """What is under those of their keys, of one moment, without those that hold nothing.

        Not under all below a prefix, where the gains of beams are, too.
        """
        by_key = {one.key(kind): (one, kind) for one, kinds in wanted.items() for kind in kinds}
        puts = self._keys.get_each(by_key) if by_key else {}
        found: dict[Pipeline, dict[Kind, Put]] = {one: {} for one in wanted}
        for key, put in puts.items():
            one, kind = by_key[key]
            found[one][kind] = put
        return found

    def shown(self) -> dict[Pipeline, Shown | None]:
        """What each shows."""
        seen = self.look(dict.fromkeys(self._settings.pipelines, ("mon",)))
        return {one: read_shown(puts.get("mon")) for one, puts in seen.items()}

    def unchanged_since(self, one: Pipeline, said: Shown, now: datetime) -> datetime:
        """Since when a pipeline shows nothing but this, so far as it was looked at."""
        last, since = self._last.get(one, (said, now))
        if replace(last, at=said.at) != said:
            since = now
        self._last[one] = said, since
        return since

    def told(self, id: str, pipelines: Iterable[Pipeline]) -> dict[Pipeline, tuple[Given, int]]:
        """Those whose last command is the trigger of that id; and its revision."""
        told = {}
        for one, puts in self.look(dict.fromkeys(pipelines, ("cmd",))).items():
            given = read_given(puts.get("cmd"))
            if given and given.id == id and given.command == TRIGGER:
                told[one] = given, puts["cmd"].revision
        return told

    def as_the_next_was_told(self, one: Pipeline, id: str) -> Put | None:
        """What it showed when it was told to write another dump than that of `id`, if etcd remembers it."""
        next_told = None
        for put in history(self._keys, one.key("cmd"), TOLD):
            given = read_given(put)
            if given and given.command == TRIGGER:
                if given.id == id:
                    break
                next_told = put
        else:
            return None
        try:
            return self._keys.get(one.key("mon"), next_told.revision).put if next_told else None
        except Compacted:
            return None

    def replies(self) -> dict[Pipeline, Reply]:
        """The last reply of each pipeline, all in one look: below this prefix all is small."""
        puts, _ = self._keys.get_all(REPLIES)
        read = {one: read_reply(puts.get(one.key("resp"))) for one in self._settings.pipelines}
        return {one: reply for one, reply in read.items() if reply}

    def busy(self, seen: Mapping[Pipeline, Mapping[Kind, Put]], now: datetime) -> list[str]:
        """The pipelines that a trigger would not reach: to one that writes it is as if it had not come.

        `seen` are their monitor points and last commands. Whose clock is off is no less busy.
        """
        replies = self.replies()
        busy = []
        for one, puts in seen.items():
            said, given = read_shown(puts.get("mon")), read_given(puts.get("cmd"))
            if said and said.is_writing and self._goes_on(one, said, now):
                busy.append(f"{one.name} writes {_whose(given)}")
            elif given and given.command == TRIGGER and self._is_newer(given, puts, replies.get(one), now):
                busy.append(f"{one.name} was told to write {_whose(given)}")
        return busy

    def _goes_on(self, one: Pipeline, said: Shown, now: datetime) -> bool:
        """Whether what says that it writes may do so still."""
        since = self.unchanged_since(one, said, now)
        if said.at is not None and now.timestamp() - said.at > self._settings.longest_s:
            return False
        # On a full disk it says so for ever, though it listens again [triggered_dump_block.py].
        return now - since < timedelta(seconds=self._settings.quiet_s)

    def _is_newer(self, given: Given, puts: Mapping[Kind, Put], reply: Reply | None, now: datetime) -> bool:
        """Whether it was told so lately that its monitor point cannot show yet what came of it."""
        replied = reply.at if reply and reply.id == given.id else None  # by its own clock, as its point
        if reply and reply.id == given.id and reply.response != ACCEPTED:
            return False
        at = replied if given.at is None else given.at
        if at is None or abs(now.timestamp() - at) > self._settings.fresh_s:
            return False
        said = read_shown(puts.get("mon"))
        if said is None or said.at is None or puts["mon"].revision < puts["cmd"].revision:
            return True
        if replied is None:
            return said.at <= at + REPLY_S
        if said.triggered is not None and said.triggered >= replied - REPLY_S:
            return said.at <= said.triggered + OPENS_S
        return said.at <= replied + REPLY_S


def _whose(given: Given | None) -> str:
    return f"the dump {given.id[:50]!r}" if given else "a dump"

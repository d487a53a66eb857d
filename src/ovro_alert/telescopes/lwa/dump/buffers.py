"""The pipelines that hold a voltage buffer, as etcd shows them: what they were told, replied, and show."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from ovro_alert.telescopes.etcd import Keys, Put
from ovro_alert.telescopes.lwa.dump.answers import (
    ACCEPTED,
    REPLY_S,
    Given,
    Reply,
    Shown,
    read_given,
    read_reply,
    read_shown,
)
from ovro_alert.telescopes.lwa.dump.commands import Pipeline
from ovro_alert.telescopes.lwa.dump.settings import DumpSettings

REPLIES = "/resp/corr/x/"


class Buffers:
    """What is under the pipelines' keys. Every method raises Unreachable."""

    def __init__(self, keys: Keys, settings: DumpSettings) -> None:
        self._keys = keys
        self._settings = settings
        # What each pipeline showed when it was last looked at, and since when it shows just that.
        self._last: dict[Pipeline, tuple[Shown, datetime]] = {}

    def look(
        self, kind: Literal["cmd", "resp", "mon"], pipelines: Iterable[Pipeline]
    ) -> Iterator[tuple[Pipeline, Put | None]]:
        """What is under their keys; not under all below a prefix, where the gains of beams are, too."""
        by_key = {one.key(kind): one for one in pipelines}
        puts = self._keys.get_each(by_key) if by_key else {}
        yield from ((one, puts.get(key)) for key, one in by_key.items())

    def shown(self) -> dict[Pipeline, Shown | None]:
        """What each shows."""
        return {one: read_shown(put) for one, put in self.look("mon", self._settings.pipelines)}

    def unchanged_since(self, one: Pipeline, said: Shown, now: datetime) -> datetime:
        """Since when a pipeline shows nothing but this, so far as it was looked at."""
        last, since = self._last.get(one, (said, now))
        if replace(last, at=said.at) != said:
            since = now
        self._last[one] = said, since
        return since

    def told(self, id: str, pipelines: Iterable[Pipeline]) -> Iterator[tuple[Pipeline, Given]]:
        """Those whose last command is the trigger of that id."""
        for one, put in self.look("cmd", pipelines):
            if (given := read_given(put)) and given.id == id and given.command == "trigger":
                yield one, given

    def replies(self) -> dict[Pipeline, Reply]:
        """The last reply of each pipeline, all in one look: below this prefix all is small."""
        puts, _ = self._keys.get_all(REPLIES)
        read = {one: read_reply(puts.get(one.key("resp"))) for one in self._settings.pipelines}
        return {one: reply for one, reply in read.items() if reply}

    def busy(self, shown: Mapping[Pipeline, Shown | None], now: datetime) -> list[str]:
        """The pipelines that a trigger would not reach: to one that writes it is as if it had not come."""
        replies = self.replies()
        busy = []
        for one, said in shown.items():
            if said and said.is_writing and said.is_fresh(now, self._settings):
                # On a full disk it says so for ever, though it listens again [triggered_dump_block.py].
                if now - self.unchanged_since(one, said, now) < timedelta(seconds=self._settings.quiet_s):
                    busy.append(f"{one.name} writes {_whose(self._given(one))}")
            elif (reply := replies.get(one)) and self._is_newer(reply, said, now):
                given = self._given(one)
                if given and given.command == "trigger":
                    busy.append(f"{one.name} was told to write {_whose(given)}")
        return busy

    def _given(self, one: Pipeline) -> Given | None:
        return read_given(self._keys.get(one.key("cmd")).put)

    def _is_newer(self, reply: Reply, said: Shown | None, now: datetime) -> bool:
        """Whether it took a command so lately that its monitor point cannot show yet what came of it."""
        if reply.response != ACCEPTED or reply.at is None:
            return False
        if abs(now.timestamp() - reply.at) > self._settings.fresh_s:
            return False
        return said is None or said.triggered is None or said.triggered < reply.at - REPLY_S


def _whose(given: Given | None) -> str:
    return f"the dump {given.id[:50]!r}" if given else "a dump"

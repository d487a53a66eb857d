"""Where in etcd the marks of dumps are, and how one that was lost is made again."""

from collections.abc import Mapping
from datetime import UTC, datetime

from ovro_alert.command import Entry, from_mjd
from ovro_alert.telescopes import fence
from ovro_alert.telescopes.etcd import Keys, Put
from ovro_alert.telescopes.lwa.dump.answers import read_shown
from ovro_alert.telescopes.lwa.dump.buffers import Buffers
from ovro_alert.telescopes.lwa.dump.commands import Kind, Pipeline
from ovro_alert.telescopes.lwa.dump.mark import AbortMark, Asked, Mark


class Marks:
    """The marks below a prefix. Every method that asks raises Unreachable."""

    def __init__(self, keys: Keys, buffers: Buffers, pipelines: tuple[Pipeline, ...], prefix: str) -> None:
        self._keys = keys
        self._buffers = buffers
        self._pipelines = pipelines
        self._prefix = prefix

    def key(self, entry: Entry) -> str:
        """Where a command's is."""
        return f"{self._prefix}{entry.slot}/{entry.id}"

    def abort_key(self, entry: Entry, first: Pipeline) -> str:
        """Where that of an abort is; no pipeline is told to twice, so that the first of them names it."""
        return f"{self.key(entry)}/abort/{first.name}"

    def of(self, entry: Entry) -> Mark | None:
        """The command's; or as far as the pipelines' own keys tell, where it was lost.

        Raises NotTaken where it was ended.
        """
        put = self._keys.get(self.key(entry)).put
        fence.check(put)
        return Mark.read(put) or self._remade(entry, is_marked=put is not None)

    def abort(self, entry: Entry) -> AbortMark | None:
        """That of the first abort that there was."""
        puts, _ = self._keys.get_all(f"{self.key(entry)}/abort/")
        marks = filter(None, map(AbortMark.read, puts.values()))
        return min(marks, key=lambda mark: mark.at, default=None)

    def _remade(self, entry: Entry, is_marked: bool) -> Mark | None:
        id, pipelines = str(entry.id), self._pipelines
        # They were told in one transaction: what one of them was told tells of all.
        replies = {one: reply for one, reply in self._buffers.replies().items() if reply.id == id}
        if not (is_marked or replies or self._buffers.told(id, pipelines[:1])):
            return None
        told = self._buffers.told(id, pipelines)
        since = [*(each.at for each, _ in told.values()), *(each.at for each in replies.values())]
        at = min((each for each in since if each is not None), default=None)
        return Mark(
            name=f"dump {id}",
            at=from_mjd(entry.command_mjd) if at is None else datetime.fromtimestamp(at, UTC),
            id=id,
            pipelines=tuple(asked(one, {}) for one in {**told, **replies} or pipelines),
        )


def asked(one: Pipeline, puts: Mapping[Kind, Put]) -> Asked:
    """What is kept of a pipeline as it was looked at."""
    shown, told = read_shown(puts.get("mon")), puts.get("cmd")
    return Asked(
        host=one.host,
        number=one.number,
        dump_path=one.dump_path,
        before=shown.triggered if shown else None,
        told=told.revision if told else 0,
    )

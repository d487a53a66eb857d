"""Every put of one key of etcd, from where an earlier run ended, whatever etcd does meanwhile."""

import logging
import threading
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from ovro_alert.link.cursor import Cursor
from ovro_alert.link.etcd import SILENCE_S, Compacted, Etcd, EtcdAway, EtcdRefused, Found, Put
from ovro_alert.link.pulse import Pulse
from ovro_alert.link.retry import Stopped, backoff

log = logging.getLogger(__name__)


class Resumption(NamedTuple):
    """How to go on after a look at a key.

    `put` is to be taken first, unless it is None; then the key is watched from revision `start` on, and what
    happened up to `seen` is done with. `strange` is for the log.
    """

    put: Put | None
    start: int
    seen: int
    strange: str = ""


def resume(found: Found, seen: int, forgotten: int = 0) -> Resumption:
    """How to go on when the put of revision `seen` was the last to be taken; 0 where there was none.

    `forgotten` is the revision before which etcd says that it knows nothing any more; 0 where it has not.
    """
    put, revision = found
    if put is not None and put.revision == seen:
        return Resumption(None, revision + 1, seen)  # not from `seen`, which etcd forgets in time
    last = revision if put is None else put.revision
    if seen == 0:
        return Resumption(put, revision + 1, last)
    if last < seen:
        strange = f"etcd was at revision {seen} and is at {revision}: it is new, or restored from a backup"
        return Resumption(put, revision + 1, last, strange)
    if seen < forgotten:
        strange = f"what was put between revisions {seen} and {forgotten} may be lost: etcd has forgotten it"
        return Resumption(put, revision + 1, last, strange)
    return Resumption(None, seen + 1, seen)


class Follower:
    """Gives each put of `key` to `take`, in order, and keeps in `cursor` the last that it has returned from.

    The first is what is under the key at the first start. After `check_s` seconds without a word etcd is
    asked whether all is well.
    """

    def __init__(
        self,
        etcd: Etcd,
        key: str,
        take: Callable[[Put], None],
        cursor: Cursor,
        pulse: Pulse,
        check_s: float = SILENCE_S,
    ) -> None:
        self._etcd = etcd
        self._key = key
        self._hand_over = take
        self._cursor = cursor
        self._pulse = pulse
        self._check_s = check_s
        self._seen = cursor.read()
        self._forgotten = 0
        self._trouble = ""

    def run(self, stop: threading.Event) -> None:
        """Go on until `stop`, or until `take` raises Stopped; what else goes wrong is tried again."""
        delays = backoff(Random())
        while not stop.is_set():
            try:
                self._follow()
                delays = backoff(Random())
                continue
            except Stopped:
                return
            except Compacted as compacted:
                self._forgotten = compacted.revision
            except (EtcdAway, EtcdRefused, OSError) as error:
                self._lost(str(error))
            stop.wait(next(delays))

    def _follow(self) -> None:
        """Take what was put since, and what is put until etcd is silent."""
        found = self._etcd.get(self._key)
        self._pulse.heard(expected=True)
        put, start, seen, strange = resume(found, self._seen, self._forgotten)
        if strange:
            log.warning("%s", strange)
        if put is not None:
            self._take(put)
        self._see(seen)
        self._forgotten = 0
        with self._etcd.watch(self._key, start, self._check_s) as puts:
            self._connected()
            for put in puts:
                self._take(put)

    def _take(self, put: Put) -> None:
        self._pulse.heard(expected=True)
        self._hand_over(put)
        self._see(put.revision)

    def _see(self, revision: int) -> None:
        if revision == self._seen:
            return
        self._seen = revision
        try:
            self._cursor.write(revision)
        except OSError as error:  # it is taken again after a restart, no more
            log.error("how far etcd is read cannot be kept: %s", error)

    def _connected(self) -> None:
        self._pulse.connected()
        if self._trouble:
            log.info("etcd is there again")
            self._trouble = ""

    def _lost(self, trouble: str) -> None:
        """The same trouble is logged once, not at every try."""
        self._pulse.lost(trouble)
        if trouble != self._trouble:
            log.error("trying again: %s", trouble)
            self._trouble = trouble

"""What a telescope needs of the etcd that it is controlled by; `ovro_alert.link.etcd.Etcd` is one."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from ovro_alert.keyvalue import Compacted, Found, Put

__all__ = ["Compacted", "Found", "Keys", "Put"]


class Keys(Protocol):
    """Keys and their values, in the order of the store's revisions. Safe to use from several threads.

    Every method raises Unreachable where no answer comes; what was asked may have happened.
    """

    def get(self, key: str, revision: int = 0) -> Found:
        """What is under `key`, never older than what anybody was told before.

        With a revision, what was under it then; raises Compacted where that is forgotten.
        """

    def get_all(self, prefix: str, revision: int = 0) -> tuple[dict[str, Put], int]:
        """As `get`, of every key that begins with `prefix`; and the revision of the store at that moment."""

    def get_each(self, keys: Iterable[str]) -> dict[str, Put]:
        """What is under each of `keys`, of one moment, without those that hold nothing; 128 at most."""

    def put(self, key: str, value: bytes) -> int:
        """Puts `value` under `key`; its revision."""

    def put_once(
        self, mark: str, puts: Mapping[str, bytes], unchanged: Mapping[str, int] | None = None
    ) -> bool:
        """Puts all of `puts`, values by key, at one revision; or nothing where `mark`, one of them, exists.

        Nor where a key of `unchanged` was put since the revision there, 0 for never. Whether it was
        done. After an answer that was lost it may be asked again: False then may mean that the first
        try was heard, which shows by the value under `mark`.
        """

    def watch(
        self, key: str, start: int = 0, silence_s: float = ...
    ) -> AbstractContextManager[Iterator[Put]]:
        """Each put of `key` from revision `start` on, in order; with 0, all that are put while the body runs.

        The iteration ends when nothing was said for `silence_s` seconds. Raises Compacted where what happened
        since `start` is forgotten.
        """

    def watch_all(
        self, prefix: str, start: int = 0, silence_s: float = ...
    ) -> AbstractContextManager[Iterator[tuple[str, Put]]]:
        """As `watch`, of every key that begins with `prefix`, each put with its key."""

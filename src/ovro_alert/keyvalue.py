"""What is under the keys of an etcd: the words that the link to it and the telescopes share."""

from typing import NamedTuple


class Put(NamedTuple):
    """A value that was put under a key, at which revision of the store, and as which version of the key."""

    value: bytes
    revision: int
    version: int


class Found(NamedTuple):
    """What is under a key, None for nothing; and the revision of the whole store at that moment."""

    put: Put | None
    revision: int


class Compacted(Exception):
    """What happened before `revision` is no longer known to etcd: look at what is there now."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"etcd has forgotten what was before revision {revision}")
        self.revision = revision

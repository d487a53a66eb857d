"""An etcd v3 store in memory, which answers as the JSON gateway does.

Bytes are base64 there, 64-bit numbers text, and what is 0, false or empty is left out.
"""

import threading
from base64 import b64encode
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from ovro_alert.demo.etcd_requests import (
    OUT_OF_RANGE,
    Compaction,
    Compare,
    DeleteRange,
    Put,
    Range,
    Refusal,
    Txn,
    Watch,
    read,
)

# What etcd takes at once, where it is not configured otherwise (--max-request-bytes, --max-txn-ops).
LARGEST = 3 * 2**19
MOST_OPERATIONS = 128
IDLE_S = 0.5
COMPACTED = "mvcc: required revision has been compacted"
COMPARED = {"VERSION": "version", "CREATE": "create_revision", "MOD": "mod_revision"}
RESPONSES: dict[type[Range | Put], str] = {
    Range: "response_range",
    Put: "response_put",
    DeleteRange: "response_delete_range",
}


class Entry(NamedTuple):
    """A key as one revision left it; of version 0 where that deleted it, or it never was."""

    key: bytes
    create_revision: int = 0
    mod_revision: int = 0
    version: int = 0
    value: bytes = b""


class Store:
    """Keys with their values, and what has happened to them since the last compaction.

    `changed` is its lock, and is told of all that happens.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.clear()

    def clear(self, revision: int = 1) -> None:
        """Begins anew, as a cluster that is set up again or restored from a backup."""
        with self.changed:
            self._revision = revision
            self._compacted = 0
            self._current: dict[bytes, Entry] = {}
            self._history: list[Entry] = []

    def answer(self, path: str, body: bytes) -> dict[str, Any]:
        """What is said to a request at a path below /v3. Raises Refusal; KeyError where there is none."""
        with self.changed:
            match path:
                case "/kv/range":
                    answer = self._apply([read(Range, body)])[0]
                case "/kv/put":
                    answer = self._apply([read(Put, body)])[0]
                case "/kv/deleterange":
                    answer = self._apply([read(DeleteRange, body)])[0]
                case "/kv/txn":
                    answer = self._txn(read(Txn, body))
                case "/kv/compaction":
                    answer = self._compact(read(Compaction, body).revision)
                case _:
                    raise KeyError(path)
            return self._header | answer

    def watch(self, watch: Watch) -> Iterator[dict[str, Any] | None]:
        """What is said to who watches, without end; None when all is said, and then every IDLE_S at least."""
        start, header = watch.start_revision or self._revision + 1, self._header
        yield header | {"created": True}
        while True:
            with self.changed:
                forgotten, header = self._compacted if start < self._compacted else 0, self._header
                news = self._history[bisect_left(self._history, start, key=_revision_of) :]
                start = max(start, self._revision + 1)
            wanted = (each for each in news if watch.holds(each.key) and (each.version or not watch.filters))
            if forgotten:
                yield header | _message(canceled=True, compact_revision=forgotten)
                return
            for _, together in groupby(wanted, _revision_of):
                yield header | {"events": [_event(each) for each in together]}
            yield None
            with self.changed:
                if self._revision < start:
                    self.changed.wait(IDLE_S)

    @property
    def _header(self) -> dict[str, Any]:
        return {"header": _message(revision=self._revision)}

    def _apply(self, requests: Sequence[Range | Put]) -> list[dict[str, Any]]:
        """The answers to requests that are carried out together: all that they change has one revision."""
        _check(requests)
        revision = self._revision + 1
        answers = [self._do(request, revision) for request in requests]
        if self._history and self._history[-1].mod_revision == revision:
            self._revision = revision
            self.changed.notify_all()
        return answers

    def _do(self, request: Range | Put, revision: int) -> dict[str, Any]:
        if isinstance(request, Put):
            key, before = request.key, self._current.get(request.key, Entry(request.key))
            created = before.create_revision or revision
            entry = Entry(key, created, revision, before.version + 1, request.value)
            self._current[key] = entry
            self._history.append(entry)
            return {}
        keys = sorted(filter(request.holds, self._current))
        if isinstance(request, DeleteRange):
            for key in keys:
                del self._current[key]
                self._history.append(Entry(key, mod_revision=revision))
            return _message(deleted=len(keys))
        kvs = [self._current[key] for key in keys] if not request.revision else self._as_of(request)
        return _message(kvs=[_message(**each._asdict()) for each in kvs], count=len(kvs))

    def _as_of(self, request: Range) -> list[Entry]:
        self._remembers(request.revision)
        then = {each.key: each for each in self._history if each.mod_revision <= request.revision}
        return [each for key, each in sorted(then.items()) if each.version and request.holds(key)]

    def _txn(self, txn: Txn) -> dict[str, Any]:
        succeeded = all(self._is_so(each) for each in txn.compare)
        requests = [each.one for each in (txn.success if succeeded else txn.failure)]
        answers = self._apply(requests)
        responses = [
            {RESPONSES[type(request)]: self._header | answer}
            for request, answer in zip(requests, answers, strict=True)
        ]
        return _message(succeeded=succeeded, responses=responses)

    def _is_so(self, compare: Compare) -> bool:
        entry, field = self._current.get(compare.key, Entry(compare.key)), COMPARED[compare.target]
        return bool(getattr(entry, field) == getattr(compare, field))

    def _compact(self, revision: int) -> dict[str, Any]:
        self._remembers(revision)
        if revision == self._compacted:
            raise Refusal(COMPACTED, OUT_OF_RANGE)
        self._compacted = revision
        first = bisect_left(self._history, revision, key=_revision_of)
        kept = {each.key: each for each in self._history[:first]}  # what held then is known
        self._history = sorted(kept.values(), key=_revision_of) + self._history[first:]
        return {}

    def _remembers(self, revision: int) -> None:
        if revision > self._revision:
            raise Refusal("mvcc: required revision is a future revision", OUT_OF_RANGE)
        if revision < self._compacted:
            raise Refusal(COMPACTED, OUT_OF_RANGE)


def _check(requests: Sequence[Range | Put]) -> None:
    puts = [request for request in requests if isinstance(request, Put)]
    if not all(request.key for request in requests):
        raise Refusal("key is not provided")
    if len(requests) > MOST_OPERATIONS:
        raise Refusal("too many operations in txn request")
    if len({put.key for put in puts}) < len(puts):
        raise Refusal("duplicate key given in txn request")
    if sum(len(put.key) + len(put.value) for put in puts) > LARGEST:
        raise Refusal("request is too large")


def _revision_of(entry: Entry) -> int:
    return entry.mod_revision


def _event(entry: Entry) -> dict[str, Any]:
    return _message(type="" if entry.version else "DELETE", kv=_message(**entry._asdict()))


def _message(**fields: Any) -> dict[str, Any]:
    """Fields as the gateway writes them."""
    return {name: _written(value) for name, value in fields.items() if value}


def _written(value: Any) -> Any:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    return str(value) if type(value) is int else value

"""etcd v3 as daemons use it: get, put, and watch a key or all below a prefix, from any revision on.

It speaks the JSON gateway that etcd has had on its client port since 3.4, so that no host needs gRPC. Where
etcd 3.4 is started from a configuration file, that must say `enable-grpc-gateway: true`.
"""

import ssl
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

import httpx2

from ovro_alert.keyvalue import Compacted, Found, Put
from ovro_alert.link.etcd_answers import (
    Decided,
    EtcdAway,
    EtcdRefused,
    KeyValue,
    Looked,
    Range,
    Token,
    Written,
    read,
    refusal,
    told,
)

__all__ = ["Compacted", "Etcd", "EtcdAway", "EtcdRefused", "Found", "Put"]

CONNECT_S = 3.0
ANSWER_S = 5.0
SILENCE_S = 15.0
COMPACTED = "required revision has been compacted"  # of a revision that is forgotten etcd says no more
# Each watch holds a connection for itself, so that a limit would let watches keep everybody else out. What is
# idle longer than this may have been forgotten by a firewall, and a put by it would be lost.
LIMITS = httpx2.Limits(max_connections=None, keepalive_expiry=60.0)


class Etcd:
    """A cluster, by the URLs of its members; for use in one `with`, safe to use from several threads.

    The member that answered last is asked first. `ca` is a file with the certificate that signed theirs;
    without it the system's are trusted. Every method raises EtcdAway and EtcdRefused.
    """

    def __init__(
        self, endpoints: Sequence[str], user: str = "", password: str = "", ca: Path | None = None
    ) -> None:
        self._endpoints = [endpoint.rstrip("/") for endpoint in endpoints]
        self._login = {"name": user, "password": password} if user else None
        self._token = ""
        self._http = httpx2.Client(
            verify=ssl.create_default_context(cafile=ca),
            trust_env=False,  # a proxy of the environment is for the world outside
            limits=LIMITS,
            headers={"Accept-Encoding": "identity"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, key: str, revision: int = 0) -> Found:
        """What is under `key`: linearizable, so never older than what anybody was told before.

        With a revision, what was under it then; Compacted where that is no longer known.
        """
        answer = self._range({"key": _text(key)}, revision)
        return Found(answer.kvs[0].put if answer.kvs else None, answer.header.revision)

    def get_all(self, prefix: str, revision: int = 0) -> tuple[dict[str, Put], int]:
        """As `get`, of every key that begins with `prefix`; and the revision of the whole store."""
        answer = self._range(_below(prefix), revision)
        return {each.name: each.put for each in answer.kvs}, answer.header.revision

    def get_each(self, keys: Iterable[str]) -> dict[str, Put]:
        """As `get`, of several keys in one question and at one moment; without those that hold nothing.

        etcd takes 128 at once.
        """
        body = {"success": [{"request_range": {"key": _text(key)}} for key in keys]}
        with self._ask("/kv/txn", body) as response:
            return {each.name: each.put for each in read(Looked, response).kvs}

    def put(self, key: str, value: bytes) -> int:
        """Put `value` under `key`; its revision.

        Another member is asked only while none can have heard of it: a put that is repeated is seen twice by
        those who watch.
        """
        with self._ask("/kv/put", _pair(key, value), repeatable=False) as response:
            return read(Written, response).header.revision

    def put_once(
        self, mark: str, puts: Mapping[str, bytes], unchanged: Mapping[str, int] | None = None
    ) -> bool:
        """Put all of `puts`, values by key, at one revision; or nothing where `mark`, one of them, exists.

        Nor where a key of `unchanged` was put since the revision there, 0 for never. Whether it was
        done. An answer that is lost does no harm: the same is asked of the next member, and may be
        asked again after EtcdAway. False then may mean that the first to be asked has done it: under
        `mark` is the value of whoever did, so that one who puts a value of its own knows itself.
        etcd takes 128 puts at once, and 1.5 MB.
        """
        if mark not in puts:
            raise ValueError(f"{mark} is not among what is put, so that nothing would be put only once")
        seen = [
            {"key": _text(key), "target": "MOD", "result": "EQUAL", "mod_revision": str(revision)}
            for key, revision in (unchanged or {}).items()
        ]
        body = {
            "compare": [{"key": _text(mark), "target": "VERSION", "result": "EQUAL", "version": "0"}, *seen],
            "success": [{"request_put": _pair(key, value)} for key, value in puts.items()],
        }
        with self._ask("/kv/txn", body) as response:
            return read(Decided, response).succeeded

    @contextmanager
    def watch(self, key: str, start: int = 0, silence_s: float = SILENCE_S) -> Iterator[Iterator[Put]]:
        """Each put of `key` from revision `start` on, in order; with 0, all that are put while the body runs.

        The iteration ends when etcd has said nothing for `silence_s` seconds. Nothing may have happened, or
        the connection be half dead: a new `get` and watch tell.

        Raises
            Compacted: what happened since `start` is no longer known.
            EtcdAway: the watch was cut, at its beginning or later.
        """
        with self._watch({"key": _text(key)}, start, silence_s) as told_of:
            yield (each.put for each in told_of)

    @contextmanager
    def watch_all(
        self, prefix: str, start: int = 0, silence_s: float = SILENCE_S
    ) -> Iterator[Iterator[tuple[str, Put]]]:
        """As `watch`, of every key that begins with `prefix`, each put with its key."""
        with self._watch(_below(prefix), start, silence_s) as told_of:
            yield ((each.name, each.put) for each in told_of)

    def _range(self, what: Mapping[str, str], revision: int) -> Range:
        try:
            with self._ask("/kv/range", {**what, "revision": str(revision)}) as response:
                return read(Range, response)
        except EtcdRefused as refused:
            if COMPACTED in str(refused):
                raise Compacted(revision + 1) from refused
            raise

    @contextmanager
    def _watch(self, what: Mapping[str, str], start: int, silence_s: float) -> Iterator[Iterator[KeyValue]]:
        request = {**what, "start_revision": str(start), "filters": ["NODELETE"], "fragment": True}
        with self._ask("/watch", {"create_request": request}, read_s=silence_s) as response:
            said = told(response)
            first = next(said, None)
            if first is None or not first.created:
                raise EtcdAway("etcd did not begin to watch")
            yield (event.kv for each in said for event in each.events if event.type == "PUT")

    @contextmanager
    def _ask(
        self, path: str, body: Mapping[str, Any], *, repeatable: bool = True, read_s: float = ANSWER_S
    ) -> Iterator[httpx2.Response]:
        """The answer of the first member that has one, still to be read."""
        trouble = EtcdAway("no member of the cluster is named")
        for endpoint in self._endpoints:
            try:
                response = self._open(endpoint, path, body, read_s)
            except EtcdAway as away:
                never_sent = isinstance(away.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout)
                if not (repeatable or never_sent):
                    raise
                trouble = away
                continue
            with closing(response):
                if endpoint != self._endpoints[0]:
                    self._endpoints = [endpoint, *(each for each in self._endpoints if each != endpoint)]
                yield response
                return
        raise trouble

    def _open(self, endpoint: str, path: str, body: Mapping[str, Any], read_s: float) -> httpx2.Response:
        """The answer of one member; logged in anew where the token, which lasts some minutes, is over."""
        fresh = self._login is not None and not self._token
        if fresh:
            self._log_in(endpoint)
        response = self._send(endpoint, path, body, self._token, read_s)
        if response.status_code == 401 and self._login is not None and not fresh:
            response.close()
            self._log_in(endpoint)
            response = self._send(endpoint, path, body, self._token, read_s)
        if response.status_code == 200:
            return response
        with closing(response):
            raise refusal(response, endpoint)

    def _log_in(self, endpoint: str) -> None:
        # Without a token: etcd refuses one that is over even here.
        with closing(self._send(endpoint, "/auth/authenticate", self._login or {})) as response:
            if response.status_code != 200:
                raise refusal(response, endpoint)
            self._token = read(Token, response).token

    def _send(
        self, endpoint: str, path: str, body: Mapping[str, Any], token: str = "", read_s: float = ANSWER_S
    ) -> httpx2.Response:
        request = self._http.build_request(
            "POST",
            f"{endpoint}/v3{path}",
            json=body,
            headers={"Authorization": token} if token else {},
            timeout=httpx2.Timeout(ANSWER_S, connect=CONNECT_S, read=read_s),
        )
        try:
            return self._http.send(request, stream=True)
        except (httpx2.HTTPError, httpx2.InvalidURL, RuntimeError) as error:  # the last: closed meanwhile
            raise EtcdAway(f"{endpoint}: {type(error).__name__}: {error}") from error


def _text(key: str) -> str:
    return b64encode(key.encode()).decode()


def _pair(key: str, value: bytes) -> dict[str, str]:
    return {"key": _text(key), "value": b64encode(value).decode()}


def _below(prefix: str) -> dict[str, str]:
    """All keys that begin with `prefix`: from it up to what follows it in its length, which is left out."""
    first = prefix.encode() or b"\0"
    end = first[:-1] + bytes([first[-1] + 1]) if prefix else b"\0"  # etcd's word for: all from `first` on
    return {"key": b64encode(first).decode(), "range_end": b64encode(end).decode()}

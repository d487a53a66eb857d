"""What the tests of etcd share: the real one, and a twin that can misbehave; both speak the JSON gateway."""

import json
import ssl
import subprocess
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2

SCRIPT = Path(__file__).parents[1] / "deploy" / "dev" / "etcd"


def ask(url: str, path: str, **body: Any) -> dict[str, Any]:
    """What an etcd answers at a path below /v3."""
    answer = httpx2.post(f"{url}/v3{path}", json=body, trust_env=False, timeout=10)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def base64(text: str) -> str:
    """Text as the gateway takes keys and values."""
    return b64encode(text.encode()).decode()


class Server:
    """An etcd of one test's own, that it may stop, compact and lock."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.url = ""

    def start(self) -> None:
        self.url = self._do("start")

    def stop(self) -> None:
        self._do("stop")

    def remove(self) -> None:
        self._do("remove")

    def _do(self, word: str) -> str:
        done = subprocess.run([SCRIPT, word, self.directory], capture_output=True, text=True, timeout=50)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@dataclass
class Twin:
    """A store of one key's puts that answers as etcd does, or as one in trouble.

    `fault` is what the next requests meet: "busy" (503), "garbage", "cut" (in the midst of an answer),
    "ended" (as if that were all), "endless" (a line without end), "silent", or "no gateway" (404). A watch
    meets it when it has told what happened before.
    """

    url: str = ""
    revision: int = 1
    compacted: int = 0
    puts: list[tuple[int, bytes]] = field(default_factory=list)
    fault: str = ""
    deaf: bool = False  # a watch is told what was before it, and never what comes
    asked: list[str] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)
    over: bool = False

    def put(self, value: bytes) -> int:
        with self.news:
            self.revision += 1
            self.puts.append((self.revision, value))
            self.news.notify_all()
            return self.revision

    def compact(self, revision: int) -> None:
        with self.news:
            self.compacted = revision

    def fail(self, fault: str) -> None:
        with self.news:
            self.fault = fault
            self.news.notify_all()

    def well(self) -> None:
        self.fail("")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    twin: Twin

    def do_POST(self) -> None:
        twin = self.twin
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        twin.asked.append(self.path)
        if self.path == "/v3/watch":
            self._watch(body["create_request"])
        elif twin.fault:
            self._misbehave()
        elif self.path == "/v3/kv/put":
            self._say({"header": {"revision": str(twin.put(b64decode(body["value"])))}})
        elif self.path == "/v3/kv/compaction":
            twin.compact(int(body["revision"]))
            self._say({"header": {"revision": str(twin.revision)}})
        elif self.path == "/v3/kv/range":
            with twin.news:
                kvs = [self._kv(len(twin.puts) - 1)] if twin.puts else []
                self._say({"header": {"revision": str(twin.revision)}, "kvs": kvs})

    def _kv(self, index: int) -> dict[str, str]:
        revision, value = self.twin.puts[index]
        said = {"key": base64("key"), "mod_revision": str(revision), "version": str(index + 1)}
        return said | ({"value": b64encode(value).decode()} if value else {})  # as proto3, which omits b""

    def _watch(self, request: dict[str, Any]) -> None:
        twin = self.twin
        self._begin()
        self._chunk({"result": {"header": {"revision": str(twin.revision)}, "created": True}})
        start = int(request["start_revision"]) or twin.revision + 1
        if start < twin.compacted:
            self._chunk({"result": {"canceled": True, "compact_revision": str(twin.compacted)}})
            return
        while not twin.over:
            with twin.news:
                events = [
                    {"kv": self._kv(i)} for i, (revision, _) in enumerate(twin.puts) if revision >= start
                ]
                start = max(start, twin.revision + 1)
                fault = twin.fault
                if not (events or fault):
                    twin.news.wait(0.1)
                    continue
            if events:
                self._chunk({"result": {"header": {"revision": str(twin.revision)}, "events": events}})
            with twin.news:
                twin.news.wait_for(lambda: twin.over or not twin.deaf)
            if fault:
                self._misbehave(begun=True)
                return

    def _misbehave(self, begun: bool = False) -> None:
        """As `fault` says. What it does to a stream that is under way it does without a new head."""
        twin = self.twin
        if twin.fault == "busy" and not begun:
            self._say({"error": "etcdserver: no leader", "code": 14}, 503)
            return
        if twin.fault == "no gateway":
            self._say(None, 404)
            return
        if not begun:
            self._begin()
        self.close_connection = twin.fault != "ended"
        match twin.fault:
            case "busy":
                self._chunk({"error": {"grpc_code": 14, "http_code": 503, "message": "no leader"}})
            case "garbage":
                self._raw(b'{"result": {"events": [{"kv": {"mod_revision": "many"}}]}}\n')
            case "cut":
                self._raw(b'{"result": {"header": ')
            case "ended":
                self._raw(b"")
            case "endless":
                while not twin.over and twin.fault == "endless":
                    self._raw(b"x" * 2**20)
            case "silent":
                with twin.news:
                    twin.news.wait_for(lambda: twin.over or twin.fault != "silent")

    def _begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _chunk(self, said: dict[str, Any]) -> None:
        self._raw(json.dumps(said).encode() + b"\n")

    def _raw(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _say(self, said: dict[str, Any] | None, status: int = 200) -> None:
        content = json.dumps(said).encode() if said else b"Not Found"
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who watches goes away without a word."""


@contextmanager
def running_twin(tls: ssl.SSLContext | None = None) -> Iterator[Twin]:
    twin = Twin()
    server = _Server(("127.0.0.1", 0), type("Bound", (_Handler,), {"twin": twin}))
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    server.block_on_close = False
    twin.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield twin
    finally:
        with twin.news:
            twin.over = True
            twin.news.notify_all()
        server.shutdown()
        server.server_close()
        thread.join()

"""What the tests of etcd share: the real one, and a twin that can misbehave; both speak the JSON gateway."""

import json
import ssl
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any, ClassVar

import httpx2

from ovro_alert.demo.etcd_gateway import Gateway, Handler

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


class Twin(Gateway):
    """The etcd in memory, which may be in trouble.

    `fault` is what the next requests meet: "busy" (503), "garbage", "cut" (in the midst of an answer),
    "lost" (it is done, and nothing said), "ended" (as if that were all), "endless" (a line without end),
    "silent", or "no gateway" (404). A watch meets it when it has told what happened before.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(handler=_Handler, tls=tls)
        self.fault = ""
        self.deaf = False  # a watch is told what was before it, and never what comes
        self.asked: list[str] = []
        self.connections = 0

    def put(self, value: bytes, key: str = "key") -> int:
        """Put past all trouble, as by another member; the revision."""
        body = {"key": base64(key), "value": b64encode(value).decode()}
        return int(self.store.answer("/kv/put", json.dumps(body).encode())["header"]["revision"])

    def compact(self, revision: int) -> None:
        self.store.answer("/kv/compaction", json.dumps({"revision": revision}).encode())

    def fail(self, fault: str) -> None:
        with self.store.changed:
            self.fault = fault
            self.store.changed.notify_all()

    def well(self) -> None:
        self.fail("")

    def stop(self) -> None:
        self.deaf = False
        self.well()
        super().stop()


class _Handler(Handler):
    gateway: ClassVar[Twin]

    def setup(self) -> None:
        super().setup()
        self.gateway.connections += 1

    def respond(self, path: str, body: bytes) -> None:
        self.gateway.asked.append(path)
        if path == "/watch" or not self.gateway.fault:
            super().respond(path, body)
        elif self.gateway.fault == "lost":
            self.gateway.store.answer(path, body)
            self.close_connection = True
        else:
            self._misbehave()

    def goes_on(self) -> bool:
        twin = self.gateway
        with twin.store.changed:
            twin.store.changed.wait_for(lambda: not twin.deaf)
        if twin.fault:
            self._misbehave(begun=True)
            return False
        return super().goes_on()

    def _misbehave(self, begun: bool = False) -> None:
        """As `fault` says. What it does to a stream that is under way it does without a new head."""
        twin = self.gateway
        if twin.fault == "busy" and not begun:
            self.say({"error": "etcdserver: no leader", "code": 14}, 503)
            return
        if twin.fault == "no gateway":
            self.say(None, 404)
            return
        if not begun:
            self.begin()
        self.close_connection = twin.fault != "ended"
        match twin.fault:
            case "busy":
                self.chunk(b'{"error": {"grpc_code": 14, "http_code": 503, "message": "no leader"}}\n')
            case "garbage":
                self.chunk(b'{"result": {"events": [{"kv": {"mod_revision": "many"}}]}}\n')
            case "cut":
                self.chunk(b'{"result": {"header": ')
            case "ended":
                self.chunk(b"")
            case "endless":
                while twin.fault == "endless":
                    self.chunk(b"x" * 2**20)
            case "silent":
                with twin.store.changed:
                    twin.store.changed.wait_for(lambda: twin.fault != "silent")

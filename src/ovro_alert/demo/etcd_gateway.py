"""An etcd of one member in memory, by its JSON gateway: for where Debian's etcd is not installed.

`python -m ovro_alert.demo.etcd_gateway --port N` runs it until it is told to end. What was put is gone then.
"""

import json
import select
import signal
import socket
import ssl
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated, Any, ClassVar, Self

import typer

from ovro_alert.demo.etcd_requests import Refusal, Watching, read
from ovro_alert.demo.etcd_store import Store


class Handler(BaseHTTPRequestHandler):
    """One connection; those of a gateway share its store."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together
    gateway: ClassVar["Gateway"]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.respond(self.path.removeprefix("/v3"), body)

    def respond(self, path: str, body: bytes) -> None:
        try:
            if path == "/watch":
                self._watch(read(Watching, body))
            else:
                self.say(self.gateway.store.answer(path, body))
        except Refusal as refusal:
            self.say({"error": str(refusal), "message": str(refusal), "code": refusal.code}, 400)
        except KeyError:
            self.say(None, 404)

    def do_GET(self) -> None:
        """Only /health is there."""
        self.say(*(({"health": "true"}, 200) if self.path == "/health" else (None, 404)))

    def _watch(self, watching: Watching) -> None:
        self.close_connection = True
        self.begin()
        for said in self.gateway.store.watch(watching.create_request):
            if said is not None:
                self.chunk(json.dumps({"result": said}).encode() + b"\n")
            elif not self.goes_on():
                return

    def goes_on(self) -> bool:
        """Whether anybody still listens to this watch: there is only an end to be read from who does not."""
        return not select.select([self.connection], [], [], 0)[0]

    def begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data: bytes) -> None:
        """A chunk of an answer that was begun; an empty one is its end."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def say(self, said: dict[str, Any] | None, status: int = 200) -> None:
        """A whole answer."""
        content = json.dumps(said).encode() if said else b"Not Found"
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if said else "text/plain")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing of requests."""


class Gateway:
    """Listens on loopback from start to stop, or in one `with`; a start after a stop finds what was put."""

    def __init__(
        self, port: int = 0, handler: type[Handler] = Handler, tls: ssl.SSLContext | None = None
    ) -> None:
        self.store = Store()
        self._port = port
        self._handler = type("Bound", (handler,), {"gateway": self})
        self._tls = tls

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self._server = _Server(("127.0.0.1", self._port), self._handler)
        self._port = self._server.server_port
        if self._tls:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def stop(self) -> None:
        """Every connection is cut, as by a process that ends."""
        self._server.shutdown()
        self._thread.join()
        self._server.cut()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def cut(self) -> None:
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who went away did so without a word, which is no error."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def main(port: Annotated[int, typer.Option(help="Port of loopback to listen on; 0: any.")] = 2379) -> None:
    """Runs an etcd in memory until it is interrupted or terminated."""
    with Gateway(port) as gateway:
        print(f"etcd's gateway, in memory: {gateway.url}", flush=True)
        with suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    typer.run(main)

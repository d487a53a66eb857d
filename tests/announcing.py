"""What the tests of what is told to the world share: commands, and Swift's API at the wire."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from hypothesis import strategies as st

from ovro_alert.command import Entry, Kind, State

USER, SECRET = "dsa110", 'a "secret" of these tests'
ARGS: dict[str, Any] = {
    "name": "dsa-260304aaaa",
    "toa": "2026-03-04T05:06:07.123456Z",
    "ra": 291.61,
    "dec": 71.52,
    "error_deg": 0.02,
    "dm": 531.7,
    "dm_error": 0.4,
    "snr": 14.2,
    "width_ms": 1.05,
    "importance": 0.98,
}
COMMAND_MJD = 61103.2128  # 2026-03-04 05:06:25.92


def entry(command: str, id: int = 7, **changes: Any) -> Entry:
    """A command of the slot /world; of `changes`, what is None is left out of its args."""
    args = {name: value for name, value in (ARGS | changes).items() if value is not None}
    return Entry(
        id=id,
        seq=id,
        slot="world",
        kind=Kind.COMMAND,
        command=command,
        args=args,
        command_mjd=COMMAND_MJD,
        state=State.CLAIMED,
        event_id=str(args.get("name")),
        deadline=None,
    )


def _numbers(low: float, high: float, **more: Any) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, allow_infinity=False, **more)


_WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")), max_size=60)
# Whatever a detection may say, at its limits too.
DETECTIONS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"\A(dsa-)?[0-9]{6}[a-z]{4}(_inj[0-9]*)?\Z"),
        "toa": st.datetimes(
            min_value=datetime(2000, 1, 1),
            max_value=datetime(2099, 12, 31),
        ).map(lambda moment: f"{moment.isoformat()}Z"),
        "ra": _numbers(0, 360, exclude_max=True),
        "dec": _numbers(-90, 90),
        "dm": _numbers(0, 100_000, exclude_min=True),
        "snr": _numbers(0, 1e300, exclude_min=True),
        "width_ms": _numbers(0, 1e300, exclude_min=True),
    },
    optional={
        "error_deg": _numbers(0, 180, exclude_min=True),
        "dm_error": _numbers(0, 1e300),
        "fluence": _numbers(0, 1e300),
        "peak_flux": _numbers(0, 1e300),
        "importance": _numbers(0, 1),
        "known_source": _WORDS,
        "description": _WORDS,
        "alert_type": st.sampled_from(["initial", "subsequent"]),
        "role": st.sampled_from(["observation", "test"]),
    },
)

Answer = tuple[int, Any]


@dataclass
class Swift:
    """Swift's API as swifttools 4 speaks with it: a login, requests as forms, a list of them.

    `fault(path, form)` answers in its place where it returns anything: what a body is, bytes or JSON, and its
    status. What it takes is listed whatever is answered then.
    """

    url: str = ""
    logins: list[dict[str, Any]] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    listed: list[dict[str, Any]] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    fault: Callable[[str, dict[str, str]], Answer | None] = lambda path, form: None

    def log_in(self, form: dict[str, str]) -> Answer:
        self.logins.append(form)
        return (200, {}) if form == {"username": USER, "password": SECRET} else (401, {"detail": "no"})

    def take(self, form: dict[str, str]) -> Answer:
        self.asked.append(form)
        if form["validate_only"] == "true":
            return 200, {"status": "Validated"}
        too_id = 20_000 + len(self.listed)
        self.listed.append(
            {"target_name": form["target_name"], "too_id": too_id, "timestamp": "2026-03-04T05:10:00"}
        )
        return 200, {"too_id": too_id, "status": {"status": "Accepted", "too_id": too_id}}


class _Handler(BaseHTTPRequestHandler):
    swift: Swift

    def do_GET(self) -> None:
        self._answer({}, (200, {"entries": self.swift.listed, "status": {"status": "Accepted"}}))

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path.endswith("/login"):
            form = json.loads(raw)
            self._answer(form, self.swift.log_in(form))
        else:
            form = {name: values[0] for name, values in parse_qs(raw).items()}
            answer = self.swift.take(form) if "session=" in self.headers.get("Cookie", "") else (401, {})
            self._answer(form, answer)

    def _answer(self, form: dict[str, str], usual: Answer) -> None:
        self.swift.addresses.append(self.path)
        status, body = self.swift.fault(urlsplit(self.path).path, form) or usual
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if self.path.endswith("/login") and status == 200:
            self.send_header("Set-Cookie", "session=abc; Path=/; Max-Age=3600")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def swift() -> Iterator[Swift]:
    """Swift's API on loopback."""
    twin = Swift()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("BoundHandler", (_Handler,), {"swift": twin}))
    server.daemon_threads = True
    server.block_on_close = False  # of a request that hangs
    twin.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield twin
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

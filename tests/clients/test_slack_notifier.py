"""The notifier between a feed and a twin of Slack, both spoken to over HTTP: nothing is lost."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from ovro_alert.clients import slack_notifier
from ovro_alert.clients.slack_notifier import SlackNotifierSettings, notify
from ovro_alert.link.relay import Relay

LIMIT_S = 20.0  # of any wait; only a failure comes near
TOKEN = "xoxb-not-for-the-log"
KEY = "relay-key-not-for-the-log"


class Server:
    """A server on loopback whose whole state is guarded by one condition, so that tests wait on facts."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self.changed = threading.Condition()
        self.closing = threading.Event()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.http.twin = self  # type: ignore[attr-defined]
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self._thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def wait_for(self, fact: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(fact, LIMIT_S), "it did not happen"

    def close(self) -> None:
        self.closing.set()
        self.http.shutdown()
        self.http.server_close()
        self._thread.join()


class Handler(BaseHTTPRequestHandler):
    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class SlackHandler(Handler):
    def do_POST(self) -> None:
        slack: SlackTwin = self.server.twin  # type: ignore[attr-defined]
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with slack.changed:
            trouble = slack.troubles.popleft() if slack.troubles else slack.always
            slack.attempts.append(message)
            slack.changed.notify_all()
            assert self.path == "/api/chat.postMessage"
            assert self.headers["Authorization"] == f"Bearer {TOKEN}"
            if trouble in ("", "die mid-answer"):
                slack.taken.append(message)
                slack.changed.notify_all()
            ts = f"1700000000.{len(slack.taken):06}"
        body = json.dumps({"ok": True, "channel": "C1", "ts": ts, "message": {}}).encode()
        match trouble:
            case "":
                self.answer(200, body)
            case "429":
                self.answer(429, b'{"ok": false, "error": "ratelimited"}', Retry_After="0")
            case "429 soon":
                self.answer(429, b'{"ok": false, "error": "ratelimited"}', Retry_After="soon")
            case "500":
                self.answer(500, b"<html>no</html>")
            case "hotel":
                self.answer(200, b"<html>accept our conditions</html>")
            case "hang":
                slack.closing.wait()
            case "die mid-answer":
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2])
                self.close_connection = True
            case _:
                self.answer(200, json.dumps({"ok": False, "error": trouble}).encode())


class SlackTwin(Server):
    """Speaks chat.postMessage; has the troubles that it is given, one a request, then `always`."""

    def __init__(self) -> None:
        self.attempts: list[dict[str, Any]] = []
        self.taken: list[dict[str, Any]] = []
        self.troubles: deque[str] = deque()
        self.always = ""
        super().__init__(SlackHandler)

    def titles(self) -> list[str]:
        return [message["text"].splitlines()[0].strip("*") for message in self.taken]


class FeedHandler(Handler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        feed: FeedTwin = self.server.twin  # type: ignore[attr-defined]
        address = urlsplit(self.path)
        query = {name: float(values[0]) for name, values in parse_qs(address.query).items()}
        assert address.path == "/feed"
        assert self.headers["X-API-Key"] == KEY
        with feed.changed:
            feed.asked.append(int(query["after"]))
            feed.changed.notify_all()
            feed.changed.wait_for(
                lambda: len(feed.entries) > query["after"] or feed.away, min(query["wait"], 0.5)
            )
            news = feed.entries[int(query["after"]) :][: feed.page]
            away = feed.away
        if away:
            self.answer(503, b"{}")
        else:
            after = news[-1]["n"] if news else int(query["after"])
            self.answer(200, json.dumps({"entries": news, "next": after}).encode())


class FeedTwin(Server):
    """The relay's feed as the wire contract has it."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.asked: list[int] = []
        self.away = False
        self.page = 100
        super().__init__(FeedHandler)

    def add(self, kind: str, event: str | None, command: int | None = None, /, **data: object) -> None:
        with self.changed:
            self.entries.append(
                {
                    "n": len(self.entries) + 1,
                    "at": "2026-03-01T12:00:00.000000Z",
                    "kind": kind,
                    "event_id": event,
                    "alert_id": event and f"{event}-alert",
                    "command_id": command,
                    "data": data,
                }
            )
            self.changed.notify_all()

    def alert(self, event: str, role: str = "observation") -> None:
        self.add("logged", event, source="ligo", role=role, alert_type="initial", summary=event)

    def done(self, event: str, command: int) -> None:
        self.add("reported", event, command, slot="lwa", seq=1, command="trigger", state="done", detail=None)


@pytest.fixture
def slack() -> Iterator[SlackTwin]:
    twin = SlackTwin()
    yield twin
    twin.close()


@pytest.fixture
def feed() -> Iterator[FeedTwin]:
    twin = FeedTwin()
    yield twin
    twin.close()


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slack_notifier, "backoff", lambda *_, **__: repeat(0.01))


@pytest.fixture
def settings(slack: SlackTwin, tmp_path: Path) -> SlackNotifierSettings:
    return SlackNotifierSettings(
        token=SecretStr(TOKEN),
        base_url=f"{slack.url}/api",
        directory=tmp_path / "state",
        settle_s=0.1,
        timeout_s=1,
        from_start=True,
    )


@contextmanager
def notifying(settings: SlackNotifierSettings, feed: FeedTwin) -> Iterator[None]:
    """The daemon at work; it must end at once when told to, and without an error."""
    stop = threading.Event()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            with Relay(feed.url, KEY) as relay:
                notify(settings, relay, stop)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(LIMIT_S)
        assert not thread.is_alive()
    assert not errors


def cursor_of(settings: SlackNotifierSettings) -> int:
    return int((settings.directory / "cursor").read_text())


def test_an_event_is_one_message_and_its_later_news_are_in_the_thread(
    feed: FeedTwin, slack: SlackTwin, settings: SlackNotifierSettings
) -> None:
    feed.alert("S1")
    feed.add("decided", "S1", decisions=[{"rule": "merger", "verdict": "yes", "reasons": ["near"]}])
    feed.alert("S2")
    with notifying(settings, feed):
        slack.wait_for(lambda: len(slack.taken) == 2)
        feed.done("S1", 7)
        slack.wait_for(lambda: len(slack.taken) == 3)
        # The next request for news shows that the gathering is over.
        feed.wait_for(lambda: feed.asked[-3:] == [4, 4, 4])
    assert slack.titles() == ["S1", "S2", "S1"]
    first, second, reply = slack.taken
    assert "• yes: merger – near" in first["text"]
    assert "thread_ts" not in first
    assert "thread_ts" not in second
    assert reply["thread_ts"] == "1700000000.000001"
    assert first["channel"] == "#alert-driven-astro"
    assert (first["parse"], first["link_names"], first["unfurl_links"]) == ("none", False, False)
    assert cursor_of(settings) == 4


def test_a_restart_goes_on_where_it_was_and_in_the_same_thread(
    feed: FeedTwin, slack: SlackTwin, settings: SlackNotifierSettings
) -> None:
    feed.alert("S1")
    with notifying(settings, feed):
        feed.wait_for(lambda: feed.asked[-2:] == [1, 1])
        slack.wait_for(lambda: len(slack.taken) == 1)
    feed.done("S1", 7)
    feed.alert("S2")
    with notifying(settings, feed):
        slack.wait_for(lambda: len(slack.taken) == 3)
    assert slack.titles() == ["S1", "S1", "S2"]
    assert slack.taken[1]["thread_ts"] == "1700000000.000001"


def test_a_gathering_cut_short_does_not_repeat_what_was_told(
    feed: FeedTwin, slack: SlackTwin, settings: SlackNotifierSettings
) -> None:
    for n in range(1, 6):
        feed.alert(f"S{n}")
    slack.troubles.extend(["", ""])
    slack.always = "internal_error"
    with notifying(settings, feed):
        slack.wait_for(lambda: len(slack.attempts) >= 4)
    assert slack.titles() == ["S1", "S2"]
    assert cursor_of(settings) == 0
    slack.always = ""
    feed.done("S1", 7)
    with notifying(settings, feed):
        slack.wait_for(lambda: len(slack.taken) == 6)
    # S1's news come in the order of the feed among what is new.
    assert slack.titles() == ["S1", "S2", "S1", "S3", "S4", "S5"]
    assert slack.taken[2]["thread_ts"] == "1700000000.000001"


@pytest.mark.parametrize(
    "troubles",
    [
        ["429"],
        ["429", "429", "429"],
        ["429 soon"],
        ["500", "500", "hotel"],
        ["hang"],
        ["invalid_auth", "invalid_auth", "channel_not_found"],
        ["internal_error"] * 30,
    ],
    ids=lambda troubles: " ".join(dict.fromkeys(troubles)),
)
def test_nothing_is_lost_or_told_out_of_order_while_slack_is_in_trouble(
    troubles: list[str],
    feed: FeedTwin,
    slack: SlackTwin,
    settings: SlackNotifierSettings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    slack.troubles.extend(troubles)
    feed.alert("S1")
    feed.alert("S2")
    with notifying(settings, feed):
        slack.wait_for(lambda: len(slack.attempts) >= 2)
        feed.alert("S3")
        slack.wait_for(lambda: len(slack.taken) == 3)
    assert slack.titles() == ["S1", "S2", "S3"]
    for trouble in set(troubles) & {"invalid_auth", "internal_error"}:
        said = [record for record in caplog.records if record.getMessage().endswith(trouble)]
        assert len(said) == 1
    assert TOKEN not in caplog.text
    assert KEY not in caplog.text


def test_a_slack_that_is_not_there_delays_and_loses_nothing(
    feed: FeedTwin, slack: SlackTwin, settings: SlackNotifierSettings, caplog: pytest.LogCaptureFixture
) -> None:
    feed.alert("S1")
    nowhere = SlackTwin()
    nowhere.close()
    with notifying(settings.model_copy(update={"base_url": nowhere.url}), feed):
        until = time.monotonic() + LIMIT_S
        while "trying again" not in caplog.text:
            assert time.monotonic() < until
            time.sleep(0.01)
    with notifying(settings, feed):
        slack.wait_for(lambda: len(slack.taken) == 1)
    assert slack.titles() == ["S1"]


def test_an_answer_that_dies_may_repeat_a_message_and_loses_none(
    feed: FeedTwin, slack: SlackTwin, settings: SlackNotifierSettings
) -> None:
    slack.troubles.append("die mid-answer")
    feed.alert("S1")
    feed.alert("S2")
    with notifying(settings, feed):
        slack.wait_for(lambda: len(slack.taken) == 3)
    assert slack.titles() == ["S1", "S1", "S2"]


def test_a_message_that_slack_faults_is_told_plainly_then_skipped(
    feed: FeedTwin, slack: SlackTwin, settings: SlackNotifierSettings, caplog: pytest.LogCaptureFixture
) -> None:
    slack.troubles.extend(["invalid_blocks", "", "invalid_blocks", "msg_too_long", ""])
    for name in ("S1", "S2", "S3"):
        feed.alert(name)
    with notifying(settings, feed):
        slack.wait_for(lambda: len(slack.taken) == 2)
        feed.wait_for(lambda: feed.asked[-3:] == [3, 3, 3])
    assert [("blocks" in message) for message in slack.attempts] == [True, False, True, False, True]
    assert slack.titles() == ["S1", "S3"]
    assert "Slack takes this in no form, skipped: *S2*" in caplog.text
    assert cursor_of(settings) == 3


def test_an_error_unknown_to_us_is_not_tried_for_ever(
    feed: FeedTwin, slack: SlackTwin, settings: SlackNotifierSettings
) -> None:
    slack.troubles.extend(["brand_new_error"] * 40)
    feed.alert("S1")
    feed.alert("S2")
    with notifying(settings, feed):
        slack.wait_for(lambda: len(slack.taken) == 1)
    assert slack.titles() == ["S2"]


def test_a_thread_that_is_gone_is_begun_anew(
    feed: FeedTwin, slack: SlackTwin, settings: SlackNotifierSettings
) -> None:
    feed.alert("S1")
    with notifying(settings, feed):
        slack.wait_for(lambda: len(slack.taken) == 1)
        slack.troubles.append("thread_not_found")
        feed.done("S1", 7)
        slack.wait_for(lambda: len(slack.taken) == 2)
        feed.done("S1", 8)
        slack.wait_for(lambda: len(slack.taken) == 3)
    assert [message.get("thread_ts") for message in slack.taken] == [None, None, "1700000000.000002"]


def test_tests_are_told_only_when_asked_for_even_after_a_restart(
    feed: FeedTwin, slack: SlackTwin, settings: SlackNotifierSettings
) -> None:
    feed.alert("MS1", "test")
    with notifying(settings, feed):
        feed.wait_for(lambda: feed.asked[-2:] == [1, 1])
    feed.done("MS1", 7)
    feed.alert("S2")
    with notifying(settings, feed):
        slack.wait_for(lambda: len(slack.taken) == 1)
    told = settings.model_copy(update={"tests": True, "directory": settings.directory / "other"})
    with notifying(told, feed):
        slack.wait_for(lambda: len(slack.taken) == 3)
    assert slack.titles() == ["S2", "MS1", "S2"]


def test_what_was_set_aside_is_a_message_of_its_own(
    feed: FeedTwin, slack: SlackTwin, settings: SlackNotifierSettings
) -> None:
    with notifying(settings, feed):
        for n in (1, 2):
            feed.add("setaside", None, setaside_id=n, reason="not JSON", format=None)
            slack.wait_for(lambda n=n: len(slack.taken) == n)
            feed.wait_for(lambda n=n: feed.asked[-3:] == [n] * 3)
    assert slack.titles() == ["Set aside: 1 unreadable message"] * 2
    assert all("thread_ts" not in message for message in slack.taken)


def test_a_source_that_falls_deaf_is_a_message_and_that_it_hears_again_is_in_its_thread(
    feed: FeedTwin, slack: SlackTwin, settings: SlackNotifierSettings
) -> None:
    turns = [("deaf", "T1"), ("hears", "T1"), ("deaf", "T2")]
    with notifying(settings, feed):
        for n, (kind, since) in enumerate(turns, 1):
            feed.add(kind, None, source="gcn.heartbeat", why="", deaf_at=since)
            slack.wait_for(lambda n=n: len(slack.taken) == n)
    assert slack.titles() == ["gcn.heartbeat is deaf", "gcn.heartbeat hears again", "gcn.heartbeat is deaf"]
    assert [message.get("thread_ts") for message in slack.taken] == [None, "1700000000.000001", None]


def test_the_first_start_leaves_the_past_untold(
    feed: FeedTwin, slack: SlackTwin, settings: SlackNotifierSettings
) -> None:
    feed.page = 2
    for n in range(5):
        feed.alert(f"OLD{n}")
    with notifying(settings.model_copy(update={"from_start": False}), feed):
        feed.wait_for(lambda: feed.asked[-2:] == [5, 5])
        feed.alert("NEW")
        slack.wait_for(lambda: len(slack.taken) == 1)
    assert slack.titles() == ["NEW"]


def test_a_relay_that_is_away_is_waited_for(
    feed: FeedTwin, slack: SlackTwin, settings: SlackNotifierSettings
) -> None:
    feed.away = True
    feed.alert("S1")
    with notifying(settings, feed):
        feed.wait_for(lambda: len(feed.asked) >= 2)
        with feed.changed:
            feed.away = False
        slack.wait_for(lambda: len(slack.taken) == 1)
    assert slack.titles() == ["S1"]


@pytest.mark.parametrize("kept", [b"{", b'{"event:S1": {"ts": 5}}', b"[]"])
def test_threads_that_cannot_be_read_are_an_error_that_names_the_file(
    kept: bytes, feed: FeedTwin, settings: SlackNotifierSettings
) -> None:
    path = settings.directory / "threads.json"
    path.parent.mkdir()
    path.write_bytes(kept)
    with Relay(feed.url, KEY) as relay, pytest.raises(ValueError, match=r"threads\.json"):
        notify(settings, relay, threading.Event())


def test_the_newest_threads_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slack_notifier, "MOST_THREADS", 2)
    threads = slack_notifier.Threads(tmp_path / "threads.json")
    for n, name in enumerate("abac"):
        threads[name] = slack_notifier.Thread(ts=str(n))
    again = slack_notifier.Threads(tmp_path / "threads.json")
    assert [again[name].ts for name in "abc"] == ["2", None, "3"]


def start(tmp_path: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ovro_alert.clients.slack_notifier"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_without_a_token_it_says_what_to_set(tmp_path: Path) -> None:
    daemon = start(tmp_path)
    _, said = daemon.communicate(timeout=LIMIT_S)
    assert daemon.returncode == 2
    assert "SLACK_TOKEN" in said
    assert not list(tmp_path.iterdir())


def test_a_misplaced_token_is_not_repeated(tmp_path: Path) -> None:
    (tmp_path / "ovro-alert.toml").write_text(f'[slack_notifier]\ntokn = "{TOKEN}"\n')
    daemon = start(tmp_path)
    _, said = daemon.communicate(timeout=LIMIT_S)
    assert daemon.returncode == 1
    assert "tokn" in said
    assert TOKEN not in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_daemon_ends_at_a_signal_and_goes_on_after_any(
    number: signal.Signals, feed: FeedTwin, slack: SlackTwin, tmp_path: Path
) -> None:
    environment = {
        "SLACK_TOKEN": TOKEN,
        "RELAY_URL": feed.url,
        "RELAY_KEY": KEY,
        "OVRO_ALERT_SLACK_NOTIFIER_BASE_URL": f"{slack.url}/api/",
        "OVRO_ALERT_SLACK_NOTIFIER_SETTLE_S": "0.1",
        "OVRO_ALERT_SLACK_NOTIFIER_FROM_START": "true",
    }
    feed.alert("S1")
    said = []
    for news in (1, 2):
        daemon = start(tmp_path, **environment)
        try:
            slack.wait_for(lambda news=news: len(slack.taken) == news)
            feed.wait_for(lambda news=news: feed.asked[-2:] == [news] * 2)
        finally:
            daemon.send_signal(number if news == 1 else signal.SIGTERM)
            said.append(daemon.communicate(timeout=LIMIT_S)[1])
        assert daemon.returncode == (-9 if number == signal.SIGKILL and news == 1 else 0), said
        feed.done("S1", 7)
    assert slack.taken[1]["thread_ts"] == "1700000000.000001"
    assert TOKEN not in "".join(said)

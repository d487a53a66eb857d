"""Tells people on Slack what the relay's feed says: one message an event, later news in its thread.

    SLACK_TOKEN=… RELAY_URL=… RELAY_KEY=… slack-notifier

What happened is gathered until the feed is quiet for a moment, so that an alert, its decisions and its
commands are one message. The cursor moves only after Slack took every message of a gathering, and each thread
remembers how far it was told: nothing is lost, and only a message whose acceptance a kill or a broken
connection kept from being written down can be told twice.
"""

import logging
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from http.client import HTTPException
from pathlib import Path
from random import Random
from typing import Annotated, Any

import typer
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    TypeAdapter,
)
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.builtin_handlers import ConnectionErrorRetryHandler, RateLimitErrorRetryHandler

from ovro_alert.link.cursor import Cursor
from ovro_alert.link.daemon import run
from ovro_alert.link.durable import replace
from ovro_alert.link.relay import Away, FeedEntry, Refused, Relay
from ovro_alert.link.retry import Stopped, backoff, persist
from ovro_alert.link.settings import LinkSettings
from ovro_alert.people.slack import SET_ASIDE, Post, by_thread, is_test, post
from ovro_alert.people.slack_errors import Mends, mends
from ovro_alert.settings import Settings

log = logging.getLogger(__name__)

WAIT_S = 30.0  # of one request for news
LONGEST_GATHERING_S = 5.0  # however busy the feed is
MOST_GATHERED = 500
MOST_THREADS = 5000  # remembered; news of an event older than these starts a new thread
MOST_TRIES = 20  # of a message for an error that is not in Slack's documentation
LONGEST_PAUSE_S = 60.0


class SlackNotifierSettings(Settings, table="slack_notifier"):
    """Table `[slack_notifier]`."""

    token: SecretStr = Field(SecretStr(""), validation_alias=AliasChoices("SLACK_TOKEN", "token"))
    channel: str = Field("#alert-driven-astro", min_length=1)
    base_url: str = WebClient.BASE_URL
    timeout_s: PositiveInt = 10
    directory: Path = Path("slack-notifier")  # where the cursor and the threads are kept
    settle_s: PositiveFloat = 1.0  # a gathering ends when the feed is quiet for so long
    tests: bool = False  # whether test and mock alerts are told
    from_start: bool = False  # whether the first start tells the past; later ones go on where the last ended


class Thread(BaseModel):
    """What is kept of a thread."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ts: str | None = None  # Slack's name of its first message; None: a new message starts it
    told: int = 0  # the last entry of the feed that it tells
    test: bool | None = None  # whether all alerts of its event are tests; None: none was seen


class Threads:
    """The newest threads, in a file that is whole whatever dies when."""

    _kept = TypeAdapter(dict[str, Thread])

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._threads = self._kept.validate_json(path.read_bytes())
        except FileNotFoundError:
            self._threads = {}
        except ValueError as error:
            raise ValueError(
                f"{path}: not the threads that were kept; remove it to start new ones"
            ) from error

    def __getitem__(self, name: str) -> Thread:
        return self._threads.get(name, Thread())

    def __setitem__(self, name: str, thread: Thread) -> None:
        self._threads.pop(name, None)  # the one last told is the newest
        self._threads[name] = thread
        while len(self._threads) > MOST_THREADS:
            del self._threads[next(iter(self._threads))]
        replace(self.path, self._kept.dump_json(self._threads))


class Slack:
    """One channel of Slack, asked for as long as it takes."""

    def __init__(self, settings: SlackNotifierSettings) -> None:
        self._channel = settings.channel
        self._web = WebClient(
            token=settings.token.get_secret_value(),
            base_url=settings.base_url,
            timeout=settings.timeout_s,
            retry_handlers=[ConnectionErrorRetryHandler(), RateLimitErrorRetryHandler()],
        )

    def say(self, message: Post, thread_ts: str | None, stop: threading.Event) -> str | None:
        """Post to a thread, None for a new one; the thread to go on in.

        Raises
            Stopped: `stop` was set first.
        """
        # A message that Slack finds fault with is told once more as plain text.
        forms: tuple[dict[str, Any], ...] = ({"blocks": list(message.blocks)}, {"mrkdwn": False})
        for form in forms:
            thread = self._persist({"text": message.text, "thread_ts": thread_ts, **form}, stop)
            if thread is not None:
                return thread or None
        log.error("Slack takes this in no form, skipped: %s", message.text)
        return thread_ts

    def _persist(self, message: dict[str, Any], stop: threading.Event) -> str | None:
        """The thread that a message is in at last; None where Slack finds fault with this form of it."""
        delays = backoff(Random(), cap=LONGEST_PAUSE_S)
        trouble = ""
        unknown = 0
        while not stop.is_set():
            try:
                answer = self._post(message)
            except SlackApiError as error:
                mended, now = mends(error.response.status_code, error.response.data)
            except (SlackClientError, HTTPException, OSError, ValueError, OverflowError) as error:
                mended, now = Mends.IN_TIME, f"{type(error).__name__}: {error}"
            else:
                if trouble:
                    log.info("Slack takes messages again")
                return message["thread_ts"] or str(answer.get("ts", ""))
            unknown += mended is Mends.UNKNOWN
            if mended is Mends.ELSEWHERE and message["thread_ts"]:
                log.warning("the thread %s is gone (%s): starting a new one", message["thread_ts"], now)
                message = message | {"thread_ts": None}
                continue
            if mended in (Mends.NEVER, Mends.ELSEWHERE) or unknown >= MOST_TRIES:
                log.error("Slack does not take this message: %s", now)
                return None
            if now != trouble:
                log.error("Slack takes nothing, trying again: %s", now)
                trouble = now
            stop.wait(next(delays))
        raise Stopped

    def _post(self, message: dict[str, Any]) -> Mapping[str, Any]:
        answer = self._web.chat_postMessage(
            channel=self._channel,
            parse="none",  # no mentions or links made out of what others wrote
            link_names=False,
            unfurl_links=False,
            unfurl_media=False,
            **message,
        )
        return answer.data if isinstance(answer.data, dict) else {}


def notify(settings: SlackNotifierSettings, relay: Relay, stop: threading.Event) -> None:
    """Tell what the feed says until `stop` is set.

    Raises
        Refused: the relay has no feed for this key.
        ValueError, OSError: what was kept on disk cannot be read, or no more can be kept.
    """
    cursor = Cursor(settings.directory / "cursor")
    threads = Threads(settings.directory / "threads.json")
    slack = Slack(settings)
    with suppress(Stopped):
        if not cursor.path.exists():
            cursor.write(0 if settings.from_start else _end(relay, stop))
        after = cursor.read()
        log.info("telling %s what happens after entry %d of the feed", settings.channel, after)
        while True:
            entries, after = _gather(relay, after, settings.settle_s, stop)
            for name, news in by_thread(entries).items():
                _tell(name, news, threads, slack, settings.tests, stop)
            if entries:
                cursor.write(after)


def _end(relay: Relay, stop: threading.Event) -> int:
    """The end of the feed as it is now."""
    after = 0
    while True:
        entries, after = persist(partial(relay.feed, after, 0.0), stop)
        if not entries:
            return after


def _gather(relay: Relay, after: int, settle_s: float, stop: threading.Event) -> tuple[list[FeedEntry], int]:
    """What happened after entry `after`, up to a moment of quiet; and the number to go on from."""
    entries, after = persist(lambda: relay.feed(after, WAIT_S), stop)
    until = time.monotonic() + LONGEST_GATHERING_S
    while entries and len(entries) < MOST_GATHERED and time.monotonic() < until:
        try:
            more, after = relay.feed(after, settle_s)
        except (Away, Refused):  # what is here already need not wait until this is mended
            break
        if not more:
            break
        entries += more
    return entries, after


def _tell(
    name: str, news: list[FeedEntry], threads: Threads, slack: Slack, tests: bool, stop: threading.Event
) -> None:
    thread = threads[name]
    news = [entry for entry in news if entry.n > thread.told]  # a gathering may be one that was cut short
    if not news:
        return
    said = is_test(news)
    test = thread.test if said is None else said and thread.test is not False
    ts = thread.ts
    message = post(news) if tests or not test else None
    if message:
        ts = slack.say(message, ts, stop)
    if name == SET_ASIDE:  # these have nothing to do with one another
        ts = None
    threads[name] = Thread(ts=ts, told=news[-1].n, test=test)


def main() -> None:
    """Console script `slack-notifier`."""
    typer.run(_main)


def _main(
    from_start: Annotated[
        bool, typer.Option("--from-start", help="On the first start, tell the past too.")
    ] = False,
) -> None:
    """Tell people on Slack what the relay's feed says: one message an event, later news in its thread."""
    try:
        settings = SlackNotifierSettings()
    except (ValueError, OSError) as error:
        sys.exit(f"slack-notifier: {error}")
    if not settings.token.get_secret_value():
        print(
            "slack-notifier has nothing to do: set SLACK_TOKEN to the bot token of a Slack app with the "
            "scope chat:write, or token in the table [slack_notifier] of the settings file",
            file=sys.stderr,
        )
        sys.exit(2)
    if from_start:
        settings = settings.model_copy(update={"from_start": True})

    def work(stop: threading.Event) -> None:
        with LinkSettings().relay() as relay:
            notify(settings, relay, stop)

    sys.exit(run(work))


if __name__ == "__main__":
    main()

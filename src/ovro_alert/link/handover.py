"""Messages handed to the relay by several threads: many small ones in one request, large ones in parallel."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from ovro_alert.link.daemon import in_background
from ovro_alert.link.relay import Receipt, Refused, Relay
from ovro_alert.link.retry import Stopped, persist

SENDERS = 4
MANY = 200  # messages in a request
SMALL = 256 * 1024  # bytes of them together, unless it is one alone
LIMIT = 16 * 1024 * 1024  # bytes that may be held
OVERHEAD = 1024  # bytes that any message counts beside its own: what is known of it, and Python's objects


class Message(Protocol):
    """What can be handed over."""

    @property
    def raw(self) -> bytes: ...

    @property
    def about(self) -> Mapping[str, Any]: ...


Held = TypeVar("Held", bound=Message)


class Handover(Generic[Held]):
    """Holds messages until the relay has answered, for use in one `with`.

    A message is sent as soon as a sender is free, together with small ones that wait by then: none waits for
    a request to fill. `settle` is called, from a sender's thread, with each message and the relay's answer: a
    receipt, or a refusal that is not about the key.
    """

    def __init__(self, relay: Relay, settle: Callable[[Held, Receipt | Refused], None]) -> None:
        self._relay = relay
        self._settle = settle
        self._over = threading.Event()
        self._changed = threading.Condition()
        self._waiting: deque[Held] = deque()
        self._held = 0  # bytes, of those that wait and those that are being sent

    def __enter__(self) -> Self:
        self._senders = [in_background(self._send, f"hand over {n}") for n in range(SENDERS)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send no more; a request that hangs is left behind, and its messages are not settled."""
        self._over.set()
        with self._changed:
            self._changed.notify_all()

    def put(self, messages: Sequence[Held]) -> None:
        """Take messages, beyond the limit too; returns at once."""
        with self._changed:
            self._waiting.extend(messages)
            self._held += _weight(messages)
            self._changed.notify_all()

    def has_room(self, patience_s: float) -> bool:
        """Whether less than the limit is held, waiting so long for it; raises what `settle` has raised."""
        with self._changed:
            room = self._changed.wait_for(lambda: self._held < LIMIT, patience_s)
        for sender in self._senders:
            if sender.done():
                sender.result()
        return room

    def _send(self) -> None:
        try:
            while messages := self._take():
                for message, answer in self._answers(messages):
                    self._settle(message, answer)
                with self._changed:
                    self._held -= _weight(messages)
                    self._changed.notify_all()
        except Stopped:
            pass

    def _take(self) -> list[Held]:
        """The next messages for one request; none when it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._over.is_set())
            if self._over.is_set():
                return []
            messages = [self._waiting.popleft()]
            size = len(messages[0].raw)
            while self._waiting and len(messages) < MANY and size + len(self._waiting[0].raw) <= SMALL:
                messages.append(self._waiting.popleft())
                size += len(messages[-1].raw)
            return messages

    def _answers(self, messages: list[Held]) -> Iterator[tuple[Held, Receipt | Refused]]:
        if len(messages) > 1 and (answers := persist(lambda: self._together(messages), self._over)):
            yield from zip(messages, answers, strict=True)
            return
        for message in messages:
            yield message, self._alone(message)

    def _together(self, messages: Sequence[Held]) -> list[Receipt | Refused]:
        """The answer to each; none where all were refused for whatever one of them is."""
        try:
            return self._relay.post_alerts([(message.raw, message.about) for message in messages])
        except Refused:
            return []

    def _alone(self, message: Held) -> Receipt | Refused:
        try:
            return persist(lambda: self._relay.post_alert(message.raw, message.about), self._over)
        except Refused as refused:
            return refused


def _weight(messages: Sequence[Message]) -> int:
    return sum(len(message.raw) + OVERHEAD for message in messages)

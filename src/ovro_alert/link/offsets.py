"""How far the partitions of a log may be committed: never past a message that is not acknowledged."""

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable

Partition = tuple[str, int]  # a topic and a number


class Offsets:
    """Messages that were taken from partitions, until all before them are acknowledged too.

    They may be acknowledged in any order and from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[Partition, OrderedDict[int, bool]] = {}  # by offset: whether it is acknowledged
        self._reached: dict[Partition, int] = {}

    def taken(self, partition: Partition, offset: int) -> None:
        """A message was taken, after all others of its partition so far."""
        with self._lock:
            self._open.setdefault(partition, OrderedDict())[offset] = False

    def acknowledged(self, partition: Partition, offset: int) -> None:
        """A message need not come again; one of a partition that was forgotten changes nothing."""
        with self._lock:
            messages = self._open.get(partition, OrderedDict())
            if offset not in messages:
                return
            messages[offset] = True
            while (first := next(iter(messages), None)) is not None and messages[first]:
                del messages[first]
                self._reached[partition] = first + 1

    def reached(self) -> dict[Partition, int]:
        """The next offset of each partition that got further since this was asked last."""
        with self._lock:
            reached, self._reached = self._reached, {}
            return reached

    def forget(self, partitions: Iterable[Partition]) -> None:
        """These are another's from now on; what comes of them again begins where that one stopped."""
        with self._lock:
            for partition in partitions:
                self._open.pop(partition, None)
                self._reached.pop(partition, None)

    def waiting(self) -> Counter[str]:
        """How many messages of each topic are not behind what is reached."""
        with self._lock:
            waiting: Counter[str] = Counter()
            for (topic, _), messages in self._open.items():
                waiting[topic] += len(messages)
            return waiting

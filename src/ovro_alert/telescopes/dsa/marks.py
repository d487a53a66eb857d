"""The marks that commands leave in etcd when they are acted on: at most once, by etcd's own word."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from ovro_alert.acting import Trace, Unreachable
from ovro_alert.alert import Utc
from ovro_alert.command import Entry, from_mjd
from ovro_alert.telescopes import fence
from ovro_alert.telescopes.etcd import Keys

Clock = Callable[[], datetime]
Kind = Literal["dump", "move"]


class Mark(BaseModel):
    """What is kept of a command that was acted on, and what following it needs."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    at: Utc
    name: str
    kind: Kind
    priority: int = 0
    event_id: str | None = None
    command: str = ""
    antennas: tuple[int, ...] = ()  # of a move: those that reported
    dumps: dict[int, int] = {}  # of a dump: how many there were before, by node

    @classmethod
    def of(cls, entry: Entry, kind: Kind, name: str, at: datetime, **more: Any) -> Self:
        """The mark of a command that is about to be acted on."""
        about = {"priority": entry.priority, "event_id": entry.event_id, "command": entry.command}
        return cls(at=at, name=name, kind=kind, **about, **more)

    @property
    def trace(self) -> Trace:
        return Trace(self.name, self.at)


class Marks:
    """The marks below a prefix, each under `<slot>/<command id>`. Every method raises Unreachable."""

    def __init__(self, keys: Keys, prefix: str) -> None:
        self._keys = keys
        self._prefix = prefix.rstrip("/")

    def find(self, entry: Entry) -> Mark | None:
        """The mark of a command; None where it was never acted on. Raises NotTaken where it was ended."""
        put = self._keys.get(self._key(entry)).put
        if put is None:
            return None
        fence.check(put)
        try:
            return Mark.model_validate_json(put.value)
        except ValidationError:  # whatever it is: something was done, and is not done again
            return Mark(at=from_mjd(entry.command_mjd), name=self._key(entry), kind="move")

    def forbid(self, entry: Entry, why: str) -> bool:
        """Takes a command's mark; False where it has one."""
        return fence.forbid(self._keys, self._key(entry), why)

    def act(self, entry: Entry, mark: Mark, puts: Mapping[str, bytes]) -> Mark:
        """Puts what moves the telescope, unless the command has a mark already; the mark that it has then."""
        key = self._key(entry)
        if self._keys.put_once(key, {key: mark.model_dump_json().encode(), **puts}):
            return mark
        found = self.find(entry)
        if found is None:
            raise Unreachable(f"{key} was there, and is not any more")
        return found

    def _key(self, entry: Entry) -> str:
        return f"{self._prefix}/{entry.slot.strip('/')}/{entry.id}"

"""Followers that never read what they are sent."""

import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2

from torture.audit import broken_promises
from torture.ground import Ground, Outcome
from torture.load import SLOT, Ledger, Load

TRIES = "followers that never read"
FOLLOWERS, QUICK_FOLLOWERS = 100, 20  # of each kind
COMMANDS, QUICK = 10_000, 2000
SIZE = 2000  # bytes of a command
EACH = 2 * 2**20  # the most that the relay may hold for one: two pages of the log
SPREAD = 32 * 2**20  # what the relay's own memory goes up and down


def run(ground: Ground) -> Outcome:
    """What the relay holds for one that never reads is bounded, whatever happens; the others are served."""
    followers, commands = (QUICK_FOLLOWERS, QUICK) if ground.quick else (FOLLOWERS, COMMANDS)
    violations: list[str] = []
    with ground.relay() as relay, relay.client() as client, ExitStack() as stack:
        assert relay.process is not None
        _put(client, range(200))
        before = _memory(relay.process.pid)
        waiting = f"GET /{SLOT}/commands?after=0&wait=60"
        for ask in [waiting] * followers + [f"GET /{SLOT}/stream"] * followers:
            stack.enter_context(_silent(relay.port, relay.key, ask, 20 if ask is waiting else 1))
        load = stack.enter_context(Load(relay.url, relay.key, Ledger()))
        load.follow()
        load.stream()
        memory = []
        for half in (0, 1):
            for first in range(half * commands // 2, (half + 1) * commands // 2, 500):
                _put(client, range(200 + first, 700 + first))
                ground.say(f"{first + 500} of {commands}, {_memory(relay.process.pid) >> 20} MiB")
            for after in range(1000):  # a reader who asks after ever other numbers
                client.get(f"/{SLOT}/commands", params={"after": after}).raise_for_status()
            memory.append(_memory(relay.process.pid))
        violations += broken_promises(client, load)
        if memory[1] - before > 2 * followers * EACH:
            violations.append(f"the relay grew from {before >> 20} to {memory[1] >> 20} MiB")
        if memory[1] - memory[0] > SPREAD:
            violations.append(f"it went on growing, from {memory[0] >> 20} to {memory[1] >> 20} MiB")
    seen = (
        f"{before >> 20} MiB before, {memory[0] >> 20} after half of the commands, {memory[1] >> 20} after "
    )
    seen += "all; the others were given each once"
    return Outcome(f"{2 * followers} followers, {commands} commands", seen, violations)


@contextmanager
def _silent(port: int, key: str, ask: str, times: int) -> Iterator[None]:
    """A connection that asks so many times at once and reads nothing."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", port))
        sock.sendall(f"{ask} HTTP/1.1\r\nHost: torture\r\nX-API-Key: {key}\r\n\r\n".encode() * times)
        yield


def _put(client: httpx2.Client, numbers: Iterable[int]) -> None:
    for n in numbers:
        body = {"command": "powerbeam", "command_mjd": float(n), "args": {"filling": "x" * SIZE}}
        client.put(f"/{SLOT}", json=body).raise_for_status()


def _memory(pid: int) -> int:
    """The resident memory of a process in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024

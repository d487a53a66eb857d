"""Followers by server-sent events: how soon each is told, and what ten thousand of them cost."""

import asyncio
import multiprocessing
import os
import re
import resource
import selectors
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.load import Load, request
from benchmarks.servers import KEY, serving

FOLLOWERS, PROCESSES, RATE, SECONDS = 200, 2, 50, 6.0
CROWD = 10_000
ID = re.compile(rb"^id: (\d+)$", re.MULTILINE)
BODY = b'{"command":"bench","command_mjd":%.9f,"args":{}}'


def measure(directory: Path, say: Callable[[str], None]) -> None:
    """Says the latency from a PUT's sending to each follower's hearing of it."""
    with serving("relay_api:app", directory) as server:
        sent, heard_at = _told(server.port)
    heard = sorted((at - sent[seq - 1]) * 1e3 for seq, at in heard_at)
    load = Load(len(heard), SECONDS, tuple(heard))
    say(
        f"command → follower ({FOLLOWERS} followers, {RATE} commands/s, {len(heard)} of "
        f"{int(FOLLOWERS * RATE * SECONDS)} heard)   p50 {load.percentile(50):.1f} ms   "
        f"p99 {load.percentile(99):.1f} ms   greatest {heard[-1]:.1f} ms"
    )


def _told(port: int) -> tuple[list[float], list[tuple[int, float]]]:
    """When each command was sent, and when each follower heard of which.

    The followers are in processes beside the sender's, so that none of them waits for the others to be read;
    the clock is the machine's, the same for all.
    """
    spawn = multiprocessing.get_context("spawn")
    ready, heard = spawn.Semaphore(0), spawn.Queue()
    share = FOLLOWERS // PROCESSES
    processes = [
        spawn.Process(target=_follow_all, args=(port, share, ready, heard)) for _ in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    for _ in processes:
        ready.acquire()
    sent = asyncio.run(_send(port))
    found = [each for _ in processes for each in heard.get(timeout=60)]
    for process in processes:
        process.join()
    return sent, found


async def _send(port: int) -> list[float]:
    sent: list[float] = []
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    start = time.perf_counter()
    for n in range(int(RATE * SECONDS)):
        await asyncio.sleep(max(0, start + n / RATE - time.perf_counter()))
        sent.append(time.perf_counter())
        writer.write(request("PUT", "/lwa", KEY, BODY % n))
        await _answer(reader)
    writer.close()
    return sent


def _follow_all(port: int, many: int, ready: Any, heard: Any) -> None:
    """Listens with sockets alone: what a follower spends on itself is not to be counted as the relay's."""
    selector = selectors.DefaultSelector()
    for _ in range(many):
        follower = socket.create_connection(("127.0.0.1", port))
        follower.sendall(request("GET", "/lwa/stream", KEY))
        while not follower.recv(4096).endswith(b"\r\n\r\n"):
            pass
        selector.register(follower, selectors.EVENT_READ)
    ready.release()
    due = many * int(RATE * SECONDS)
    found: list[tuple[int, float]] = []
    while len(found) < due and (woken := selector.select(10)):
        for key, _ in woken:
            events = key.fileobj.recv(65536)  # type: ignore[union-attr]
            at = time.perf_counter()
            found += [(int(seq), at) for seq in ID.findall(events)]
    for key in list(selector.get_map().values()):
        key.fileobj.close()  # type: ignore[union-attr]
    heard.put(found)


def crowd(directory: Path, say: Callable[[str], None]) -> None:
    """Says what 10,000 followers weigh, and how long it takes until the last has heard of one command."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * CROWD), hard))
    many = min(CROWD, (min(hard, 2 * CROWD) - 200))
    with serving("relay_api:app", directory) as server:
        before = _resident(server.pid)
        seconds, after, told = asyncio.run(_crowd(server.port, many, server.pid))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    say(
        f"{many} followers: {(after - before) / many / 1e3:.1f} kB each, {told} told of one command, "
        f"the last after {seconds:.2f} s"
    )


async def _crowd(port: int, many: int, pid: int) -> tuple[float, int, int]:
    listening = [await _listen(port) for _ in range(many)]
    after = _resident(pid)
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    waiting = asyncio.gather(*(_next(one) for one, _ in listening))
    await asyncio.sleep(0)
    start = time.perf_counter()
    writer.write(request("PUT", "/lwa", KEY, BODY % 1))
    told = await asyncio.wait_for(waiting, 60)
    seconds = time.perf_counter() - start
    for _, one in listening:
        one.close()
    writer.close()
    return seconds, after, sum(seq == 1 for seq in told)


async def _listen(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
    writer.write(request("GET", "/lwa/stream", KEY))
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def _next(reader: asyncio.StreamReader) -> int:
    """The number of the next event."""
    while True:
        event = await reader.readuntil(b"\n\n")
        if (at := event.find(b"id: ")) >= 0:
            return int(event[at + 4 : event.index(b"\n", at)])


async def _answer(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    await reader.readexactly(int(head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0]))


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")

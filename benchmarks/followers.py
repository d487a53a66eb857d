"""Followers by server-sent events: how soon each is told, and what ten thousand of them cost."""

import asyncio
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.load import Load, request
from benchmarks.servers import KEY, serving

FOLLOWERS, RATE, SECONDS = 200, 50, 6.0
CROWD = 10_000
BODY = b'{"command":"bench","command_mjd":%.9f,"args":{}}'


def measure(directory: Path, say: Callable[[str], None]) -> None:
    """Says the latency from a PUT's sending to each follower's hearing of it."""
    with serving("relay_api:app", directory) as server:
        heard = sorted(asyncio.run(_told(server.port)))
    load = Load(len(heard), SECONDS, tuple(heard))
    say(
        f"command → follower ({FOLLOWERS} followers, {RATE} commands/s, {len(heard)} of "
        f"{int(FOLLOWERS * RATE * SECONDS)} heard)   p50 {load.percentile(50):.1f} ms   "
        f"p99 {load.percentile(99):.1f} ms   greatest {heard[-1]:.1f} ms"
    )


async def _told(port: int) -> list[float]:
    sent: list[float] = []
    heard: list[float] = []

    async def follow(ready: asyncio.Semaphore) -> None:
        reader, writer = await _listen(port)
        ready.release()
        for _ in range(int(RATE * SECONDS)):
            seq = await _next(reader)
            heard.append((time.perf_counter() - sent[seq - 1]) * 1e3)
        writer.close()

    ready = asyncio.Semaphore(0)
    followers = [asyncio.create_task(follow(ready)) for _ in range(FOLLOWERS)]
    for _ in followers:
        await ready.acquire()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    start = time.perf_counter()
    for n in range(int(RATE * SECONDS)):
        await asyncio.sleep(max(0, start + n / RATE - time.perf_counter()))
        sent.append(time.perf_counter())
        writer.write(request("PUT", "/lwa", KEY, BODY % n))
        await _answer(reader)
    await asyncio.wait_for(asyncio.gather(*followers), 30)
    writer.close()
    return heard


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

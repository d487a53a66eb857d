"""A load of HTTP requests over kept connections, cheap enough not to be what is measured.

General clients spend more on a request than the relay does; this one sends the same bytes again and reads as
far as the answer's length.
"""

import asyncio
import time
from dataclasses import dataclass

LENGTH = b"content-length: "


@dataclass(frozen=True)
class Load:
    """What a load of requests came to."""

    requests: int
    seconds: float
    latencies_ms: tuple[float, ...]  # sorted

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    def percentile(self, percent: float) -> float:
        """Latency in ms that so many percent of the requests were within."""
        return self.latencies_ms[min(len(self.latencies_ms) - 1, int(len(self.latencies_ms) * percent / 100))]


def request(method: str, path: str, key: str, body: bytes = b"") -> bytes:
    """A request as it goes over the wire."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: bench\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n"
    )
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def run(port: int, message: bytes, connections: int, seconds: float) -> Load:
    """Sends a request over and over on so many connections of loopback for so long.

    Raises
        RuntimeError: an answer that is not 200.
    """
    return asyncio.run(_run(port, message, connections, seconds))


async def _run(port: int, message: bytes, connections: int, seconds: float) -> Load:
    start = time.perf_counter()
    each = await asyncio.gather(*(_repeat(port, message, start + seconds) for _ in range(connections)))
    latencies = sorted(latency for one in each for latency in one)
    return Load(len(latencies), time.perf_counter() - start, tuple(latencies))


async def _repeat(port: int, message: bytes, until: float) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    latencies = []
    while (sent := time.perf_counter()) < until:
        writer.write(message)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise RuntimeError(head.decode())
        await reader.readexactly(int(head.split(LENGTH, 1)[1].split(b"\r\n", 1)[0]))
        latencies.append((time.perf_counter() - sent) * 1e3)
    writer.close()
    return latencies

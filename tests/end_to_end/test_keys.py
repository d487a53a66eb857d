"""Keys on a relay that runs: the first one, and a storm of wrong ones."""

import asyncio
import re
import time
from collections import Counter
from pathlib import Path

import httpx2
import pytest

from ovro_alert.relay.throttle import BURST, INTERVAL_S
from support import RunningRelay, keys, until

pytestmark = pytest.mark.end_to_end
COMMAND = {"command": "powerbeam", "command_mjd": 61103.25, "args": {}}
WRONG = 50_000
AT_ONCE = 10  # connections
AT_A_TIME = 50  # requests on one of them, which the server keeps until it has answered
ADDRESSES = ("127.0.0.1", "127.0.0.2")


def memory(relay) -> int:
    """What the relay holds in memory now, kB."""
    status = Path(f"/proc/{relay.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


def question(name: str, n: int) -> bytes:
    """A request with a wrong key: in turn of the form that keys have, and of none."""
    id = f"wrong{n:05}".translate(str.maketrans("0123456789", "abcdefghij"))
    key = f"X-API-Key: wrong-{name}-{n}" if n % 2 else f"Authorization: Bearer oa_{id}_{'x' * 43}"
    return f"GET /lwa HTTP/1.1\r\nHost: relay\r\n{key}\r\n\r\n".encode()


async def guess(relay, address: str, name: str, count: int) -> Counter[int]:
    """Shows wrong keys, a few at a time; counts the answers by status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port, local_addr=(address, 0))
    answers: Counter[int] = Counter()
    for first in range(0, count, AT_A_TIME):
        writer.write(b"".join(question(name, first + n) for n in range(AT_A_TIME)))
        for _ in range(AT_A_TIME):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            await reader.readexactly(int(re.search(r"content-length: (\d+)", head)[1]))
            status = int(head.split()[1])
            answers[status] += 1
            if status == 429:
                assert 1 <= int(re.search(r"retry-after: (\d+)", head)[1]) <= INTERVAL_S
    writer.close()
    return answers


async def work(relay, done: asyncio.Event) -> Counter[int]:
    """Uses the relay with the right key, from an address that wrong ones come from."""
    answers: Counter[int] = Counter()
    headers = {"X-API-Key": relay.key}
    async with httpx2.AsyncClient(base_url=relay.url, headers=headers, trust_env=False, timeout=30) as client:
        while not done.is_set():
            answers[(await client.put("/lwa", json=COMMAND)).status_code] += 1
            answers[(await client.get("/lwa")).status_code] += 1
    return answers


def test_fifty_thousand_wrong_keys_are_throttled_and_the_rest_are_served(relay):
    async def storm() -> tuple[Counter[int], Counter[int]]:
        done = asyncio.Event()
        working = asyncio.create_task(work(relay, done))
        each = WRONG // AT_ONCE
        guesses = [guess(relay, ADDRESSES[n % len(ADDRESSES)], str(n), each) for n in range(AT_ONCE)]
        answers = sum(await asyncio.gather(*guesses), Counter())
        done.set()
        return answers, await working

    with relay.client() as client:
        assert client.put("/lwa", json=COMMAND).is_success
    before, start = memory(relay), time.monotonic()
    wrong, right = asyncio.run(storm())
    lasted = time.monotonic() - start
    assert set(wrong) == {401, 429}
    assert wrong.total() == WRONG
    assert wrong[401] <= len(ADDRESSES) * (BURST + lasted / INTERVAL_S + 1)
    assert set(right) == {200}
    assert right.total() >= 10
    assert memory(relay) - before < 20_000, "wrong keys are kept in memory"
    log = (relay.directory / "relay.log").read_text()
    assert "wrong" not in log
    assert "Traceback" not in log


def test_the_first_start_makes_a_key_that_is_told_once_and_kept_nowhere(tmp_path):
    relay = RunningRelay(tmp_path, within=("env", "--unset=RELAY_KEY"))
    tokens = []
    for _ in range(2):  # a start, and one more
        relay.start()
        tokens += re.findall(r"^\s+(oa_[a-z2-7]{10}_\S{43})$", (tmp_path / "relay.log").read_text(), re.M)
        relay.key = tokens[0]
        with relay.client() as client:
            assert client.put("/lwa", json=COMMAND).is_success
        assert httpx2.get(f"{relay.url}/lwa?key={relay.key}", trust_env=False).is_success
        assert httpx2.get(f"{relay.url}/{relay.key}", trust_env=False).status_code == 401
        relay.stop()
    assert tokens == [tokens[0]] * 2, "the second start has told another"
    log = (tmp_path / "relay.log").read_text()
    secret = tokens[0].split("_", 2)[2]
    assert log.count(secret) == 1
    assert "GET /… HTTP" in log
    for path in tmp_path.glob("relay.sqlite*"):
        assert secret.encode() not in path.read_bytes()


def test_a_stream_ends_when_its_key_is_revoked_and_tells_nothing_more(relay):
    database = f"sqlite:///{relay.directory / 'relay.sqlite'}"
    headers = {"X-API-Key": keys(database, "make", "a follower", "--scope=read:lwa")}
    with relay.client() as owner, httpx2.Client(base_url=relay.url, trust_env=False, timeout=30) as client:
        owner.put("/lwa", json=COMMAND)
        with client.stream("GET", "/lwa/stream", headers=headers) as stream:
            lines = stream.iter_lines()
            assert next(lines) == "id: 1"
            keys(database, "revoke", headers["X-API-Key"])
            until(lambda: client.get("/lwa", headers=headers).status_code == 401, 10)
            owner.put("/lwa", json=COMMAND)
            assert "id: 2" not in list(lines)

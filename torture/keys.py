"""Somebody tries key after key, each in the form of a real one."""

import asyncio
import threading
import time
from collections import Counter
from statistics import quantiles

import httpx2

from torture.ground import Ground, Outcome
from torture.load import SLOT

TRIES = "wrong keys, as fast as one address can try them"
KEYS, QUICK = 50_000, 3000
CONNECTIONS = 32
ATTACKER = "127.0.0.66"  # the whole of 127/8 is loopback
RIGHT = 500  # requests of a right client, before
PATIENCE_S = 9.0  # of a client of today
MAY_ANSWER = {401, 429}


def run(ground: Ground) -> Outcome:
    """No try is let in, they are throttled, and who shows a right key is served meanwhile."""
    tries = QUICK if ground.quick else KEYS
    violations: list[str] = []
    answers: Counter[int] = Counter()
    # Behind a proxy the right and the wrong come from one address.
    beside = httpx2.HTTPTransport(local_address=ATTACKER)
    with (
        ground.relay() as relay,
        relay.client() as client,
        httpx2.Client(base_url=relay.url, headers=client.headers, transport=beside) as neighbour,
    ):
        client.put(f"/{SLOT}", json={"command": "powerbeam", "command_mjd": 61000.5}).raise_for_status()
        before = [_ask(client) for _ in range(RIGHT)]
        attack = threading.Thread(
            target=lambda: asyncio.run(_attack(relay.port, tries, answers)), daemon=True
        )
        start = time.monotonic()
        attack.start()
        meanwhile = []
        while attack.is_alive():
            try:
                meanwhile += [_ask(client), _ask(neighbour)]
            except httpx2.HTTPError as error:
                violations.append(f"a right client: {error}")
            if len(meanwhile) % 100 == 0:
                ground.say(f"{answers.total()} of {tries} tries, {len(meanwhile)} right requests meanwhile")
        took = time.monotonic() - start
        if (count := answers.total()) != tries:
            violations.append(f"only {count} of {tries} tries were answered")
    if let_in := answers.keys() - MAY_ANSWER:
        violations.append(f"a wrong key was answered {sorted(let_in)}")
    if not answers[429]:
        violations.append("nothing was throttled")
    if max(meanwhile) > PATIENCE_S:
        violations.append(f"a right client waited {max(meanwhile):.1f} s")
    ratios = [_percentile(meanwhile, percent) / _percentile(before, percent) for percent in (50, 99)]
    seen = (
        f"{answers[401]} answered 401, {answers[429]} throttled, in {took:.0f} s; a right client's GET takes "
        f"{ratios[0]:.1f} × (p50), {ratios[1]:.1f} × (p99) as long: {_percentile(meanwhile, 99) * 1e3:.0f} ms"
    )
    return Outcome(f"{tries} keys", seen, violations)


def _ask(client: httpx2.Client) -> float:
    start = time.perf_counter()
    client.get(f"/{SLOT}").raise_for_status()
    return time.perf_counter() - start


async def _attack(port: int, tries: int, answers: Counter[int]) -> None:
    each = tries // CONNECTIONS
    shares = [each + (n < tries % CONNECTIONS) for n in range(CONNECTIONS)]
    await asyncio.gather(*(_try(port, n, share, answers) for n, share in enumerate(shares)))


async def _try(port: int, which: int, tries: int, answers: Counter[int]) -> None:
    """Tries keys one after the other; where the relay closes the connection, on the next."""
    n = 0
    for _ in range(2 * tries):  # connections, at the most
        if n == tries:
            return
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(ATTACKER, 0))
            while n < tries:
                key = f"oa_{'a' * 10}_{which:021}{n:022}"
                ask = f"GET /{SLOT} HTTP/1.1\r\nHost: torture\r\nX-API-Key: {key}\r\n\r\n"
                writer.write(ask.encode())
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0]))
                answers[int(head.split(b" ", 2)[1])] += 1
                n += 1
            writer.close()
        except (OSError, asyncio.IncompleteReadError):
            continue


def _percentile(values: list[float], percent: int) -> float:
    return quantiles(values, n=100)[percent - 1]

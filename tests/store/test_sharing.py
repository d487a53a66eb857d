"""One read for all who ask the same before it begins."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ovro_alert.store.sharing import SharedReads


class Source:
    """Something to read that the test holds up, and that grows at every read."""

    def __init__(self):
        self.reads = 0
        self.may_go_on = threading.Event()

    def read(self):
        self.reads += 1
        value = self.reads
        assert self.may_go_on.wait(20)
        return value


def test_who_asks_while_a_read_goes_on_shares_the_next_and_is_given_nothing_older():
    source = Source()

    async def story():
        with ThreadPoolExecutor(1) as executor:
            shared = SharedReads(executor)
            first = asyncio.create_task(shared.read("newest", source.read))
            while not source.reads:
                await asyncio.sleep(0)
            late = [asyncio.create_task(shared.read("newest", source.read)) for _ in range(100)]
            await asyncio.sleep(0)
            source.may_go_on.set()
            return await first, await asyncio.gather(*late)

    first, late = asyncio.run(story())
    assert first == 1
    assert late == [2] * 100
    assert source.reads == 2


def test_other_keys_are_other_reads_and_an_error_is_everybodys():
    async def story():
        with ThreadPoolExecutor(1) as executor:
            shared = SharedReads(executor)
            assert await asyncio.gather(shared.read("a", lambda: 1), shared.read("b", lambda: 2)) == [1, 2]
            answers = await asyncio.gather(
                *(shared.read("a", lambda: 1 / 0) for _ in range(3)), return_exceptions=True
            )
            assert [type(answer) for answer in answers] == [ZeroDivisionError] * 3
            return await shared.read("a", lambda: 3)

    assert asyncio.run(story()) == 3


def test_one_who_no_longer_waits_takes_it_from_nobody_else():
    source = Source()

    async def story():
        with ThreadPoolExecutor(1) as executor:
            shared = SharedReads(executor)
            waiting = [asyncio.create_task(shared.read("a", source.read)) for _ in range(2)]
            await asyncio.sleep(0)
            waiting[0].cancel()
            source.may_go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await waiting[0]
            return await waiting[1]

    assert asyncio.run(story()) >= 1

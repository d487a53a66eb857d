"""Followers are woken by what they wait for, and never miss what comes while they look."""

import asyncio

from ovro_alert.relay.bell import Bell


def test_what_comes_between_looking_and_waiting_is_not_missed():
    async def story():
        bell = Bell()
        log = []

        async def read():
            found = list(log)
            if not log:
                log.append("came while the follower looked")
                bell.ring({"lwa"})
            return found

        return await asyncio.wait_for(bell.follow("lwa", read, wait=60), 5)

    assert asyncio.run(story()) == ["came while the follower looked"]


def test_each_hears_its_own_topic_only():
    async def story():
        bell = Bell()
        reads = {"lwa": 0, "dsa": 0}

        def reader(topic):
            async def read():
                reads[topic] += 1
                return ["news"] if reads[topic] == 2 else []

            return read

        lwa = asyncio.create_task(bell.follow("lwa", reader("lwa"), 60))
        dsa = asyncio.create_task(bell.follow("dsa", reader("dsa"), 60))
        await asyncio.sleep(0)
        bell.ring({"lwa"})
        assert await asyncio.wait_for(lwa, 5) == ["news"]
        assert reads["dsa"] == 1
        bell.close()
        assert await asyncio.wait_for(dsa, 5) == ["news"]

    asyncio.run(story())


def test_a_wait_that_is_over_finds_nothing():
    async def story():
        async def read():
            return []

        return await Bell().follow("lwa", read, wait=0.01)

    assert asyncio.run(story()) == []


def test_when_closing_nobody_waits():
    async def story():
        async def read():
            return []

        bell = Bell()
        bell.close()
        return await asyncio.wait_for(bell.follow("lwa", read, wait=60), 5)

    assert asyncio.run(story()) == []

"""Messages on their way: those who hold one back give way, the address with the most first."""

import asyncio

import pytest

from core.serving.errors import UnavailableError
from core.serving.rpc.incoming import IncomingMessages


async def never():
    await asyncio.Event().wait()


async def at_once():
    return b"message"


def begin(arrivals, peer):
    return asyncio.create_task(arrivals.wait_for(never, peer, 600.0))


async def ended(tasks):
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    return [tasks.index(task) for task in done]


@pytest.mark.parametrize("patience", [0.0, 0.05])
def test_the_oldest_of_the_address_with_the_most_gives_way(patience):
    async def scene():
        arrivals = IncomingMessages(3, patience)
        tasks = [begin(arrivals, peer) for peer in ("honest", "flood", "flood")]
        await asyncio.sleep(0)
        assert await arrivals.wait_for(at_once, "late", 600.0) == b"message"
        assert await ended(tasks) == [1]
        with pytest.raises(UnavailableError):
            await tasks[1]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(scene())


def test_a_message_within_its_time_is_read_and_one_beyond_is_not():
    async def scene():
        arrivals = IncomingMessages(1, 0.0)
        for _ in range(3):
            assert await arrivals.wait_for(at_once, "a", 600.0) == b"message"
            with pytest.raises(TimeoutError):
                await arrivals.wait_for(never, "a", 0.0)

    asyncio.run(scene())

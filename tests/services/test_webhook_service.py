"""Webhooks from event to receiver, with a real HTTP server and a store in memory: order, retries, death, no harm."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest
from tests.hooks.receiver import receiving

from earshot.api.events import Hub
from earshot.clock import SystemClock
from earshot.hooks.posting import Poster
from earshot.hooks.targets import Targets
from earshot.ports.webhooks import Webhook
from earshot.services.courier import Retries
from earshot.services.webhooks import Pace, WebhookService
from earshot.store.memory_webhooks import MemoryWebhooks
from earshot.tasks import Spawner

QUICK = Retries(attempts=4, first_s=0.01, longest_s=0.02)
BRISK = Pace(batch_s=0.0, look_s=0.01, retry_s=0.01)
"""Nobody waits for batches here."""


class World:
    """A service that runs."""

    def __init__(self, store: MemoryWebhooks, hub: Hub, service: WebhookService, spawner: Spawner) -> None:
        self.store = store
        self.hub = hub
        self.service = service
        self.spawner = spawner

    def publish(self, *kinds: str) -> None:
        for kind in kinds:
            self.hub.publish(kind, [("DEVICEID", "555")])

    async def until(self, what: str, *, count: int) -> None:
        """Wait until so many deliveries of all webhooks are `waiting` or `dead`."""
        async with asyncio.timeout(30):
            while sum(getattr(one, what) for one in (await self.store.backlogs()).values()) != count:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def world(
    *hooks: Webhook, retries: Retries = QUICK, timeout_s: float = 0.5, pace: Pace = BRISK
) -> AsyncIterator[World]:
    clock = SystemClock()
    store = MemoryWebhooks(clock)
    for hook in hooks:
        await store.add_webhook(hook)
    ticks = count(1_000_000, 1_000)
    hub = Hub(lambda: next(ticks), asyncio.get_running_loop().call_later, pace_s=0.0)
    spawner = Spawner()
    async with Poster(clock, Targets(), timeout_s) as poster:
        service = WebhookService(store, hub, poster, clock, spawner, retries, lambda: 0.0, pace)
        await service.open()
        try:
            yield World(store, hub, service, spawner)
        finally:
            await service.close()
            await spawner.close()


def hook(url: str, **more: Any) -> Webhook:
    return Webhook(url=url, secret="s", **more)


async def test_events_arrive_in_order_and_by_type() -> None:
    async with receiving() as all_of_it, receiving() as some:
        async with world(hook(all_of_it.url), hook(some.url, types=frozenset({"CALLSTOP"}))) as here:
            here.publish("CALLSTART", "CALLUPDATE", "CALLSTOP")
            await all_of_it.until(3)
            await some.until(1)
            here.publish("CALLSTOP")
            await some.until(2)
            await all_of_it.until(4)
        assert all_of_it.types == ["CALLSTART", "CALLUPDATE", "CALLSTOP", "CALLSTOP"]
        assert some.types == ["CALLSTOP", "CALLSTOP"]
        numbers = [got.event["id"] for got in all_of_it.got]
        assert numbers == sorted(set(numbers))
        assert all_of_it.got[0].event["fields"] == {"DEVICEID": "555"}


async def test_a_receiver_that_fails_and_recovers_gets_everything_in_order() -> None:
    async with receiving([500, "hang", 503]) as receiver, world(hook(receiver.url), timeout_s=1.0) as here:
        here.publish("CALLSTART", "CALLUPDATE", "CALLSTOP")
        await receiver.until(6)
        await here.until("waiting", count=0)
        assert receiver.types == ["CALLSTART"] * 4 + ["CALLUPDATE", "CALLSTOP"]
        assert [got.headers["earshot-attempt"] for got in receiver.got] == ["1", "2", "3", "4", "1", "1"]


async def test_a_delivery_that_is_refused_is_put_aside_dies_and_is_retried() -> None:
    async with receiving(always=204) as receiver, world(hook(receiver.url)) as here:
        receiver.answers = [400, 204, 400, 404, 410]
        here.publish("CALLSTART", "CALLSTOP")
        await here.until("dead", count=1)
        await here.until("waiting", count=0)
        assert sorted(receiver.types) == ["CALLSTART"] * 4 + ["CALLSTOP"] and receiver.types[1] == "CALLSTOP"
        (dead,) = await here.store.dead(1)
        assert (dead.event_type, dead.attempts, dead.last_error) == ("CALLSTART", 4, "HTTP 410 said")
        assert await here.store.retry(1, SystemClock().now()) == 1
        here.publish("CALLUPDATE")
        await here.until("dead", count=0)
        await here.until("waiting", count=0)
        assert set(receiver.types[-2:]) == {"CALLSTART", "CALLUPDATE"}


async def test_a_dead_receiver_keeps_nobody_waiting() -> None:
    async with receiving() as good, receiving(always="hang") as bad:
        patient = Retries(attempts=20, first_s=60.0)
        async with world(hook(bad.url), hook(good.url), retries=patient, timeout_s=30.0) as here:
            await asyncio.wait_for(asyncio.to_thread(lambda: None), 5)
            for _ in range(50):
                here.publish("CALLSTART", "CALLSTOP")
            await good.until(100)
            await bad.until(1)
            assert len(bad.got) == 1
            await here.until("waiting", count=100)


async def test_webhooks_come_and_go_while_it_runs() -> None:
    async with receiving() as receiver, world() as here:
        here.publish("CALLSTART")
        number = await here.store.add_webhook(hook(receiver.url))
        async with asyncio.timeout(10):
            while not receiver.got:
                here.publish("CALLUPDATE")
                await asyncio.sleep(0.01)
        assert set(receiver.types) == {"CALLUPDATE"}
        await here.until("waiting", count=0)
        await here.store.set_active(number, False)
        async with asyncio.timeout(10):
            while here.service.active:
                await asyncio.sleep(0.01)
        before = len(receiver.got)
        here.publish("CALLSTOP")
        here.hub.flush()
        await here.service.close()
        assert len(receiver.got) == before and await here.store.backlogs() == {}


async def test_while_the_database_is_away_events_wait_in_memory() -> None:
    async with receiving() as receiver, world(hook(receiver.url)) as here:
        here.store.unavailable = True
        here.publish("CALLSTART", "CALLSTOP")
        async with asyncio.timeout(10):
            while here.service.held != 2:
                await asyncio.sleep(0.01)
        here.store.unavailable = False
        await receiver.until(2)
        assert receiver.types == ["CALLSTART", "CALLSTOP"]


async def test_what_is_too_much_is_counted_and_dropped() -> None:
    few = Pace(batch_s=0.0, look_s=0.01, retry_s=0.01, held=3)
    async with receiving() as receiver, world(hook(receiver.url), pace=few) as here:
        here.publish(*["CALLSTART"] * 10)
        here.hub.flush()
        assert here.service.dropped == {1: 7}
        await receiver.until(3)


async def test_what_happened_before_the_store_opened_is_delivered() -> None:
    clock = SystemClock()
    store = MemoryWebhooks(clock)
    ticks = count(1_000_000, 1_000)
    hub = Hub(lambda: next(ticks), asyncio.get_running_loop().call_later, pace_s=0.0)
    spawner = Spawner()
    async with receiving() as receiver, Poster(clock, Targets(), 5.0) as poster:
        await store.add_webhook(hook(receiver.url))
        service = WebhookService(store, hub, poster, clock, spawner, QUICK, pace=BRISK)
        hub.publish("CALLSTART", [])
        await service.open()
        hub.publish("CALLSTOP", [])
        await receiver.until(2)
        assert receiver.types == ["CALLSTART", "CALLSTOP"]
        await service.close()
        await spawner.close()


def test_pauses_double_up_to_the_longest_and_vary() -> None:
    retries = Retries(first_s=1.0, longest_s=10.0)
    assert [retries.pause_s(failures, 0.0) for failures in (1, 2, 3, 4, 5, 1_000)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert retries.pause_s(3, 0.999) == pytest.approx(2.0, abs=0.01)

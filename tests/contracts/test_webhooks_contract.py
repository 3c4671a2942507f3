"""What every store of webhooks must do, run against each of them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from earshot.clock import FakeClock
from earshot.ports.webhooks import Backlog, Delivery, Webhook, Webhooks
from earshot.store.memory_webhooks import MemoryWebhooks
from earshot.store.sql import database_at
from earshot.store.sql.webhooks import SqlWebhooks

NOW = 1_700_000_000.0


@pytest.fixture(params=["memory", "sqlite"])
async def hooks(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Webhooks]:
    if request.param == "memory":
        yield MemoryWebhooks(FakeClock(NOW))
        return
    database = database_at(f"sqlite:///{tmp_path / 'earshot.db'}")
    await database.open()
    yield SqlWebhooks(database, FakeClock(NOW))
    await database.close()


async def one(hooks: Webhooks, url: str = "http://a.example/x") -> int:
    return await hooks.add_webhook(Webhook(url=url, secret="s"))


def delivery(webhook_id: int, event_id: int, next_at: float = 0.0) -> Delivery:
    body = b'{"id":%d,"note":"\xc3\xa9"}' % event_id
    return Delivery(webhook_id=webhook_id, event_id=event_id, event_type="CALLSTART", body=body, next_at=next_at)


async def test_a_webhook_comes_back_as_it_was_added(hooks: Webhooks) -> None:
    made = Webhook(url="https://a.example/é?x=1", secret="geheim", types=frozenset({"CALLSTART", "CALLSTOP"}))
    first = await hooks.add_webhook(made)
    second = await hooks.add_webhook(replace(made, types=frozenset(), active=False, added_at=5.0))
    assert await hooks.webhooks() == [
        replace(made, webhook_id=first, added_at=NOW),
        replace(made, webhook_id=second, types=frozenset(), active=False, added_at=5.0),
    ]


async def test_switching_off_and_removing(hooks: Webhooks) -> None:
    first, second = await one(hooks), await one(hooks)
    assert await hooks.set_active(first, False)
    assert [hook.active for hook in await hooks.webhooks()] == [False, True]
    await hooks.enqueue([delivery(first, 1), delivery(second, 1)])
    assert await hooks.remove_webhook(first)
    assert [hook.webhook_id for hook in await hooks.webhooks()] == [second]
    assert await hooks.backlogs() == {second: Backlog(1, 0)}
    assert not await hooks.remove_webhook(first)
    assert not await hooks.set_active(first, True)
    await hooks.remove_webhook(second)
    assert await one(hooks) not in (first, second)


async def test_a_webhook_is_changed_and_what_waits_stays(hooks: Webhooks) -> None:
    first, second = await one(hooks), await one(hooks)
    before = await hooks.webhooks()
    await hooks.enqueue([delivery(first, 1)])
    wanted = replace(
        before[0], url="https://b/", secret="other", types=frozenset({"CALLSTOP"}), active=False, added_at=5.0
    )
    assert await hooks.change_webhook(wanted)
    assert await hooks.webhooks() == [replace(wanted, added_at=before[0].added_at), before[1]]
    assert await hooks.backlogs() == {first: Backlog(1, 0)}
    assert not await hooks.change_webhook(replace(wanted, webhook_id=second + 100))


async def test_deliveries_come_due_in_the_order_of_their_events(hooks: Webhooks) -> None:
    first, second = await one(hooks), await one(hooks)
    given = [delivery(first, 10), delivery(second, 10), delivery(first, 11, next_at=50.0), delivery(first, 12)]
    assert await hooks.enqueue(given) == 4
    due = await hooks.due(first, 49.0, 10)
    assert [item.event_id for item in due] == [10, 12]
    assert due[0] == replace(given[0], delivery_id=due[0].delivery_id)
    assert [item.event_id for item in await hooks.due(first, 50.0, 2)] == [10, 11]
    await hooks.delivered([item.delivery_id for item in due] + [99_999])
    assert [item.event_id for item in await hooks.due(first, 50.0, 10)] == [11]
    assert [item.event_id for item in await hooks.due(second, 50.0, 10)] == [10]
    await hooks.delivered([])


async def test_an_event_waits_once_and_only_for_a_webhook_that_is_there(hooks: Webhooks) -> None:
    webhook_id = await one(hooks)
    assert await hooks.enqueue([]) == 0
    assert await hooks.enqueue([delivery(webhook_id, 1), delivery(webhook_id, 1), delivery(77, 2)]) == 1
    assert await hooks.enqueue([delivery(webhook_id, 1), delivery(webhook_id, 2)]) == 1
    assert [item.event_id for item in await hooks.due(webhook_id, 0.0, 10)] == [1, 2]


async def test_a_thousand_at_once(hooks: Webhooks) -> None:
    webhook_id = await one(hooks)
    assert await hooks.enqueue([delivery(webhook_id, number) for number in range(1_200)]) == 1_200
    due = await hooks.due(webhook_id, 0.0, 2_000)
    assert [item.event_id for item in due] == list(range(1_200))
    await hooks.delivered([item.delivery_id for item in due])
    assert await hooks.backlogs() == {}


async def test_from_failed_to_dead_and_back(hooks: Webhooks) -> None:
    webhook_id, other = await one(hooks), await one(hooks)
    await hooks.enqueue([delivery(webhook_id, 1), delivery(webhook_id, 2), delivery(other, 1)])
    first, second = await hooks.due(webhook_id, 0.0, 10)
    await hooks.failed(replace(first, attempts=1, next_at=20.0, last_error="HTTP 500"))
    assert [item.event_id for item in await hooks.due(webhook_id, 19.0, 10)] == [2]
    (again, _) = await hooks.due(webhook_id, 20.0, 10)
    assert (again.attempts, again.last_error) == (1, "HTTP 500")
    for item in (again, second):
        await hooks.failed(replace(item, attempts=2, state="dead", last_error="timed out"))
    assert await hooks.due(webhook_id, 1e12, 10) == []
    assert [item.event_id for item in await hooks.dead(webhook_id)] == [1, 2]
    assert [item.event_id for item in await hooks.dead(limit=1)] == [1]
    assert await hooks.dead(other) == []
    assert await hooks.backlogs() == {webhook_id: Backlog(0, 2), other: Backlog(1, 0)}
    assert await hooks.retry(webhook_id, 30.0, delivery_id=again.delivery_id) == 1
    (once_more,) = await hooks.due(webhook_id, 30.0, 10)
    assert (once_more.event_id, once_more.attempts, once_more.next_at) == (1, 0, 30.0)
    assert await hooks.retry(other, 30.0, delivery_id=second.delivery_id) == 0
    assert await hooks.retry(webhook_id, 30.0) == 1
    await hooks.failed(replace(second, state="dead"))
    assert await hooks.forget_dead(webhook_id) == 1
    assert await hooks.dead() == []


async def test_what_is_gone_stays_gone(hooks: Webhooks) -> None:
    webhook_id = await one(hooks)
    await hooks.enqueue([delivery(webhook_id, 1)])
    (item,) = await hooks.due(webhook_id, 0.0, 1)
    await hooks.delivered([item.delivery_id])
    await hooks.failed(replace(item, attempts=1))
    assert await hooks.due(webhook_id, 1e12, 10) == []

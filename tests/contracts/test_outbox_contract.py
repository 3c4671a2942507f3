"""What every `Outbox` must do, run against each of them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from earshot.clock import FakeClock
from earshot.ports import NotUnique
from earshot.ports.outbox import INTERRUPTED, Mail, Outbox
from earshot.store.memory_outbox import MemoryOutbox
from earshot.store.sql import SqlStore, database_at
from earshot.store.sql.outbox import SqlOutbox

NOW = 1_700_000_000.0
ME = "core 1"
DAY = 86400.0


@pytest.fixture(params=["memory", "sqlite"])
async def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Outbox]:
    if request.param == "memory":
        yield MemoryOutbox()
        return
    database = database_at(f"sqlite:///{tmp_path / 'earshot.db'}")
    store = SqlStore(database, FakeClock(NOW))
    await store.open()
    yield SqlOutbox(database)
    await store.close()


def mail(key: str = "a", **changes: Any) -> Mail:
    whole = Mail(
        message_id=f"<{key}@recorder.example>",
        to="jane@uptivity.com",
        to_name="Jäne",
        from_="recorder@uptivity.com",
        from_name="Earshot",
        reply_to="jd@else.org",
        subject="Recording 17",
        text="Attached is\nrecording 17\n",
        records=(17, 4),
        kind="multi",
        format="WAV",
        requested_by="xml",
        created_at=NOW,
        expires_at=NOW + DAY,
        next_attempt_at=NOW,
        changed_at=NOW,
    )
    return replace(whole, **changes)


async def test_what_is_added_is_there(outbox: Outbox) -> None:
    first, second = mail("a", number=99), mail("b", to="joe@uptivity.com", next_attempt_at=NOW - 1)
    assert await outbox.add([first, second]) == (1, 2)
    assert await outbox.add([]) == ()
    assert await outbox.mail(1) == replace(first, number=1)
    assert await outbox.mails(None, 10) == [replace(second, number=2), replace(first, number=1)]
    assert await outbox.due(NOW, 10) == [2, 1]
    assert await outbox.due(NOW, 1) == [2]
    assert await outbox.due(NOW, 0) == []
    assert await outbox.due(NOW - 1.5, 10) == []
    assert await outbox.counts() == {"queued": 2}
    for number in (0, 3, -1, 2**63, 2**200):
        assert await outbox.mail(number) is None


async def test_all_or_none_are_added(outbox: Outbox) -> None:
    await outbox.add([mail("a")])
    for wrong in ([mail("b"), mail("a")], [mail("c"), mail("c")]):
        with pytest.raises(NotUnique) as caught:
            await outbox.add(wrong)
        assert caught.value.field == "message_id"
    assert [one.message_id for one in await outbox.mails(None, 10)] == [mail("a").message_id]


async def test_a_mail_is_claimed_once(outbox: Outbox) -> None:
    await outbox.add([mail()])
    claims = await asyncio.gather(*(outbox.claim(1, f"core {n}", NOW, NOW + 60) for n in range(8)))
    (held,) = [one for one in claims if one is not None]
    assert (held.state, held.attempts, held.next_attempt_at, held.changed_at) == ("sending", 1, NOW + 60, NOW)
    assert await outbox.mail(1) == held
    assert await outbox.due(NOW + 59, 10) == []
    assert await outbox.claim(1, ME, NOW + 59, NOW + 99) is None
    assert await outbox.claim(7, ME, NOW, NOW + 99) is None


async def test_a_claim_that_ran_out_is_taken_over_and_the_first_owner_cannot_settle(outbox: Outbox) -> None:
    await outbox.add([mail()])
    first = await outbox.claim(1, ME, NOW, NOW + 60)
    assert await outbox.due(NOW + 60, 10) == [1]
    second = await outbox.claim(1, ME, NOW + 60, NOW + 120)
    assert first is not None and second is not None
    assert second.attempts == 2
    assert not await outbox.settle(first, "failed", NOW + 61, NOW + 70, "late")
    assert await outbox.mail(1) == second
    assert await outbox.settle(second, "sent", NOW + 62, 0.0, "250 OK")
    assert not await outbox.settle(second, "failed", NOW + 63, NOW, "again")


@pytest.mark.parametrize(("state", "again"), [("failed", True), ("sent", False), ("dead", False)])
async def test_settled_mail(outbox: Outbox, state: Any, again: bool) -> None:
    await outbox.add([mail()])
    held = await outbox.claim(1, ME, NOW, NOW + 60)
    assert held is not None
    assert await outbox.settle(held, state, NOW + 1, NOW + 5, "what was said")
    assert await outbox.mail(1) == replace(
        held, state=state, owner="", next_attempt_at=NOW + 5, last_error="what was said", changed_at=NOW + 1
    )
    assert await outbox.due(NOW + 4, 10) == []
    assert (await outbox.due(NOW + 5, 10) == [1]) is again
    assert (await outbox.claim(1, ME, NOW + 5, NOW + 60) is not None) is again


async def test_lists_by_state_and_page(outbox: Outbox) -> None:
    await outbox.add([mail(str(number)) for number in range(5)])
    held = await outbox.claim(2, ME, NOW, NOW + 60)
    assert held is not None
    await outbox.settle(held, "dead", NOW, NOW, "no")
    assert [one.number for one in await outbox.mails(None, 3)] == [5, 4, 3]
    assert [one.number for one in await outbox.mails(None, 3, 3)] == [2, 1]
    assert [one.number for one in await outbox.mails("queued", 9)] == [5, 4, 3, 1]
    assert [one.number for one in await outbox.mails("dead", 9)] == [2]
    assert await outbox.mails("sent", 9) == []
    assert await outbox.mails(None, 0) == []
    assert await outbox.counts() == {"queued": 4, "dead": 1}


async def test_retry(outbox: Outbox) -> None:
    await outbox.add([mail("a"), mail("b"), mail("c")])
    for number, state in ((1, "dead"), (2, "failed")):
        held = await outbox.claim(number, ME, NOW, NOW + 60)
        assert held is not None
        await outbox.settle(held, state, NOW, NOW + DAY, "no")  # type: ignore[arg-type]
    for number in (1, 2):
        assert await outbox.retry(number, NOW + 9, NOW + 2 * DAY)
        found = await outbox.mail(number)
        assert found is not None
        assert (found.state, found.next_attempt_at, found.expires_at) == ("queued", NOW + 9, NOW + 2 * DAY)
    for number in (1, 3, 4, 0, 2**70):
        assert not await outbox.retry(number, NOW + 9, NOW + 2 * DAY)


async def test_drop(outbox: Outbox) -> None:
    await outbox.add([mail("a"), mail("b")])
    await outbox.claim(1, ME, NOW, NOW + 60)
    assert not await outbox.drop(1)
    assert await outbox.drop(2)
    for number in (2, 3, 0, 2**70):
        assert not await outbox.drop(number)
    assert [one.number for one in await outbox.mails(None, 9)] == [1]


async def test_what_a_dead_process_held_is_given_back(outbox: Outbox) -> None:
    await outbox.add([mail("a"), mail("b"), mail("c")])
    await outbox.claim(1, ME, NOW, NOW + 900)
    await outbox.claim(2, "core 2", NOW, NOW + 900)
    assert await outbox.release(ME, NOW + 5) == 1
    assert await outbox.release(ME, NOW + 5) == 0
    found = await outbox.mail(1)
    assert found is not None
    assert (found.state, found.owner, found.next_attempt_at, found.last_error) == ("failed", "", NOW + 5, INTERRUPTED)
    assert await outbox.due(NOW + 5, 9) == [3, 1]


async def test_sent_mail_is_forgotten_after_a_while(outbox: Outbox) -> None:
    await outbox.add([mail("a"), mail("b"), mail("c")])
    for number, state, at in ((1, "sent", NOW), (2, "sent", NOW + 10), (3, "dead", NOW)):
        held = await outbox.claim(number, ME, NOW, NOW + 60)
        assert held is not None
        await outbox.settle(held, state, at, 0.0, "")  # type: ignore[arg-type]
    assert await outbox.forget_sent(NOW + 10) == 1
    assert [one.number for one in await outbox.mails(None, 9)] == [3, 2]


async def test_numbers_are_never_used_again(outbox: Outbox) -> None:
    await outbox.add([mail("a")])
    await outbox.drop(1)
    assert await outbox.add([mail("a")]) == (2,)

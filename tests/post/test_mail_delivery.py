"""The post office with a clock that is moved by hand: what is tried when, and that nothing is lost on the way."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.post.letters import a_file, a_mail

from earshot.api.delivery import PRUNE_EVERY_S, Delivery, DeliverySettings, Outcome
from earshot.clock import FakeClock
from earshot.errors import EarshotError, StoreUnavailable
from earshot.ports.outbox import INTERRUPTED, Attachment, Mail, MailDelayed
from earshot.post.memory import MemoryMailer
from earshot.store.memory_outbox import MemoryOutbox
from earshot.tasks import Spawner

HOUR = 3600.0
AWAY = MailDelayed("nobody listens", away=True)


class Office:
    """A delivery and all around it. `attach_fails` is raised instead of making an attachment."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.clock = FakeClock()
        self.outbox = MemoryOutbox()
        self.mailer = MemoryMailer()
        self.spawner = Spawner()
        self.told: list[Outcome] = []
        self.attach_fails: Exception | None = None
        self.released = 0
        self.folder = folder
        self.settings = DeliverySettings(**{"handoff_s": 20.0, "poll_s": 0.01} | settings)
        self.delivery = self.another()
        self._made = 0

    def another(self, mailer: bool = True) -> Delivery:
        """One more process, so to speak, over the same outbox."""
        return Delivery(
            self.outbox,
            self.mailer if mailer else None,
            self.attach,
            clock=self.clock,
            spawner=self.spawner,
            random=lambda: 0.5,
            tell=self.told.append,
            settings=self.settings,
        )

    @asynccontextmanager
    async def attach(self, mail: Mail) -> AsyncIterator[Attachment]:
        if self.attach_fails is not None:
            raise self.attach_fails
        try:
            yield a_file(self.folder, b"sound of %r" % (mail.records,))
        finally:
            self.released += 1

    def mail(self, **changes: Any) -> Mail:
        self._made += 1
        now = self.clock.now()
        whole = a_mail(message_id=f"<{self._made}@rec.test>", number=0, created_at=now, next_attempt_at=now)
        return replace(whole, **{"expires_at": now + self.settings.give_up_s} | changes)

    async def submit(self, mails: Sequence[Mail], delivery: Delivery | None = None) -> list[Outcome | None]:
        """Put mails into the outbox and have them tried, as EMAIL does."""
        return await (delivery or self.delivery).attempted(await self.outbox.add(mails))

    async def state(self, number: int = 1) -> Mail:
        found = await self.outbox.mail(number)
        assert found is not None
        return found


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    made = Office(tmp_path)
    yield made
    await made.spawner.close()


async def test_what_is_taken_at_once(office: Office) -> None:
    (outcome,) = await office.submit([office.mail()])
    assert outcome is not None
    assert (outcome.state, outcome.why) == ("sent", "taken")
    found = await office.state()
    assert (found.state, found.attempts, found.owner) == ("sent", 1, "")
    (delivered,) = office.mailer.inbox
    assert delivered.content == b"sound of (17,)"
    assert office.told == [outcome]
    assert office.released == 1
    assert await office.delivery.round() == 0


async def test_what_is_refused_for_good_is_dead_and_seen(office: Office) -> None:
    office.mailer.refuses.add("jane@uptivity.com")
    first, second = await office.submit([office.mail(), office.mail(to="joe@uptivity.com")])
    assert first is not None and second is not None
    assert (first.state, first.fault, second.state) == ("dead", "recipient", "sent")
    office.clock.advance(100 * HOUR)
    assert await office.delivery.round() == 0
    found = await office.state()
    assert (found.state, "550" in found.last_error, found.attempts) == ("dead", True, 1)
    assert {outcome.state for outcome in office.told} == {"dead", "sent"}


async def test_a_server_that_is_away_for_an_hour_loses_nothing(office: Office) -> None:
    office.mailer.says = AWAY
    for _ in range(50):
        (outcome,) = await office.submit([office.mail()])
        assert outcome is None or outcome.state == "failed"
    for _ in range(int(HOUR / 10)):
        await office.delivery.round()
        office.clock.advance(10)
    assert office.mailer.tried < 2 * HOUR / office.settings.first_retry_s, "the server is left alone between attempts"
    assert office.told == []
    office.mailer.says = None
    for _ in range(int(office.settings.longest_retry_s * 1.2 / 10) + 2):
        await office.delivery.round()
        office.clock.advance(10)
    assert sorted(one.mail.number for one in office.mailer.inbox) == list(range(1, 51))
    assert await office.outbox.counts() == {"sent": 50}
    assert len({one.mail.message_id for one in office.mailer.inbox}) == 50


async def test_waits_double_up_to_the_longest(office: Office) -> None:
    office.mailer.says = MailDelayed("451 later", away=False)
    await office.submit([office.mail()])
    waits = []
    for _ in range(8):
        found = await office.state()
        assert found.state == "failed"
        waits.append(found.next_attempt_at - office.clock.now())
        office.clock.advance(waits[-1] - 1)
        assert await office.delivery.round() == 0
        office.clock.advance(1)
        assert await office.delivery.round() == 1
    assert [round(wait) for wait in waits] == [30, 60, 120, 240, 480, 900, 900, 900]


async def test_waits_are_shaken(tmp_path: Path) -> None:
    waits = []
    for number in (0.0, 1.0):
        office = Office(tmp_path)
        office.delivery._random = lambda number=number: number  # type: ignore[misc]
        office.mailer.says = MailDelayed("451 later", away=False)
        await office.submit([office.mail()])
        waits.append((await office.state()).next_attempt_at - office.clock.now())
        await office.spawner.close()
    assert [round(wait) for wait in waits] == [24, 36]


async def test_after_days_it_is_given_up(office: Office) -> None:
    office.mailer.says = AWAY
    await office.submit([office.mail()])
    for _ in range(5 * 24 * 4):
        office.clock.advance(HOUR / 4)
        await office.delivery.round()
    found = await office.state()
    assert (found.state, found.last_error) == ("dead", "Given up. nobody listens")
    assert [outcome.state for outcome in office.told] == ["dead"]
    now = office.clock.now()
    assert await office.outbox.retry(1, now, now + HOUR)
    office.mailer.says = None
    office.delivery.wake()
    assert await office.delivery.round() == 1
    assert (await office.state()).state == "sent"


@pytest.mark.parametrize(
    ("failure", "state", "fault"),
    [
        (FileNotFoundError("Recording 17 is gone"), "dead", "recording"),
        (ValueError("VOX cannot hold video"), "dead", "message"),
        (EarshotError("the export failed"), "failed", None),
        (StoreUnavailable("the database is away"), "failed", None),
        (OSError("no space left"), "failed", None),
        (TimeoutError(), "failed", None),
        (KeyError("a bug"), "failed", None),
    ],
)
async def test_attachments_that_cannot_be_made(
    office: Office, failure: Exception, state: str, fault: str | None
) -> None:
    office.attach_fails = failure
    (outcome,) = await office.submit([office.mail()])
    assert outcome is not None
    assert (outcome.state, outcome.fault) == (state, fault)
    assert (await office.state()).last_error == outcome.why != ""
    assert office.mailer.tried == 0


class SlowMailer(MemoryMailer):
    """Takes mail only when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.may = asyncio.Event()
        self.running = 0
        self.most = 0

    async def send(self, mail: Mail, attachment: Attachment | None) -> str:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.may.wait()
            return await super().send(mail, attachment)
        finally:
            self.running -= 1


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[tuple[Office, SlowMailer]]:
    office = Office(tmp_path, handoff_s=0.05)
    office.mailer = mailer = SlowMailer()
    office.delivery = office.another()
    yield office, mailer
    await office.spawner.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


async def test_whoever_asks_waits_only_so_long_and_the_mail_goes_on(slow: tuple[Office, SlowMailer]) -> None:
    office, mailer = slow
    assert await office.submit([office.mail() for _ in range(6)]) == [None] * 6
    assert (await office.state(1)).state == "sending"
    mailer.may.set()
    await until(lambda: len(office.told) == 6)
    assert mailer.most == office.settings.at_once
    assert await office.outbox.counts() == {"sent": 6}


async def test_one_mail_is_sent_once_however_many_look(slow: tuple[Office, SlowMailer]) -> None:
    office, mailer = slow
    await office.submit([office.mail()])
    other = office.another()
    rounds = [asyncio.ensure_future(one.round()) for one in (office.delivery, other, other)]
    await asyncio.gather(*rounds)
    mailer.may.set()
    await until(lambda: len(office.told) == 1)
    await other.round()
    assert len(mailer.inbox) == 1


async def test_what_a_killed_process_was_sending_is_sent_again(slow: tuple[Office, SlowMailer]) -> None:
    office, mailer = slow
    mail = office.mail()
    await office.submit([mail])
    await office.spawner.close()
    assert (await office.state()).state == "sending"
    mailer.may.set()
    after = office.another()
    assert await after.round() == 0
    await after.take_up()
    assert (await office.state()).last_error == INTERRUPTED
    assert await after.round() == 1
    assert [one.mail.message_id for one in mailer.inbox] == [mail.message_id]


async def test_a_database_that_goes_in_the_middle(slow: tuple[Office, SlowMailer], monkeypatch: Any) -> None:
    monkeypatch.setattr("earshot.api.delivery.SETTLE_RETRY_S", 0.001)
    office, mailer = slow
    await office.submit([office.mail()])
    office.outbox.unavailable = True
    mailer.may.set()
    await until(lambda: len(mailer.inbox) == 1)
    with pytest.raises(StoreUnavailable):
        await office.delivery.round()
    office.outbox.unavailable = False
    await until(lambda: len(office.told) == 1)
    assert (await office.state()).state == "sent"
    assert len(mailer.inbox) == 1


async def test_a_database_that_is_away_keeps_nothing(office: Office) -> None:
    office.outbox.unavailable = True
    with pytest.raises(StoreUnavailable):
        await office.submit([office.mail()])
    assert office.mailer.tried == 0


async def test_without_a_server_mail_is_kept(office: Office) -> None:
    post = office.another(mailer=False)
    assert not post.has_server
    assert await office.submit([office.mail()], post) == [None]
    assert await post.round() == 0
    assert (await office.state()).state == "queued"
    assert await office.delivery.round() == 1
    assert (await office.state()).state == "sent"


async def test_the_loop_sends_what_is_due_and_survives_everything(office: Office) -> None:
    office.outbox.unavailable = True
    running = office.spawner.spawn("mail", office.delivery.run())
    await asyncio.sleep(0.05)
    office.outbox.unavailable = False
    await office.outbox.add([office.mail() for _ in range(250)])
    office.delivery.wake()
    await until(lambda: len(office.mailer.inbox) == 250)
    assert not running.done()


async def test_sent_mail_is_forgotten_in_time(office: Office) -> None:
    await office.submit([office.mail()])
    await office.delivery.round()
    office.clock.advance(office.settings.kept_s + PRUNE_EVERY_S)
    await office.delivery.round()
    assert await office.outbox.mails(None, 9) == []

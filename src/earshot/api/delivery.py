"""The post office: takes mail in durably, hands it to the mail server, and tries again until it is taken or given up.

What a mail says is decided in `mailing`, how a server is spoken to in `earshot.post`. The one rule: a mail is in the
outbox before anybody tries to send it and leaves the queue only when its end is written down, so that whatever happens
in between costs at most a second copy, with the same Message-ID.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Literal

import structlog

from earshot.clock import Clock
from earshot.errors import EarshotError, StoreUnavailable
from earshot.ports.outbox import Attachment, Fault, Mail, MailDelayed, Mailer, MailRefused, MailState, Outbox
from earshot.tasks import Spawner

log = structlog.get_logger(__name__)

BATCH = 100
SETTLE_RETRY_S = 2.0
PRUNE_EVERY_S = 3600.0

Attach = Callable[[Mail], AbstractAsyncContextManager[Attachment]]
"""Makes what goes with a mail and clears it away afterwards. Raises FileNotFoundError when a recording or its media is
gone, ValueError for what can never be made, EarshotError or OSError for what may work later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """When mail is tried. Waits double from `first_retry_s` to `longest_retry_s`, give or take a fifth; `give_up_s`
    after it was asked for a mail is dead. `handoff_s` is how long whoever asked waits for the first attempt.

    `attempt_s` bounds one attempt, `at_once` is how many run at a time, `poll_s` how often the outbox is looked at,
    `kept_s` how long sent mail is remembered.
    """

    first_retry_s: float = 30.0
    longest_retry_s: float = 900.0
    give_up_s: float = 4 * 86400.0
    handoff_s: float = 10.0
    attempt_s: float = 3600.0
    at_once: int = 2
    poll_s: float = 5.0
    kept_s: float = 30 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one attempt came to: `sent`, `failed` (tried again later) or `dead`, and why."""

    mail: Mail
    state: Literal["sent", "failed", "dead"]
    why: str
    fault: Fault | None = None
    away: bool = False


class Delivery:
    """Sends what is in `outbox` by `mailer`; without one, mail is only kept. `owner` names this process in the outbox.

    `mailer` may be changed while it runs. `random` gives numbers from 0 to 1; `tell` is called with each `Outcome` that
    is an end.
    """

    def __init__(
        self,
        outbox: Outbox,
        mailer: Mailer | None,
        attach: Attach,
        *,
        clock: Clock,
        spawner: Spawner,
        random: Callable[[], float],
        tell: Callable[[Outcome], None] = lambda _: None,
        settings: DeliverySettings | None = None,
        owner: str = "core 1",
    ) -> None:
        self.outbox = outbox
        self.settings = settings or DeliverySettings()
        self.mailer = mailer
        self._attach = attach
        self._clock = clock
        self._spawner = spawner
        self._random = random
        self._tell = tell
        self._owner = owner
        self._slots = asyncio.Semaphore(self.settings.at_once)
        self._wake = asyncio.Event()
        self._quiet_until = 0.0
        self._pruned_at = float("-inf")

    @property
    def has_server(self) -> bool:
        """Whether a mail server is configured at all."""
        return self.mailer is not None

    async def attempted(self, numbers: Sequence[int]) -> list[Outcome | None]:
        """Try mails that were put into the outbox just now; waits at most `handoff_s` for that, and it goes on after.

        What came of each; None while nothing has.
        """
        tasks = [self._spawner.spawn(f"mail {number}", self._one(number)) for number in numbers]
        done, _ = await asyncio.wait(tasks, timeout=self.settings.handoff_s)
        return [
            task.result() if task in done and not task.cancelled() and task.exception() is None else None
            for task in tasks
        ]

    async def take_up(self) -> None:
        """At start: what an earlier process of this name was sending is to be sent again. Raises StoreUnavailable."""
        count = await self.outbox.release(self._owner, self._clock.now())
        if count:
            log.info("mail_taken_up", mails=count)
        self.wake()

    def wake(self) -> None:
        """Look at the outbox now, and at the mail server even if it was away a moment ago."""
        self._quiet_until = 0.0
        self._wake.set()

    async def run(self) -> None:
        """Send what is due, for ever."""
        complained = False
        while True:
            try:
                while await self.round() >= BATCH:
                    continue
                complained = False
            except StoreUnavailable as away:
                if not complained:
                    log.warning("outbox_away", why=str(away))
                complained = True
            except Exception:
                log.exception("mail_round_failed")
            try:
                async with asyncio.timeout(self.settings.poll_s):
                    await self._wake.wait()
            except TimeoutError:
                continue
            self._wake.clear()

    async def round(self) -> int:
        """Try everything that is due now, once; how many mails were due. Raises StoreUnavailable."""
        await self._prune()
        if self.mailer is None or self._is_quiet():
            return 0
        due = await self.outbox.due(self._clock.now(), BATCH)
        left = iter(due)
        await asyncio.gather(*(self._some(left) for _ in range(min(self.settings.at_once, len(due)))))
        return 0 if self._is_quiet() else len(due)

    async def _some(self, left: Iterator[int]) -> None:
        for number in left:
            if self._is_quiet():
                return
            await self._one(number)

    def _is_quiet(self) -> bool:
        """Whether the mail server was away so lately that it is left alone."""
        return self._clock.monotonic() < self._quiet_until

    async def _prune(self) -> None:
        if self._clock.monotonic() - self._pruned_at >= PRUNE_EVERY_S:
            await self.outbox.forget_sent(self._clock.now() - self.settings.kept_s)
            self._pruned_at = self._clock.monotonic()

    # --- one mail ---------------------------------------------------------------------------------------------------

    async def _one(self, number: int) -> Outcome | None:
        """One attempt at one mail, if it is due; None when it was not made."""
        async with self._slots:
            if self.mailer is None or self._is_quiet():
                return None
            now = self._clock.now()
            try:
                mail = await self.outbox.claim(number, self._owner, now, now + 2 * self.settings.attempt_s)
            except StoreUnavailable as away:
                log.warning("mail_not_claimed", mail=number, why=str(away))
                return None
            if mail is None:
                return None
            outcome = self._final(await self._attempt(self.mailer, mail))
        self._quiet_until = self._clock.monotonic() + self.settings.first_retry_s if outcome.away else 0.0
        if await self._settle(outcome) and outcome.state != "failed":
            self._tell(outcome)
        return outcome

    async def _attempt(self, mailer: Mailer, mail: Mail) -> Outcome:
        try:
            async with asyncio.timeout(self.settings.attempt_s), self._attach(mail) as attachment:
                said = await mailer.send(mail, attachment)
        except MailRefused as refused:
            return Outcome(mail=mail, state="dead", why=str(refused), fault=refused.fault)
        except MailDelayed as delayed:
            return Outcome(mail=mail, state="failed", why=str(delayed), away=delayed.away)
        except FileNotFoundError as gone:
            return Outcome(mail=mail, state="dead", why=str(gone) or "A recording is gone", fault="recording")
        except ValueError as never:
            return Outcome(mail=mail, state="dead", why=str(never), fault="message")
        except TimeoutError:
            return Outcome(mail=mail, state="failed", why=f"It took longer than {self.settings.attempt_s:.0f} s")
        except (EarshotError, OSError) as trouble:
            return Outcome(mail=mail, state="failed", why=str(trouble) or type(trouble).__name__)
        except Exception as bug:
            log.exception("mail_attempt_failed", mail=mail.number)
            return Outcome(mail=mail, state="failed", why=f"An error of Earshot itself: {type(bug).__name__}")
        return Outcome(mail=mail, state="sent", why=said)

    def _final(self, outcome: Outcome) -> Outcome:
        """The same, but dead where it is given up."""
        if outcome.state == "failed" and self._clock.now() + self._wait(outcome.mail) > outcome.mail.expires_at:
            return replace(outcome, state="dead", why=f"Given up. {outcome.why}")
        return outcome

    def _wait(self, mail: Mail) -> float:
        """Seconds until a mail that failed is tried again, without the jitter."""
        settings = self.settings
        return min(settings.longest_retry_s, settings.first_retry_s * 2.0 ** min(mail.attempts - 1, 30))

    async def _settle(self, outcome: Outcome) -> bool:
        """Write the outcome down, insisting while the claim lasts: nobody else sends the mail until then."""
        mail, now = outcome.mail, self._clock.now()
        state: MailState = outcome.state
        wait = self._wait(mail) * (0.8 + 0.4 * self._random())
        log.info("mail_attempted", mail=mail.number, state=state, attempt=mail.attempts, why=outcome.why)
        while True:
            try:
                return await self.outbox.settle(mail, state, now, now + wait, outcome.why)
            except StoreUnavailable as away:
                log.warning("mail_not_settled", mail=mail.number, why=str(away))
                if self._clock.now() >= mail.next_attempt_at:
                    return False
                await asyncio.sleep(SETTLE_RETRY_S)

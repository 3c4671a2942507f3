"""The courier of one webhook: takes what is due, oldest first, and tries until it is delivered or dead.

A receiver that cannot be reached or fails (5xx) keeps everything waiting, in order, with growing pauses. A delivery
that it refuses (4xx, a redirect) is put aside and tried again later while others go on. The one rule: one attempt at a
time.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from earshot.clock import Clock
from earshot.errors import StoreUnavailable
from earshot.hooks.posting import Outcome, Poster
from earshot.ports.webhooks import Delivery, Webhook, Webhooks

log = structlog.get_logger(__name__)

AT_ONCE = 100
IDLE_S = 2.0
"""How long nothing is looked for when nothing was told: the command line may have let dead deliveries wait again."""
STORE_RETRY_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """After `attempts` a delivery is dead. The first pause is `first_s` seconds, doubled each time to `longest_s`."""

    attempts: int = 20
    first_s: float = 1.0
    longest_s: float = 600.0

    def pause_s(self, failures: int, chance: float) -> float:
        """The pause after so many failures in a row; `chance` in [0, 1) takes up to half of it away, so that many do
        not come at once."""
        whole = min(self.first_s * 2.0 ** min(failures - 1, 60), self.longest_s)
        return whole * (1.0 - chance / 2)


class Courier:
    """Delivers to one webhook. `wake` says that something may be due."""

    def __init__(
        self,
        webhook: Webhook,
        store: Webhooks,
        poster: Poster,
        clock: Clock,
        retries: Retries,
        chance: Callable[[], float],
    ) -> None:
        self._webhook = webhook
        self._store = store
        self._poster = poster
        self._clock = clock
        self._retries = retries
        self._chance = chance
        self._news = asyncio.Event()
        self._failures = 0

    def wake(self) -> None:
        """Something was added to what waits."""
        self._news.set()

    async def run(self) -> None:
        """Deliver for ever."""
        while True:
            self._news.clear()
            try:
                pause_s = await self.round()
            except StoreUnavailable:
                pause_s = STORE_RETRY_S
            except Exception:
                log.exception("webhook_round_failed", webhook=self._webhook.webhook_id)
                pause_s = self._retries.longest_s
            if pause_s:
                await asyncio.sleep(pause_s)
            else:
                await self._idle()

    async def _idle(self) -> None:
        try:
            async with asyncio.timeout(IDLE_S):
                await self._news.wait()
        except TimeoutError:
            return

    async def round(self) -> float:
        """Deliver what is due until nothing is, or the receiver fails; returns seconds to leave it alone."""
        while due := await self._store.due(self._webhook.webhook_id, self._clock.now(), AT_ONCE):
            done: list[int] = []
            try:
                for delivery in due:
                    outcome = await self._poster.post(self._webhook, delivery)
                    if outcome.ok:
                        self._recovered()
                        done.append(delivery.delivery_id)
                    elif pause_s := await self._failed(delivery, outcome):
                        return pause_s
            finally:
                if done:
                    await self._store.delivered(done)
        return 0.0

    def _recovered(self) -> None:
        if self._failures:
            log.info("webhook_reached_again", webhook=self._webhook.webhook_id, after_failures=self._failures)
        self._failures = 0

    async def _failed(self, delivery: Delivery, outcome: Outcome) -> float:
        """Note it; returns how long to leave the receiver alone: 0 when it only refused this one."""
        attempts = delivery.attempts + 1
        tried = replace(delivery, attempts=attempts, last_error=outcome.why)
        pause_s = 0.0
        if outcome.refused:
            tried = replace(tried, next_at=self._clock.now() + self._retries.pause_s(attempts, self._chance()))
        else:
            self._failures += 1
            pause_s = self._retries.pause_s(self._failures, self._chance())
            if self._failures == 1:
                log.warning("webhook_fails", webhook=self._webhook.webhook_id, why=outcome.why)
        if attempts >= self._retries.attempts:
            log.error(
                "webhook_delivery_dead", webhook=self._webhook.webhook_id, event_id=delivery.event_id, why=outcome.why
            )
            tried = replace(tried, state="dead")
        await self._store.failed(tried)
        return pause_s

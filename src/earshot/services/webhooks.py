"""Webhooks: events become deliveries in the database, and a courier for each receiver makes them, one after the other.

What does not live here: HTTP (`earshot.hooks`) and statements. The one rule: neither a receiver nor the database is
waited for where events happen; a delivery is forgotten when the receiver has said that it has it, not before.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog

from earshot.api.events import Event, Hub
from earshot.api.webhooks import WebhookDesk
from earshot.clock import Clock
from earshot.errors import StoreUnavailable
from earshot.hooks.posting import Poster
from earshot.hooks.targets import Targets
from earshot.ports.webhooks import Backlog, Delivery, Webhook, Webhooks
from earshot.services import House
from earshot.services.courier import Courier, Retries
from earshot.store.sql.webhooks import SqlWebhooks
from earshot.tasks import Spawner

log = structlog.get_logger(__name__)

COUNT_S = 30.0
HELD_FOR_ONE = 100_000
"""Deliveries that wait for one webhook at most."""
WRITTEN_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Events are collected for `batch_s` before they are written together; every `look_s` it is looked whether webhooks
    were added, changed or removed, by whichever process; `retry_s` after the database was away it is tried again, and
    at most `held` deliveries wait for it in memory: what comes then is counted and dropped."""

    batch_s: float = 0.2
    look_s: float = 1.0
    retry_s: float = 2.0
    held: int = 20_000


async def start(house: House, undo: AsyncExitStack) -> None:
    """Hang it in; it begins when the store has opened."""
    settings = house.settings
    poster = Poster(house.clock, Targets.of(settings.webhook_networks), settings.webhook_timeout_s)
    await undo.enter_async_context(poster)
    context, store = house.context, SqlWebhooks(house.database, house.clock)
    context.webhooks = WebhookDesk(store, house.clock, lambda: context.audit)
    couriers = Spawner()
    undo.push_async_callback(couriers.close)
    service = WebhookService(
        store,
        house.events,
        poster,
        house.clock,
        couriers,
        Retries(attempts=settings.webhook_attempts, first_s=settings.webhook_retry_s),
    )
    undo.push_async_callback(service.close)
    house.on_open.append(service.open)


class WebhookService:
    """All webhooks of this process. `open` begins; the spawner's end is the end of everything but what `close` does."""

    def __init__(
        self,
        store: Webhooks,
        hub: Hub,
        poster: Poster,
        clock: Clock,
        spawner: Spawner,
        retries: Retries,
        chance: Callable[[], float] = random.random,
        pace: Pace = Pace(),
    ) -> None:
        self._store = store
        self._hub = hub
        self._poster = poster
        self._clock = clock
        self._spawner = spawner
        self._retries = retries
        self._chance = chance
        self._pace = pace
        self._hooks: dict[int, Webhook] = {}
        self._couriers: dict[int, tuple[Courier, asyncio.Task[None]]] = {}
        self._waiting: list[Delivery] = []
        self._news = asyncio.Event()
        self._backlogs: Mapping[int, Backlog] = {}
        self._counted_at = float("-inf")
        self._end_listening: Callable[[], None] | None = None
        self._writing = asyncio.Lock()
        self._began = hub.last_number
        self.dropped: Counter[int] = Counter()

    async def open(self) -> None:
        """Read which webhooks there are and begin, with what happened since this was made. Raises StoreUnavailable;
        call it again then."""
        await self._look()
        missed = self._hub.since(self._began)
        if self._hooks and missed.events:
            self._heard(missed.events)
        self._spawner.spawn("webhook rows", self._write_for_ever())
        self._spawner.spawn("webhooks", self._look_for_ever())

    async def close(self) -> None:
        """Write down what waits: it is delivered after the next start."""
        self._hub.flush()
        self._listen(False)
        try:
            await self._write()
        except StoreUnavailable as away:
            log.error("webhook_events_lost", why=str(away), count=len(self._waiting))

    @property
    def active(self) -> frozenset[int]:
        """The webhooks that events go to now."""
        return frozenset(self._hooks)

    @property
    def held(self) -> int:
        """Deliveries that wait in memory to be written."""
        return len(self._waiting)

    # --- which webhooks there are -----------------------------------------------------------------------------------

    async def _look_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._pace.look_s)
            try:
                await self._look()
            except StoreUnavailable:
                continue  # the store tells its own story; what is known stays
            except Exception:
                log.exception("webhooks_not_read")

    async def _look(self) -> None:
        found = {hook.webhook_id: hook for hook in await self._store.webhooks() if hook.active}
        now = self._clock.monotonic()
        if now - self._counted_at >= COUNT_S:
            self._counted_at = now
            self._backlogs = await self._store.backlogs()
        for ident, hook in list(self._hooks.items()):
            if found.get(ident) != hook:
                self._couriers.pop(ident)[1].cancel()
                del self._hooks[ident]
        for ident, hook in found.items():
            if ident not in self._hooks:
                courier = Courier(hook, self._store, self._poster, self._clock, self._retries, self._chance)
                self._couriers[ident] = courier, self._spawner.spawn(f"webhook {ident}", courier.run())
                self._hooks[ident] = hook
        self._listen(bool(self._hooks))

    def _listen(self, wanted: bool) -> None:
        if wanted and self._end_listening is None:
            self._end_listening = self._hub.listen(self._heard)
        elif not wanted and self._end_listening is not None:
            self._end_listening()
            self._end_listening = None

    # --- from events to rows ----------------------------------------------------------------------------------------

    def _heard(self, events: list[Event]) -> None:
        for ident, hook in self._hooks.items():
            wanted = [event for event in events if not hook.types or event.type in hook.types]
            room = self._pace.held - len(self._waiting)
            if self._backlogs.get(ident, Backlog()).waiting >= HELD_FOR_ONE:
                room = 0
            if len(wanted) > room:
                self._drop(ident, len(wanted) - room)
            self._waiting += [
                Delivery(webhook_id=ident, event_id=event.number, event_type=event.type, body=event.json)
                for event in wanted[: max(room, 0)]
            ]
        self._news.set()

    def _drop(self, ident: int, count: int) -> None:
        if not self.dropped[ident]:
            log.error("webhook_events_dropped", webhook=ident, why="too many are waiting already")
        self.dropped[ident] += count

    async def _write_for_ever(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            await asyncio.sleep(self._pace.batch_s)
            try:
                await self._write()
            except StoreUnavailable:
                await asyncio.sleep(self._pace.retry_s)
                self._news.set()
            except Exception:
                log.exception("webhook_events_not_written")
                await asyncio.sleep(self._pace.retry_s)
                self._news.set()

    async def _write(self) -> None:
        async with self._writing:
            while self._waiting:
                some = self._waiting[:WRITTEN_AT_ONCE]
                await self._store.enqueue(some)
                del self._waiting[: len(some)]
                for ident in {one.webhook_id for one in some}:
                    if ident in self._couriers:
                        self._couriers[ident][0].wake()

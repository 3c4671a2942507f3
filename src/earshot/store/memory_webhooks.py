"""Webhooks in memory: for tests, and for a server that need not remember. Same contract as `sql.webhooks`.

The one rule: nothing is awaited between looking and changing.
"""

from collections.abc import Sequence
from dataclasses import replace

from earshot.clock import Clock
from earshot.errors import StoreUnavailable
from earshot.ports.webhooks import Backlog, Delivery, Webhook


class MemoryWebhooks:
    """The port without a database. `unavailable` makes every method fail, as a lost database."""

    def __init__(self, clock: Clock) -> None:
        self.unavailable = False
        self._clock = clock
        self._webhooks: dict[int, Webhook] = {}
        self._deliveries: dict[int, Delivery] = {}
        self._last_webhook = 0
        self._last_delivery = 0

    def _answer(self) -> None:
        if self.unavailable:
            raise StoreUnavailable("the webhooks in memory were told to be away")

    async def webhooks(self) -> list[Webhook]:
        """See `Webhooks.webhooks`."""
        self._answer()
        return list(self._webhooks.values())

    async def add_webhook(self, webhook: Webhook) -> int:
        """See `Webhooks.add_webhook`."""
        self._answer()
        self._last_webhook += 1
        added_at = webhook.added_at or self._clock.now()
        self._webhooks[self._last_webhook] = replace(webhook, webhook_id=self._last_webhook, added_at=added_at)
        return self._last_webhook

    async def set_active(self, webhook_id: int, active: bool) -> bool:
        """See `Webhooks.set_active`."""
        self._answer()
        known = self._webhooks.get(webhook_id)
        if known is not None:
            self._webhooks[webhook_id] = replace(known, active=active)
        return known is not None

    async def change_webhook(self, webhook: Webhook) -> bool:
        """See `Webhooks.change_webhook`."""
        self._answer()
        known = self._webhooks.get(webhook.webhook_id)
        if known is not None:
            self._webhooks[webhook.webhook_id] = replace(webhook, added_at=known.added_at)
        return known is not None

    async def remove_webhook(self, webhook_id: int) -> bool:
        """See `Webhooks.remove_webhook`."""
        self._answer()
        for delivery in self._of(webhook_id):
            del self._deliveries[delivery.delivery_id]
        return self._webhooks.pop(webhook_id, None) is not None

    async def enqueue(self, deliveries: Sequence[Delivery]) -> int:
        """See `Webhooks.enqueue`."""
        self._answer()
        known = {(one.webhook_id, one.event_id) for one in self._deliveries.values()}
        kept = 0
        for one in deliveries:
            if one.webhook_id not in self._webhooks or (one.webhook_id, one.event_id) in known:
                continue
            known.add((one.webhook_id, one.event_id))
            self._last_delivery += 1
            self._deliveries[self._last_delivery] = replace(one, delivery_id=self._last_delivery)
            kept += 1
        return kept

    async def due(self, webhook_id: int, now: float, limit: int) -> list[Delivery]:
        """See `Webhooks.due`."""
        self._answer()
        return [one for one in self._of(webhook_id) if one.state == "waiting" and one.next_at <= now][:limit]

    async def delivered(self, delivery_ids: Sequence[int]) -> None:
        """See `Webhooks.delivered`."""
        self._answer()
        for delivery_id in delivery_ids:
            self._deliveries.pop(delivery_id, None)

    async def failed(self, delivery: Delivery) -> None:
        """See `Webhooks.failed`."""
        self._answer()
        if delivery.delivery_id in self._deliveries:
            self._deliveries[delivery.delivery_id] = delivery

    async def dead(self, webhook_id: int | None = None, limit: int = 100) -> list[Delivery]:
        """See `Webhooks.dead`."""
        self._answer()
        return [
            one
            for one in self._deliveries.values()
            if one.state == "dead" and (webhook_id is None or one.webhook_id == webhook_id)
        ][:limit]

    async def retry(self, webhook_id: int, now: float, delivery_id: int | None = None) -> int:
        """See `Webhooks.retry`."""
        self._answer()
        again = [one for one in self._of(webhook_id) if one.state == "dead"]
        if delivery_id is not None:
            again = [one for one in again if one.delivery_id == delivery_id]
        for one in again:
            self._deliveries[one.delivery_id] = replace(one, state="waiting", attempts=0, next_at=now)
        return len(again)

    async def forget_dead(self, webhook_id: int) -> int:
        """See `Webhooks.forget_dead`."""
        self._answer()
        gone = [one.delivery_id for one in self._of(webhook_id) if one.state == "dead"]
        for delivery_id in gone:
            del self._deliveries[delivery_id]
        return len(gone)

    async def backlogs(self) -> dict[int, Backlog]:
        """See `Webhooks.backlogs`."""
        self._answer()
        found = {}
        for webhook_id in self._webhooks:
            dead = sum(one.state == "dead" for one in self._of(webhook_id))
            waiting = len(self._of(webhook_id)) - dead
            if dead or waiting:
                found[webhook_id] = Backlog(waiting=waiting, dead=dead)
        return found

    def _of(self, webhook_id: int) -> list[Delivery]:
        return [one for one in self._deliveries.values() if one.webhook_id == webhook_id]

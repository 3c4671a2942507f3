"""Webhooks: who is told of events by HTTP, and what is still to be delivered to them.

The store keeps deliveries until they are made or given up; sending is somebody else's (`earshot.hooks`). Times are
seconds since the Unix epoch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

State = Literal["waiting", "dead"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A receiver. `types` are event types, empty for all of them; `secret` signs what is sent."""

    webhook_id: int = 0
    url: str
    secret: str
    types: frozenset[str] = frozenset()
    active: bool = True
    added_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An event on its way to one webhook. `body` is the JSON document; a `dead` one is given up until retried."""

    delivery_id: int = 0
    webhook_id: int
    event_id: int
    event_type: str
    body: bytes
    attempts: int = 0
    next_at: float = 0.0
    state: State = "waiting"
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many deliveries of a webhook wait, and how many are dead."""

    waiting: int = 0
    dead: int = 0


class Webhooks(Protocol):
    """The store of webhooks. Every method raises StoreUnavailable."""

    async def webhooks(self) -> list[Webhook]:
        """All of them, oldest first."""
        ...

    async def add_webhook(self, webhook: Webhook) -> int:
        """Add one; returns its number, which is never given again."""
        ...

    async def set_active(self, webhook_id: int, active: bool) -> bool:
        """Switch one on or off; what waits stays. False when there is none of that number."""
        ...

    async def change_webhook(self, webhook: Webhook) -> bool:
        """Keep another URL, secret, types and state; what waits stays. False when there is none of that number."""
        ...

    async def remove_webhook(self, webhook_id: int) -> bool:
        """Remove one with its deliveries. False when there is none of that number."""
        ...

    async def enqueue(self, deliveries: Sequence[Delivery]) -> int:
        """Keep these, in their order, in one transaction; those of a webhook that is gone are left out, and so is an
        event that waits for its webhook already. Returns how many were kept."""
        ...

    async def due(self, webhook_id: int, now: float, limit: int) -> list[Delivery]:
        """The waiting deliveries of a webhook whose `next_at` has come, oldest first."""
        ...

    async def delivered(self, delivery_ids: Sequence[int]) -> None:
        """These are made: forget them. Numbers that are not there are no error."""
        ...

    async def failed(self, delivery: Delivery) -> None:
        """Keep attempts, next_at, state and last_error of a delivery. No error when it is gone."""
        ...

    async def dead(self, webhook_id: int | None = None, limit: int = 100) -> list[Delivery]:
        """The dead deliveries of one webhook or of all, oldest first."""
        ...

    async def retry(self, webhook_id: int, now: float, delivery_id: int | None = None) -> int:
        """Let dead deliveries of a webhook (one, or all) wait again, due at `now`, attempts 0; returns how many."""
        ...

    async def forget_dead(self, webhook_id: int) -> int:
        """Throw the dead deliveries of a webhook away; returns how many."""
        ...

    async def backlogs(self) -> dict[int, Backlog]:
        """How much waits and is dead, by webhook; webhooks with nothing are left out."""
        ...

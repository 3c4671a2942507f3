"""Statements about webhooks and their deliveries.

The one rule: the order of a webhook's deliveries is that of their row numbers, and those are given in the order of the
events.
"""

from collections.abc import Sequence

import orjson
import sqlalchemy as sa
from sqlalchemy import bindparam

from earshot.clock import Clock
from earshot.ports.webhooks import Backlog, Delivery, Webhook
from earshot.store.database import Database, Query
from earshot.store.webhook_tables import DELIVERIES, WEBHOOKS

W, D = WEBHOOKS.c, DELIVERIES.c
AT_ONCE = 500

ALL = Query(sa.select(W.ident, W.url, W.secret, W.types, W.active, W.added_at).order_by(W.ident))
WHOLE = (
    D.ident,
    D.webhook_id,
    D.event_id,
    D.event_type,
    D.body,
    D.attempts,
    D.next_at,
    D.state,
    D.last_error,
)
OF_WEBHOOK = D.webhook_id == bindparam("webhook_id")
DUE = Query(
    sa.select(*WHOLE)
    .where(OF_WEBHOOK, D.state == "waiting", D.next_at <= bindparam("now"))
    .order_by(D.ident)
    .limit(bindparam("count"))
)
ALL_DEAD = Query(sa.select(*WHOLE).where(D.state == "dead").order_by(D.ident).limit(bindparam("count")))
DEAD = Query(sa.select(*WHOLE).where(OF_WEBHOOK, D.state == "dead").order_by(D.ident).limit(bindparam("count")))
COUNTS = Query(sa.select(D.webhook_id, D.state, sa.func.count()).group_by(D.webhook_id, D.state))


class SqlWebhooks:
    """The port `earshot.ports.webhooks.Webhooks` over a database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def webhooks(self) -> list[Webhook]:
        """See `Webhooks.webhooks`."""
        return [
            Webhook(
                webhook_id=ident,
                url=url,
                secret=secret,
                types=frozenset(orjson.loads(types)),
                active=bool(active),
                added_at=added_at,
            )
            for ident, url, secret, types, active, added_at in await self._database.read(ALL)
        ]

    async def add_webhook(self, webhook: Webhook) -> int:
        """See `Webhooks.add_webhook`."""
        values = {
            "url": webhook.url,
            "secret": webhook.secret,
            "types": orjson.dumps(sorted(webhook.types)).decode(),
            "active": webhook.active,
            "added_at": webhook.added_at or self._clock.now(),
        }
        async with self._database.write() as connection:
            made = await connection.execute(sa.insert(WEBHOOKS).values(values).returning(W.ident))
            return int(made.scalar_one())

    async def set_active(self, webhook_id: int, active: bool) -> bool:
        """See `Webhooks.set_active`."""
        async with self._database.write() as connection:
            done = await connection.execute(sa.update(WEBHOOKS).where(W.ident == webhook_id).values(active=active))
            return done.rowcount > 0

    async def change_webhook(self, webhook: Webhook) -> bool:
        """See `Webhooks.change_webhook`."""
        values = {
            "url": webhook.url,
            "secret": webhook.secret,
            "types": orjson.dumps(sorted(webhook.types)).decode(),
            "active": webhook.active,
        }
        async with self._database.write() as connection:
            done = await connection.execute(sa.update(WEBHOOKS).where(W.ident == webhook.webhook_id).values(values))
            return done.rowcount > 0

    async def remove_webhook(self, webhook_id: int) -> bool:
        """See `Webhooks.remove_webhook`."""
        async with self._database.write() as connection:
            await connection.execute(sa.delete(DELIVERIES).where(D.webhook_id == webhook_id))
            done = await connection.execute(sa.delete(WEBHOOKS).where(W.ident == webhook_id))
            return done.rowcount > 0

    async def enqueue(self, deliveries: Sequence[Delivery]) -> int:
        """See `Webhooks.enqueue`."""
        if not deliveries:
            return 0
        kept = 0
        async with self._database.write() as connection:
            there = {ident for (ident,) in await connection.execute(sa.select(W.ident))}
            wanted = {(one.webhook_id, one.event_id): one for one in deliveries if one.webhook_id in there}
            events = sorted({event_id for _, event_id in wanted})
            for start in range(0, len(events), AT_ONCE):
                some = events[start : start + AT_ONCE]
                known = await connection.execute(sa.select(D.webhook_id, D.event_id).where(D.event_id.in_(some)))
                for webhook_id, event_id in known:
                    wanted.pop((webhook_id, event_id), None)
            kept = len(wanted)
            if wanted:
                await connection.execute(sa.insert(DELIVERIES), [_columns(one) for one in wanted.values()])
        return kept

    async def due(self, webhook_id: int, now: float, limit: int) -> list[Delivery]:
        """See `Webhooks.due`."""
        rows = await self._database.read(DUE, webhook_id=webhook_id, now=now, count=limit)
        return [_delivery(row) for row in rows]

    async def delivered(self, delivery_ids: Sequence[int]) -> None:
        """See `Webhooks.delivered`."""
        async with self._database.write() as connection:
            for start in range(0, len(delivery_ids), AT_ONCE):
                some = delivery_ids[start : start + AT_ONCE]
                await connection.execute(sa.delete(DELIVERIES).where(D.ident.in_(some)))

    async def failed(self, delivery: Delivery) -> None:
        """See `Webhooks.failed`."""
        values = {
            "attempts": delivery.attempts,
            "next_at": delivery.next_at,
            "state": delivery.state,
            "last_error": delivery.last_error,
        }
        async with self._database.write() as connection:
            await connection.execute(sa.update(DELIVERIES).where(D.ident == delivery.delivery_id).values(values))

    async def dead(self, webhook_id: int | None = None, limit: int = 100) -> list[Delivery]:
        """See `Webhooks.dead`."""
        if webhook_id is None:
            rows = await self._database.read(ALL_DEAD, count=limit)
        else:
            rows = await self._database.read(DEAD, webhook_id=webhook_id, count=limit)
        return [_delivery(row) for row in rows]

    async def retry(self, webhook_id: int, now: float, delivery_id: int | None = None) -> int:
        """See `Webhooks.retry`."""
        which = [D.webhook_id == webhook_id, D.state == "dead"]
        if delivery_id is not None:
            which.append(D.ident == delivery_id)
        async with self._database.write() as connection:
            again = sa.update(DELIVERIES).where(*which).values(state="waiting", attempts=0, next_at=now)
            return (await connection.execute(again)).rowcount

    async def forget_dead(self, webhook_id: int) -> int:
        """See `Webhooks.forget_dead`."""
        async with self._database.write() as connection:
            gone = sa.delete(DELIVERIES).where(D.webhook_id == webhook_id, D.state == "dead")
            return (await connection.execute(gone)).rowcount

    async def backlogs(self) -> dict[int, Backlog]:
        """See `Webhooks.backlogs`."""
        counted: dict[int, dict[str, int]] = {}
        for webhook_id, state, count in await self._database.read(COUNTS):
            counted.setdefault(webhook_id, {})[state] = count
        return {
            webhook_id: Backlog(waiting=states.get("waiting", 0), dead=states.get("dead", 0))
            for webhook_id, states in counted.items()
        }


def _columns(one: Delivery) -> dict[str, object]:
    return {
        "webhook_id": one.webhook_id,
        "event_id": one.event_id,
        "event_type": one.event_type,
        "body": one.body,
        "attempts": one.attempts,
        "next_at": one.next_at,
        "state": one.state,
        "last_error": one.last_error,
    }


def _delivery(row: tuple[object, ...]) -> Delivery:
    names = (column.name for column in WHOLE[1:])
    return Delivery(delivery_id=row[0], **dict(zip(names, row[1:], strict=True)))  # type: ignore[arg-type]

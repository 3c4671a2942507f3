"""What people do about webhooks: add, change and remove them, look at what was given up, and have it tried again.

Deliveries are made by `earshot.services.webhooks`, which looks every second at what is kept here. The one rule: every
change is in the audit trail, and a secret never is.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from earshot.actor import Actor
from earshot.api.audit import AuditTrail
from earshot.clock import Clock
from earshot.errors import BadInput
from earshot.hooks.signing import new_secret
from earshot.hooks.targets import checked_url
from earshot.ports.webhooks import Backlog, Delivery, Webhook, Webhooks
from earshot.protocol.registration import event_types

LONGEST_SECRET = 255
LARGEST = 2**63 - 1


class NoWebhook(LookupError):
    """There is no webhook of that number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"there is no webhook {number}")


class WebhookDesk:
    """All that is done with webhooks by hand. `audit` gives the trail of the moment. Every method raises
    StoreUnavailable."""

    def __init__(self, store: Webhooks, clock: Clock, audit: Callable[[], AuditTrail]) -> None:
        self._store = store
        self._clock = clock
        self._audit = audit

    async def listed(self) -> list[tuple[Webhook, Backlog]]:
        """All of them, oldest first, with what waits for each."""
        backlogs = await self._store.backlogs()
        return [(one, backlogs.get(one.webhook_id, Backlog())) for one in await self._store.webhooks()]

    async def one(self, number: int) -> tuple[Webhook, Backlog]:
        """The webhook of that number. Raises NoWebhook."""
        for webhook, backlog in await self.listed():
            if webhook.webhook_id == number:
                return webhook, backlog
        raise NoWebhook(number)

    async def add(self, actor: Actor, url: str, types: str = "", secret: str = "") -> Webhook:
        """Add one for the event types of a list with commas (blank: all); a blank secret is made up. Raises
        BadInput."""
        made = Webhook(url=checked_url(url), secret=_secret(secret) or new_secret(), types=event_types(types))
        async with self._audit().together():
            made = replace(made, webhook_id=await self._store.add_webhook(made))
            await self._note(actor, "created", made.webhook_id, url=made.url, types=_words(made))
        return made

    async def change(
        self,
        actor: Actor,
        number: int,
        *,
        url: str | None = None,
        types: str | None = None,
        secret: str | None = None,
        active: bool | None = None,
    ) -> Webhook:
        """Change what is not None; a blank secret is made up anew. What waits for it stays. Raises NoWebhook,
        BadInput."""
        before, _ = await self.one(number)
        wanted = Webhook(
            webhook_id=number,
            url=before.url if url is None else checked_url(url),
            secret=before.secret if secret is None else _secret(secret) or new_secret(),
            types=before.types if types is None else event_types(types),
            active=before.active if active is None else active,
            added_at=before.added_at,
        )
        if wanted != before:
            async with self._audit().together():
                if not await self._store.change_webhook(wanted):
                    raise NoWebhook(number)
                await self._note(
                    actor,
                    "changed",
                    number,
                    url=wanted.url if wanted.url != before.url else "",
                    types=_words(wanted) if wanted.types != before.types else "",
                    signature="another key" if wanted.secret != before.secret else "",
                    active=("yes" if wanted.active else "no") if wanted.active != before.active else "",
                )
        return wanted

    async def remove(self, actor: Actor, number: int) -> None:
        """Remove one with all that waits for it. Raises NoWebhook."""
        async with self._audit().together():
            if not 0 < number <= LARGEST or not await self._store.remove_webhook(number):
                raise NoWebhook(number)
            await self._note(actor, "deleted", number)

    async def dead(self, number: int | None = None, limit: int = 100) -> Sequence[Delivery]:
        """What was given up for one webhook, or for all of them, oldest first."""
        return await self._store.dead(number, limit)

    async def retry(self, actor: Actor, number: int, delivery: int | None = None) -> int:
        """Let what was given up (one delivery, or all) be tried again; returns how many. Raises NoWebhook."""
        await self.one(number)
        async with self._audit().together():
            count = await self._store.retry(number, self._clock.now(), delivery)
            if count:
                await self._note(actor, "redelivered", number, deliveries=str(count))
        return count

    async def _note(self, actor: Actor, act: str, number: int, **detail: str) -> None:
        await self._audit().note(actor, act, f"webhook {number}", **detail)


def _words(webhook: Webhook) -> str:
    return ", ".join(sorted(webhook.types)) or "all"


def _secret(text: str) -> str:
    if len(text) > LONGEST_SECRET or not text.isprintable():
        raise BadInput(f"a secret is printable and has at most {LONGEST_SECRET} characters")
    return text

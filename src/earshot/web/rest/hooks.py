"""Webhooks: who is told of events by HTTP, and what could not be delivered.

The one rule: a secret is in the answer that made it and nowhere else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from earshot.api.permissions import SYSTEM_CONFIGURATION
from earshot.api.webhooks import LONGEST_SECRET, NoWebhook, WebhookDesk
from earshot.errors import BadInput
from earshot.ports.webhooks import Backlog, Delivery, Webhook
from earshot.protocol.results import INVALID_FORMAT
from earshot.web.rest.desk import LAST_NUMBER, Desk, who
from earshot.web.rest.frame import route
from earshot.web.rest.problems import Problem
from earshot.web.rest.values import In, Limit, Listed, Moment, Name, Out

Number = Annotated[int, Path(ge=1, le=LAST_NUMBER)]
Url = Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
Secret = Annotated[str, StringConstraints(max_length=LONGEST_SECRET)]
Types = Annotated[list[Name], Field(max_length=100, description="Event types; none stands for all.")]


class WebhookOut(Out):
    """A webhook without its secret, and how much waits for it or was given up."""

    number: int
    url: str
    types: list[str]
    active: bool
    added_at: Moment | None
    waiting: int
    dead: int


class WebhookMade(WebhookOut):
    """A webhook with the key that signs what is sent, shown this once; null where it stays as it was."""

    secret: str | None


class WebhookNew(In):
    """Where events are posted to, and which. Without a secret one is made up."""

    url: Url
    types: Types = Field(default_factory=list)
    secret: Secret = ""


class WebhookChange(In):
    """What is to be changed; an empty secret is made up anew."""

    url: Url | None = None
    types: Types | None = None
    secret: Secret | None = None
    active: bool | None = None


class DeadOut(Out):
    """A delivery that was given up; `event_id` is EVENTID."""

    delivery_id: int
    webhook: int
    event_id: int
    event_type: str
    attempts: int
    last_error: str


class Retried(Out):
    """How many deliveries wait again."""

    count: int


class Hooks:
    """/v1/webhooks."""

    tag = "webhooks"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def _webhooks(self) -> WebhookDesk:
        found = self._desk.context.webhooks
        if found is None:
            raise Problem(503, "There are no webhooks in this process")
        return found

    @route("GET", "/v1/webhooks", SYSTEM_CONFIGURATION, summary="List webhooks")
    async def listed(self, request: Request) -> Listed[WebhookOut]:
        """Oldest first."""
        return Listed(items=[WebhookOut(**self._facts(*one)) for one in await self._webhooks.listed()])

    @route("GET", "/v1/webhooks/{number:int}", SYSTEM_CONFIGURATION, summary="One webhook")
    async def one(self, request: Request, number: Number) -> WebhookOut:
        """With what waits for it."""
        with refusals():
            return WebhookOut(**self._facts(*await self._webhooks.one(number)))

    @route("POST", "/v1/webhooks", SYSTEM_CONFIGURATION, summary="Add a webhook", status=201)
    async def add(self, request: Request, body: WebhookNew) -> WebhookMade:
        """Deliveries begin within a second. Keep the secret: it is shown this once."""
        with refusals():
            made = await self._webhooks.add(who(request), body.url, ",".join(body.types), body.secret)
            return WebhookMade(**self._facts(*await self._webhooks.one(made.webhook_id)), secret=made.secret)

    @route("PATCH", "/v1/webhooks/{number:int}", SYSTEM_CONFIGURATION, summary="Change a webhook")
    async def change(self, request: Request, number: Number, body: WebhookChange) -> WebhookMade:
        """What waits for it stays, also while it is not active."""
        with refusals():
            changed = await self._webhooks.change(
                who(request),
                number,
                url=body.url,
                types=None if body.types is None else ",".join(body.types),
                secret=body.secret,
                active=body.active,
            )
            secret = None if body.secret is None else changed.secret
            return WebhookMade(**self._facts(*await self._webhooks.one(number)), secret=secret)

    @route("DELETE", "/v1/webhooks/{number:int}", SYSTEM_CONFIGURATION, summary="Remove a webhook", status=204)
    async def remove(self, request: Request, number: Number) -> Response:
        """With everything that waits for it."""
        with refusals():
            await self._webhooks.remove(who(request), number)
        return Response(status_code=204)

    @route("GET", "/v1/webhooks/dead", SYSTEM_CONFIGURATION, summary="List what could not be delivered")
    async def dead(
        self,
        request: Request,
        webhook: Annotated[int | None, Query(ge=1, le=LAST_NUMBER, description="Only those of this one.")] = None,
        limit: Limit = 50,
    ) -> Listed[DeadOut]:
        """Oldest first. It is kept until it is tried again or the webhook is removed."""
        return Listed(items=[_dead(one) for one in await self._webhooks.dead(webhook, limit)])

    @route("POST", "/v1/webhooks/{number:int}/retry", SYSTEM_CONFIGURATION, summary="Try again what was given up")
    async def retry(
        self,
        request: Request,
        number: Number,
        delivery: Annotated[int | None, Query(ge=1, le=LAST_NUMBER, description="Only this one.")] = None,
    ) -> Retried:
        """All of it, or one delivery."""
        with refusals():
            return Retried(count=await self._webhooks.retry(who(request), number, delivery))

    def _facts(self, webhook: Webhook, backlog: Backlog) -> dict[str, Any]:
        return {
            "number": webhook.webhook_id,
            "url": webhook.url,
            "types": sorted(webhook.types),
            "active": webhook.active,
            "added_at": self._desk.time_or_none(webhook.added_at),
            "waiting": backlog.waiting,
            "dead": backlog.dead,
        }


def _dead(one: Delivery) -> DeadOut:
    plain = ("delivery_id", "event_id", "event_type", "attempts", "last_error")
    return DeadOut(**{name: getattr(one, name) for name in plain}, webhook=one.webhook_id)


@contextmanager
def refusals() -> Iterator[None]:
    """Brings what the desk refuses to problems."""
    try:
        yield
    except NoWebhook as missing:
        raise Problem(404, f"{missing}".capitalize()) from None
    except BadInput as wrong:
        raise Problem(400, str(wrong), INVALID_FORMAT) from None

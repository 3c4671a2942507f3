"""One delivery, posted once: what the receiver said, as a value.

What does not live here: whether and when to try again. The one rule: an attempt ends within `timeout_s`, follows no
redirect, and reads no more of an answer than is worth showing.
"""

import asyncio
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Final, Self

import httpx

from earshot import __version__
from earshot.clock import Clock
from earshot.hooks.signing import HEADER, signature
from earshot.hooks.targets import NotAllowed, Targets
from earshot.ports.webhooks import Delivery, Webhook

READ_BYTES: Final = 4096
SHOWN: Final = 200
COME_BACK: Final = frozenset({408, 425, 429})
"""Client errors that say: later."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt. `refused`: the receiver was reached and does not want this one; neither: it could not
    be reached, or failed. `why` is for people."""

    ok: bool
    refused: bool = False
    why: str = ""


class Poster:
    """Posts deliveries; connections are kept for the next one. Use it as a context."""

    def __init__(self, clock: Clock, targets: Targets, timeout_s: float = 10.0) -> None:
        self._clock = clock
        self._targets = targets
        self._timeout_s = timeout_s

    @cached_property
    def _client(self) -> httpx.AsyncClient:
        """Made for the first delivery: reading the certificates of all authorities would slow every start."""
        return httpx.AsyncClient(
            timeout=self._timeout_s,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=30.0),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if "_client" in self.__dict__:
            await self._client.aclose()

    async def post(self, webhook: Webhook, delivery: Delivery) -> Outcome:
        """Try once. Never raises but when it is cancelled."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._post(webhook, delivery)
        except (TimeoutError, httpx.TimeoutException):
            return Outcome(False, why=f"no answer within {self._timeout_s:g} s")
        except NotAllowed as why:
            return Outcome(False, refused=True, why=str(why))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as why:
            return Outcome(False, why=(str(why) or type(why).__name__)[:SHOWN])

    async def _post(self, webhook: Webhook, delivery: Delivery) -> Outcome:
        url = httpx.URL(webhook.url)
        port = url.port or (443 if url.scheme == "https" else 80)
        address = await self._targets.address_for(url.host, port)
        headers = {
            "Host": url.netloc.decode("ascii"),
            "Content-Type": "application/json",
            "User-Agent": f"Earshot/{__version__}",
            "Earshot-Event": delivery.event_type,
            "Earshot-Event-Id": str(delivery.event_id),
            "Earshot-Attempt": str(delivery.attempts + 1),
            HEADER: signature(webhook.secret, self._clock.now(), delivery.body),
        }
        extensions = {"sni_hostname": url.host} if address and url.scheme == "https" else {}
        where = url.copy_with(host=address) if address else url
        async with self._client.stream(
            "POST", where, content=delivery.body, headers=headers, extensions=extensions
        ) as response:
            return _outcome(response.status_code, await _beginning(response))


async def _beginning(response: httpx.Response) -> bytes:
    read = b""
    async for piece in response.aiter_raw(READ_BYTES):
        read += piece
        if len(read) > READ_BYTES:
            break
    return read


def _outcome(status: int, body: bytes) -> Outcome:
    if 200 <= status < 300:
        return Outcome(True)
    said = "".join(char if char.isprintable() else " " for char in body.decode("utf-8", "replace"))
    why = f"HTTP {status} {said}".strip()[:SHOWN]
    return Outcome(False, refused=300 <= status < 500 and status not in COME_BACK, why=why)

"""The doors of the API: the event port, the XML protocol, HTTP with its pages; each plain and, with a certificate, TLS.

Not here: SIP and RTP, which belong to the core. The one rule: a door opens only when everything behind it stands, and
all of them close together.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Protocol

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from earshot.api.dispatch import Api
from earshot.api.exports import media_of
from earshot.api.happenings import LiveView
from earshot.api.media import MediaReply
from earshot.api.metrics import Gauges
from earshot.api.terminology import page_terms
from earshot.api.tokens import Tokens
from earshot.certificate import certificate_of
from earshot.config import Settings
from earshot.listeners.events import EventPort
from earshot.listeners.http import serve_http
from earshot.listeners.rtp import RtpSettings
from earshot.listeners.tcp import TcpLimits, serve_tcp
from earshot.premises import numeric, shared_token
from earshot.protocol.xml import write
from earshot.services import House
from earshot.store.sql.tokens import SqlTokens
from earshot.web.application import build_app
from earshot.web.bearers import Bearers
from earshot.web.console import Console
from earshot.web.logins import Logins, LoginSettings
from earshot.web.passwords import PasswordChecker


class _Door(Protocol):
    async def close(self) -> None: ...


def rtp_settings(settings: Settings) -> RtpSettings:
    """How sound is received."""
    first, last = settings.rtp_range
    return RtpSettings(
        host=settings.host,
        first_port=first,
        last_port=last,
        even_only=last - first >= 100,
        cool_down_s=settings.port_cooldown_s,
        ring_mb=settings.rtp_ring_mb if settings.rtp_capture == "ring" else 0,
    )


class Doors:
    """All of them. `addresses` says, name by name, where they are; `web` is the application behind the HTTP port."""

    def __init__(
        self,
        house: House,
        registry: CollectorRegistry,
        counters: Counter[str],
        notices: Callable[[], tuple[str, ...]],
    ) -> None:
        self._house = house
        self._api = Api(house.context)
        self._registry = registry
        registry.register(Gauges(house.gauges))
        self._counters = counters
        self._notices = lambda: (*notices(), *house.said())
        self._open: list[_Door] = []
        self.addresses: dict[str, str] = {}
        self.web: Starlette

    async def open(self) -> None:
        """Listen everywhere. Raises OSError, ConfigurationError; `close` ends what was opened until then."""
        certificate = certificate_of(self._house.settings, self._house.clock)
        tls = None
        if certificate is not None:
            tls = certificate.context
            self._house.spawner.spawn("certificate", certificate.watch())
            self._house.notices.append(certificate.said)
        await self._open_api(tls)
        await self._open_events(tls)
        await self._open_http(tls)

    async def close(self) -> None:
        """Stop listening and end all connections."""
        await asyncio.gather(*(door.close() for door in self._open))

    async def _open_api(self, tls: ssl.SSLContext | None) -> None:
        house, settings = self._house, self._house.settings
        serve = partial(
            serve_tcp,
            settings.host,
            handler=self._api,  # type: ignore[arg-type]
            clock=house.clock,
            spawner=house.spawner,
            allow=settings.allowed_at("api"),
            token=shared_token(settings),
            limits=TcpLimits(
                max_bytes=settings.max_message_bytes,
                partial_idle_s=settings.message_timeout_s,
                partial_total_s=settings.message_timeout_s * 4,
                idle_s=settings.connection_timeout_s,
            ),
            counters=self._counters,
            dialect=house.context.dialect,
        )
        door = await serve(settings.api_port)
        self._open.append(door)
        self.addresses["api"] = f"tcp://{settings.host}:{door.port}"
        if tls is not None and settings.api_tls_port >= 0:
            door = await serve(settings.api_tls_port, tls=tls)
            self._open.append(door)
            self.addresses["api_tls"] = f"tls://{settings.host}:{door.port}"

    async def _open_events(self, tls: ssl.SSLContext | None) -> None:
        house, settings = self._house, self._house.settings
        door = EventPort(
            house.events,
            settings.allowed_at("events"),
            lambda: datetime.fromtimestamp(house.clock.now(), house.zone),
            dialect=house.context.dialect,
            counters=self._counters,
            token=shared_token(settings),
        )
        self._open.append(door)
        await door.start(settings.host, settings.events_port)
        self.addresses["events"] = f"tcp://{settings.host}:{door.port}"
        if tls is not None and settings.events_tls_port >= 0:
            await door.start(settings.host, settings.events_tls_port, tls)
            self.addresses["events_tls"] = f"tls://{settings.host}:{door.ports[1]}"

    async def _open_http(self, tls: ssl.SSLContext | None) -> None:
        house, settings = self._house, self._house.settings
        self.web = build_app(
            self._console(),
            self._api.answer,
            allowed=settings.allowed_at("http_api"),
            written=partial(write, dialect=house.context.dialect),
            more=house.routes,
            token=shared_token(settings),
            counters=self._counters,
        )
        serve = partial(serve_http, self.web, settings.host, spawner=house.spawner, clock=house.clock)
        door = await serve(settings.http_port)
        self._open.append(door)
        self.addresses["http"] = f"http://{settings.host}:{door.port}"
        url = settings.public_url or f"http://{numeric(settings.host)}:{door.port}"
        house.context.settings = house.context.settings.with_url(url)
        if tls is not None and settings.https_port >= 0:
            door = await serve(settings.https_port, tls=tls)
            self._open.append(door)
            self.addresses["https"] = f"https://{settings.host}:{door.port}"

    def _console(self) -> Console:
        house, settings, context = self._house, self._house.settings, self._house.context
        lasting = LoginSettings(longest_s=settings.session_hours * 3600, idle_s=settings.session_idle_minutes * 60)
        tokens = Tokens(SqlTokens(house.database), context.authority, house.clock, lambda: context.audit)
        return Console(
            store=house.store,
            storage=house.storage,
            clock=house.clock,
            live=LiveView(context, self._notices),
            logins=Logins(
                house.store,
                house.clock,
                PasswordChecker(),
                audit=context.audit,
                settings=lasting,
                counters=self._counters,
            ),
            authority=context.authority,
            bearers=Bearers(tokens, house.clock, context.audit, counters=self._counters),
            audit=context.audit,
            retention=context.retention,
            export=self._export,
            registry=self._registry,
            zone=house.zone,
            terms=lambda: page_terms(context.preferences),
        )

    async def _export(self, record_id: int, wanted: str, hears: bool) -> MediaReply | None:
        row = await self._house.store.recording(record_id)
        return await media_of(self._house.context, row, wanted.upper(), hears=hears) if row is not None else None

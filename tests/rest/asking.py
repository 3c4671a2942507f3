"""A server with users and tokens, and a client that asks it with one of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from tests.plain_http import http_client
from tests.servers import Speaker, in_process

from earshot.actor import SYSTEM
from earshot.api.tokens import Tokens, scopes_named
from earshot.clock import SystemClock
from earshot.errors import StoreUnavailable
from earshot.ports import User
from earshot.store.sql.tokens import SqlTokens


class Desk:
    """A running server. `admin` may do everything; `as_user` makes somebody who may do less."""

    def __init__(self, server: Speaker) -> None:
        self.server = server
        self.url = f"http://{server.host}:{server.http_port}"
        assert server.inside is not None
        self.inside = server.inside
        self.context = server.inside.context
        self.clients: list[httpx.AsyncClient] = []

    def client(self, **headers: str) -> httpx.AsyncClient:
        """A client with these headers; closed with the server."""
        made = http_client(base_url=self.url, headers=headers, timeout=60)
        self.clients.append(made)
        return made

    async def token(self, user_id: int, *scopes: str) -> str:
        """A new API token."""
        tokens = Tokens(
            SqlTokens(self.inside.database), self.context.authority, SystemClock(), lambda: self.context.audit
        )
        return (await tokens.create(SYSTEM, user_id, "crm", scopes_named(list(scopes)), 1))[1]

    async def with_token(self, user_id: int, *scopes: str) -> httpx.AsyncClient:
        """A client with a new token."""
        return self.client(authorization=f"Bearer {await self.token(user_id, *scopes)}")

    async def admin(self, *scopes: str) -> httpx.AsyncClient:
        """A client of the administrator."""
        return await self.with_token(1, *(scopes or ("all",)))

    async def agent(self, username: str, *permissions: str, **fields: Any) -> int:
        """A user with a role that allows these; returns USERID."""
        user_id = await self.context.store.add_user(User(username=username, **fields))
        if permissions:
            role = await self.context.access.add_role(f"role of {username}")
            for permission in permissions:
                await self.context.access.grant(role, "permission", permission)
            await self.context.access.give_role(role, user_id)
        await self.context.refresh_directory()
        return user_id

    async def acts(self) -> list[tuple[str, str, str]]:
        """The audit trail: actor, act, subject, oldest first."""
        found = (await (await self.admin()).get("/api/v1/audit", params={"limit": 200})).json()["items"]
        return [(one["actor"], one["act"], one["subject"]) for one in reversed(found)]


@asynccontextmanager
async def a_desk(data_dir: Path, **settings: Any) -> AsyncIterator[Desk]:
    """A server whose USERID 1 is an administrator."""
    async with in_process(data_dir, **settings) as server:
        desk = Desk(server)
        await _with_administrator(desk)
        try:
            yield desk
        finally:
            for client in desk.clients:
                await client.aclose()


async def _with_administrator(desk: Desk) -> None:
    """Add USERID 1 as soon as the database is open: a server starts without it, and on a busy machine does."""
    async with asyncio.timeout(60):
        while True:
            try:
                await desk.context.store.add_user(User(username="boss", is_admin=True))
            except StoreUnavailable:
                await asyncio.sleep(0.05)
            else:
                return

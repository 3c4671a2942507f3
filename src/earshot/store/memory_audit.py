"""The audit trail and API tokens in memory: for tests, and for a server that need not remember.

Same contract as `sql.audit` and `sql.tokens` (tests/contracts). The one rule: as there, entries are only ever added.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from earshot.errors import StoreUnavailable
from earshot.ports import NotFound, Store, User
from earshot.ports.audit import ApiToken, AuditEntry, AuditFilter
from earshot.store.people import may_log_in


class MemoryAudit:
    """The port `earshot.ports.audit.AuditLog` without a database. `unavailable` makes every method fail."""

    def __init__(self) -> None:
        self.unavailable = False
        self._entries: list[AuditEntry] = []

    def _answer(self) -> None:
        if self.unavailable:
            raise StoreUnavailable("the trail in memory was told to be away")

    async def append(self, entries: Sequence[AuditEntry]) -> list[int]:
        """See `AuditLog.append`."""
        self._answer()
        first = len(self._entries) + 1
        numbers = list(range(first, first + len(entries)))
        self._entries += [
            replace(entry, number=number, details=dict(entry.details))
            for number, entry in zip(numbers, entries, strict=True)
        ]
        return numbers

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        """See `AuditLog.together`, for one task at a time; what is kept elsewhere is not undone."""
        self._answer()
        count = len(self._entries)
        try:
            yield
        except BaseException:
            del self._entries[count:]
            raise

    async def entries(self, wanted: AuditFilter, limit: int) -> list[AuditEntry]:
        """See `AuditLog.entries`."""
        self._answer()
        newest_first = sorted(self._entries, key=lambda entry: (entry.at, entry.number), reverse=True)
        return [entry for entry in newest_first if _matches(entry, wanted)][: max(limit, 0)]


def _matches(entry: AuditEntry, wanted: AuditFilter) -> bool:
    if wanted.subject.endswith("*"):
        about = entry.subject.startswith(wanted.subject[:-1])
    else:
        about = wanted.subject in ("", entry.subject)
    return (
        about
        and wanted.actor in ("", entry.actor)
        and wanted.act in ("", entry.act)
        and (wanted.since is None or entry.at >= wanted.since)
        and (wanted.until is None or entry.at <= wanted.until)
        and (wanted.before is None or (entry.at, entry.number) < wanted.before)
    )


class MemoryTokens:
    """The port `earshot.ports.audit.TokenStore` without a database; whose they are is asked of `store`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tokens: dict[int, tuple[str, ApiToken]] = {}

    async def _user(self, user_id: int) -> User | None:
        return next((user for user in await self._store.users() if user.user_id == user_id), None)

    async def add(self, token: ApiToken, token_sha256: str) -> int:
        """See `TokenStore.add`."""
        if await self._user(token.user_id) is None:
            raise NotFound(f"there is no user {token.user_id}")
        number = len(self._tokens) + 1
        self._tokens[number] = (token_sha256, replace(token, number=number))
        return number

    async def tokens(self, user_id: int | None = None) -> list[ApiToken]:
        """See `TokenStore.tokens`."""
        await self._store.users()
        return [token for _, token in reversed(self._tokens.values()) if user_id in (None, token.user_id)]

    async def bearer(self, token_sha256: str) -> tuple[ApiToken, User] | None:
        """See `TokenStore.bearer`."""
        await self._store.users()
        for known, token in self._tokens.values():
            if known == token_sha256:
                user = await self._user(token.user_id)
                return (token, user) if user is not None and may_log_in(user) else None
        return None

    async def used(self, number: int, at: float) -> None:
        """See `TokenStore.used`."""
        await self._store.users()
        if number in self._tokens:
            sha, token = self._tokens[number]
            self._tokens[number] = (sha, replace(token, used_at=at))

    async def revoke(self, number: int, at: float, user_id: int | None = None) -> bool:
        """See `TokenStore.revoke`."""
        await self._store.users()
        sha, token = self._tokens.get(number, ("", None))
        if token is None or token.revoked_at or user_id not in (None, token.user_id):
            return False
        self._tokens[number] = (sha, replace(token, revoked_at=at))
        return True

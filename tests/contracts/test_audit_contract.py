"""What every audit trail and every store of API tokens must do, run against each of them."""

import inspect
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from earshot.clock import FakeClock
from earshot.ports import NotFound, Store, User
from earshot.ports.audit import ApiToken, AuditEntry, AuditFilter, AuditLog, TokenStore
from earshot.store.memory import MemoryStore
from earshot.store.memory_audit import MemoryAudit, MemoryTokens
from earshot.store.sql import SqlStore, database_at
from earshot.store.sql.audit import SqlAudit
from earshot.store.sql.tokens import SqlTokens

NOW = 1_700_000_000.0


@dataclass
class Kept:
    store: Store
    audit: AuditLog
    tokens: TokenStore


@pytest.fixture(params=["memory", "sqlite"])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    clock = FakeClock(NOW)
    if request.param == "memory":
        memory = MemoryStore(clock)
        made = Kept(memory, MemoryAudit(), MemoryTokens(memory))
    else:
        database = database_at(f"sqlite:///{tmp_path / 'earshot.db'}")
        made = Kept(SqlStore(database, clock), SqlAudit(database), SqlTokens(database))
    await made.store.open()
    yield made
    await made.store.close()


def entry(at: float = NOW, act: str = "exported", subject: str = "recording 17", **more: Any) -> AuditEntry:
    usual: dict[str, Any] = {"kind": "person", "actor": "admin", "user_id": 1, "address": "192.0.2.7"}
    return AuditEntry(at=at, act=act, subject=subject, **usual | more)


async def numbers(audit: AuditLog, limit: int = 100, **wanted: Any) -> list[int]:
    return [one.number for one in await audit.entries(AuditFilter(**wanted), limit)]


class TestTrail:
    async def test_an_entry_comes_back_as_it_was_written(self, kept: Kept) -> None:
        written = entry(details={"format": "WAV", "näme": "Zoë & <b>"}, kind="token", actor="Zoë/nightly")
        assert await kept.audit.append([written]) == [1]
        (found,) = await kept.audit.entries(AuditFilter(), 10)
        assert found == entry(
            number=1, details={"format": "WAV", "näme": "Zoë & <b>"}, kind="token", actor="Zoë/nightly"
        )

    async def test_newest_first_by_time_then_number(self, kept: Kept) -> None:
        await kept.audit.append([entry(NOW + 5), entry(NOW), entry(NOW + 5), entry(NOW + 9)])
        assert await numbers(kept.audit) == [4, 3, 1, 2]
        assert await numbers(kept.audit, 2) == [4, 3]
        assert await numbers(kept.audit, 0) == []

    async def test_pages_go_on_where_the_last_one_ended(self, kept: Kept) -> None:
        await kept.audit.append([entry(NOW + number // 3) for number in range(10)])
        seen: list[int] = []
        before = None
        while page := await kept.audit.entries(AuditFilter(before=before), 3):
            seen += [one.number for one in page]
            before = (page[-1].at, page[-1].number)
        assert seen == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]

    async def test_filters_add_up(self, kept: Kept) -> None:
        await kept.audit.append(
            [
                entry(NOW, "exported", "recording 17"),
                entry(NOW + 1, "listened", "recording 17", actor="sally"),
                entry(NOW + 2, "exported", "recording 171", actor="sally"),
                entry(NOW + 3, "changed", "user sally"),
                entry(NOW + 4, "logged in", ""),
            ]
        )
        for wanted, found in (
            ({"actor": "sally"}, [3, 2]),
            ({"act": "exported"}, [3, 1]),
            ({"subject": "recording 17"}, [2, 1]),
            ({"subject": "recording 17*"}, [3, 2, 1]),
            ({"subject": "recording*", "actor": "admin"}, [1]),
            ({"subject": "*"}, [5, 4, 3, 2, 1]),
            ({"since": NOW + 1, "until": NOW + 3}, [4, 3, 2]),
            ({"since": NOW + 5}, []),
            ({"actor": "SALLY"}, []),
            ({"act": "exported", "until": NOW + 1, "before": (NOW + 1, 99)}, [1]),
            ({"subject": "recording' OR 1=1 --"}, []),
        ):
            assert await numbers(kept.audit, **wanted) == found, wanted

    async def test_several_entries_are_one_transaction(self, kept: Kept) -> None:
        with pytest.raises(Exception):  # noqa: B017 a value that no store can hold
            await kept.audit.append([entry(), entry(details=17)])
        assert await numbers(kept.audit) == []

    def test_nothing_changes_or_removes(self, kept: Kept) -> None:
        methods = {name for name, _ in inspect.getmembers(type(kept.audit), inspect.isfunction) if name[0] != "_"}
        assert methods == {"append", "entries", "together"}

    async def test_what_is_appended_together_is_there_together_or_not_at_all(self, kept: Kept) -> None:
        async with kept.audit.together():
            assert await kept.audit.append([entry()]) == [1]
            assert await kept.audit.append([entry(), entry()]) == [2, 3]
        with pytest.raises(LookupError):
            async with kept.audit.together():
                await kept.audit.append([entry(NOW + 1)])
                raise LookupError
        assert await numbers(kept.audit) == [3, 2, 1]
        assert await kept.audit.append([entry()]) == [4]

    async def test_a_change_that_fails_is_not_noted(self, kept: Kept) -> None:
        with pytest.raises(NotFound):
            async with kept.audit.together():
                await kept.audit.append([entry()])
                await kept.store.delete_user(99)
        assert await numbers(kept.audit) == []


def token(user_id: int = 1, name: str = "nightly", **more: Any) -> ApiToken:
    usual: dict[str, Any] = {"scopes": frozenset({"EXPORT", "LISTEN"}), "created_at": NOW, "expires_at": NOW + 60}
    return ApiToken(name=name, user_id=user_id, **usual | more)


class TestTokens:
    async def test_a_token_opens_for_its_user(self, kept: Kept) -> None:
        user_id = await kept.store.add_user(User(username="Sally", phones=("3545",)))
        number = await kept.tokens.add(token(user_id), "hash-1")
        found = await kept.tokens.bearer("hash-1")
        assert found is not None
        assert found[0] == token(user_id, number=number)
        assert (found[1].username, found[1].phones) == ("Sally", ("3545",))
        assert await kept.tokens.bearer("hash-2") is None
        assert await kept.tokens.bearer("") is None

    async def test_everything_and_nothing_are_not_the_same(self, kept: Kept) -> None:
        user_id = await kept.store.add_user(User(username="Sally"))
        for scopes in (None, frozenset[str]()):
            await kept.tokens.add(token(user_id, scopes=scopes), f"hash {scopes}")
            found = await kept.tokens.bearer(f"hash {scopes}")
            assert found is not None and found[0].scopes == scopes

    async def test_a_token_of_nobody_is_refused(self, kept: Kept) -> None:
        gone = await kept.store.add_user(User(username="gone"))
        await kept.store.delete_user(gone)
        for user_id in (gone, 99):
            with pytest.raises(NotFound):
                await kept.tokens.add(token(user_id), "hash")

    async def test_who_may_not_log_in_has_no_tokens_that_work(self, kept: Kept) -> None:
        user_id = await kept.store.add_user(User(username="Sally"))
        await kept.tokens.add(token(user_id), "hash")
        await kept.store.modify_user(user_id, {"active": False})
        assert await kept.tokens.bearer("hash") is None
        await kept.store.modify_user(user_id, {"active": True})
        assert await kept.tokens.bearer("hash") is not None
        await kept.store.delete_user(user_id)
        assert await kept.tokens.bearer("hash") is None

    async def test_lists_are_newest_first(self, kept: Kept) -> None:
        sally, bob = [await kept.store.add_user(User(username=name)) for name in ("sally", "bob")]
        for number, user_id in enumerate((sally, bob, sally)):
            await kept.tokens.add(token(user_id, f"t{number}"), f"hash-{number}")
        assert [one.name for one in await kept.tokens.tokens()] == ["t2", "t1", "t0"]
        assert [one.name for one in await kept.tokens.tokens(sally)] == ["t2", "t0"]

    async def test_revoking_is_for_ever_and_by_its_owner(self, kept: Kept) -> None:
        user_id = await kept.store.add_user(User(username="Sally"))
        number = await kept.tokens.add(token(user_id), "hash")
        assert not await kept.tokens.revoke(number, NOW, user_id=user_id + 1)
        assert not await kept.tokens.revoke(number + 1, NOW)
        assert await kept.tokens.revoke(number, NOW + 5, user_id=user_id)
        assert not await kept.tokens.revoke(number, NOW + 9)
        (found,) = await kept.tokens.tokens()
        assert (found.revoked_at, found.works_at(NOW)) == (NOW + 5, False)

    async def test_use_is_remembered(self, kept: Kept) -> None:
        user_id = await kept.store.add_user(User(username="Sally"))
        number = await kept.tokens.add(token(user_id), "hash")
        await kept.tokens.used(number, NOW + 3)
        await kept.tokens.used(number + 1, NOW + 3)
        assert [one.used_at for one in await kept.tokens.tokens()] == [NOW + 3]


def test_when_a_token_works() -> None:
    assert token(expires_at=0.0).works_at(NOW * 2)
    assert token().works_at(NOW + 59)
    assert not token().works_at(NOW + 60)
    assert not token(revoked_at=NOW).works_at(NOW)


class TestLogins:
    async def test_a_login_lasts_on_when_extended_and_none_begins_by_it(self, kept: Kept) -> None:
        user_id = await kept.store.add_user(User(username="Sally"))
        await kept.store.add_login("hash", user_id, NOW + 10)
        await kept.store.extend_login("hash", NOW + 100)
        await kept.store.extend_login("other", NOW + 100)
        assert await kept.store.login("hash", NOW + 99) is not None
        assert await kept.store.login("hash", NOW + 100) is None
        assert await kept.store.login("other", NOW) is None

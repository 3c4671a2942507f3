"""What every `AccessStore` must do beside its `Store`, run against each of them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from earshot.api.permissions import BY_NAME
from earshot.clock import FakeClock
from earshot.ports import NotUnique, Store, User
from earshot.ports.access import (
    DEFAULT_ROLE,
    AccessStore,
    BuiltIn,
    Grants,
    Group,
    Link,
    NoGroup,
    NoRole,
    NoUser,
    Role,
)
from earshot.store.memory import MemoryStore
from earshot.store.memory_access import MemoryAccess
from earshot.store.sql import SqlStore, database_at
from earshot.store.sql.access import SqlAccess


@dataclass
class Both:
    store: Store
    access: AccessStore

    async def agent(self, username: str, *phones: str) -> int:
        return await self.store.add_user(User(username=username, phones=phones))

    async def group(self, name: str) -> int:
        return (await self.access.add_group(name))[0].group_id

    async def phones_of(self, group_id: int) -> tuple[str, ...]:
        return next(group.phones for group in await self.access.groups() if group.group_id == group_id)

    async def role(self, role_id: int) -> Role:
        return next(role for role in await self.access.roles() if role.role_id == role_id)


@pytest.fixture(params=["memory", "sqlite"])
async def both(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Both]:
    if request.param == "memory":
        memory = MemoryStore(FakeClock())
        made = Both(memory, MemoryAccess(memory))
    else:
        database = database_at(f"sqlite:///{tmp_path / 'earshot.db'}")
        made = Both(SqlStore(database, FakeClock()), SqlAccess(database))
    await made.store.open()
    yield made
    await made.store.close()


class TestGroups:
    async def test_adding_twice_is_adding_once(self, both: Both) -> None:
        first = await both.access.add_group("Sales & Marketing")
        assert first == (Group(group_id=1, name="Sales & Marketing"), True)
        agent = await both.agent("jd", "100")
        await both.access.put_phone(1, "100", agent)
        again = await both.access.add_group("SALES & marketing")
        assert again == (Group(group_id=1, name="Sales & Marketing", phones=("100",)), False)
        assert (await both.access.add_group("Support"))[0].group_id == 2
        assert [group.name for group in await both.access.groups()] == ["Sales & Marketing", "Support"]

    async def test_membership_is_per_phone(self, both: Both) -> None:
        agent = await both.agent("jd", "100", "200")
        one, two = await both.group("One"), await both.group("Two")
        assert await both.access.put_phone(one, "100", agent)
        assert not await both.access.put_phone(one, "100", agent)
        assert await both.access.put_phone(two, "100", agent)
        assert await both.access.put_phone(two, "200", agent)
        assert (await both.phones_of(one), await both.phones_of(two)) == (("100",), ("100", "200"))
        assert await both.access.take_phone(two, "100", agent)
        assert not await both.access.take_phone(two, "100", agent)
        assert (await both.phones_of(one), await both.phones_of(two)) == (("100",), ("200",))

    async def test_what_does_not_exist(self, both: Both) -> None:
        agent, other = await both.agent("jd", "100"), await both.agent("mm", "300")
        group = await both.group("One")
        for change in (both.access.put_phone, both.access.take_phone):
            with pytest.raises(NoGroup):
                await change(99, "100", agent)
            with pytest.raises(NoUser):
                await change(group, "100", other)
            with pytest.raises(NoUser):
                await change(group, "999", agent)
            with pytest.raises(NoUser):
                await change(group, "100", 99)
        with pytest.raises(NoGroup):
            await both.access.set_group_active(99, active=True)
        assert await both.phones_of(group) == ()

    async def test_a_group_that_is_not_active(self, both: Both) -> None:
        agent, group = await both.agent("jd", "100"), await both.group("One")
        role = await both.access.add_role("Sales")
        await both.access.grant(role, "group", group)
        await both.access.put_phone(group, "100", agent)
        await both.access.give_role(role, agent)
        assert await both.access.set_group_active(group, active=False)
        assert not await both.access.set_group_active(group, active=False)
        assert (await both.access.grants(agent)).phones == frozenset()
        with pytest.raises(NoGroup):
            await both.access.put_phone(group, "100", agent)
        with pytest.raises(NoGroup):
            await both.access.grant(role, "group", group)
        assert (await both.access.add_group("One"))[0].active is False
        assert await both.access.set_group_active(group, active=True)
        assert (await both.access.grants(agent)).phones == {"100"}


class TestPhonesThatLeave:
    async def with_phones(self, both: Both) -> tuple[int, int]:
        agent, group = await both.agent("jd", "100", "200", "300"), await both.group("One")
        for phone in ("100", "200", "300"):
            await both.access.put_phone(group, phone, agent)
        return agent, group

    async def test_freed(self, both: Both) -> None:
        agent, group = await self.with_phones(both)
        await both.store.free_phone("200", agent)
        assert await both.phones_of(group) == ("100", "300")
        await both.store.assign_phone("200", agent)
        assert await both.phones_of(group) == ("100", "300")

    async def test_replaced(self, both: Both) -> None:
        agent, group = await self.with_phones(both)
        await both.store.modify_user(agent, {"phones": ("300", "400")})
        assert await both.phones_of(group) == ("300",)

    async def test_kept_by_other_changes(self, both: Both) -> None:
        agent, group = await self.with_phones(both)
        await both.store.modify_user(agent, {"first_name": "Jane"})
        await both.store.modify_user(agent, {"phones": ("300", "200", "100", "500")})
        await both.store.assign_phone("400", agent)
        assert await both.phones_of(group) == ("100", "200", "300")

    async def test_user_deleted(self, both: Both) -> None:
        agent, group = await self.with_phones(both)
        role = await both.access.add_role("Sales")
        await both.access.give_role(role, agent)
        await both.store.delete_user(agent)
        assert await both.phones_of(group) == ()
        assert (await both.role(role)).members == frozenset()
        assert await both.access.grants(agent) == Grants()
        heir = await both.agent("mm", "100")
        assert await both.phones_of(group) == ()
        assert await both.access.grants(heir) == Grants()


LINKS: list[tuple[Link, str, str]] = [
    ("permission", "permissions", "HOMEPAGEWIDGETS"),
    ("acd_group", "acd_groups", "Sales"),
    ("gate", "gates", "Gold Level"),
]


class TestRoles:
    async def test_one_is_built_in(self, both: Both) -> None:
        (role,) = await both.access.roles()
        assert (role.role_id, role.name, role.built_in) == (1, DEFAULT_ROLE, True)
        assert role.permissions == {"HOMEPAGEWIDGETS", "PASSWORDCHANGES"} and role.permissions <= BY_NAME.keys()
        with pytest.raises(BuiltIn):
            await both.access.delete_role(1)
        await both.access.revoke(1, "permission", "HOMEPAGEWIDGETS")
        await both.access.describe_role(1, "ours")
        changed = await both.role(1)
        assert (changed.description, changed.permissions) == ("ours", frozenset({"PASSWORDCHANGES"}))

    async def test_names_are_unique(self, both: Both) -> None:
        role = await both.access.add_role("Sales", "What sales may do")
        with pytest.raises(NotUnique) as taken:
            await both.access.add_role("sALES", "other")
        assert (taken.value.field, taken.value.value) == ("role", "sALES")
        assert await both.role(role) == Role(role_id=role, name="Sales", description="What sales may do")

    async def test_a_deleted_role_is_gone_for_everybody(self, both: Both) -> None:
        agent, role, group = await both.agent("jd", "100"), await both.access.add_role("Sales"), await both.group("One")
        await both.access.grant(role, "group", group)
        for link, _, value in LINKS:
            await both.access.grant(role, link, value)
        await both.access.give_role(role, agent)
        await both.access.delete_role(role)
        assert [one.name for one in await both.access.roles()] == [DEFAULT_ROLE]
        assert await both.access.grants(agent) == Grants()
        again = await both.access.add_role("Sales")
        assert again > role
        assert await both.role(again) == Role(role_id=again, name="Sales")

    @pytest.mark.parametrize(("link", "field", "value"), LINKS)
    async def test_links_are_given_and_taken(self, both: Both, link: Link, field: str, value: str) -> None:
        role = await both.access.add_role("Sales")
        assert await both.access.grant(role, link, value)
        assert not await both.access.grant(role, link, value)
        assert getattr(await both.role(role), field) == {value}
        assert await both.access.revoke(role, link, value)
        assert not await both.access.revoke(role, link, value)
        assert await both.role(role) == Role(role_id=role, name="Sales")
        with pytest.raises(ValueError, match="blank"):
            await both.access.grant(role, link, "")

    async def test_groups_are_given_and_taken(self, both: Both) -> None:
        role, group = await both.access.add_role("Sales"), await both.group("One")
        assert await both.access.grant(role, "group", group)
        assert not await both.access.grant(role, "group", group)
        assert (await both.role(role)).groups == {group}
        with pytest.raises(NoGroup):
            await both.access.grant(role, "group", 99)
        assert await both.access.revoke(role, "group", group)
        assert not await both.access.revoke(role, "group", group)

    async def test_what_does_not_exist(self, both: Both) -> None:
        agent = await both.agent("jd")
        for changing in (
            both.access.describe_role(99, "x"),
            both.access.delete_role(99),
            both.access.grant(99, "permission", "HOMEPAGEWIDGETS"),
            both.access.revoke(99, "gate", "x"),
            both.access.give_role(99, agent),
            both.access.take_role(99, agent),
        ):
            with pytest.raises(NoRole):
                await changing
        with pytest.raises(NoUser):
            await both.access.give_role(1, 99)
        with pytest.raises(NoUser):
            await both.access.take_role(1, 99)

    async def test_users_have_several_or_only_one(self, both: Both) -> None:
        agent, role = await both.agent("jd"), await both.access.add_role("Sales")
        assert await both.access.give_role(1, agent)
        assert await both.access.give_role(role, agent)
        assert not await both.access.give_role(role, agent)
        assert (await both.role(1)).members == (await both.role(role)).members == {agent}
        assert await both.access.give_role(role, agent, only=True)
        assert not await both.access.give_role(role, agent, only=True)
        assert [(await both.role(one)).members for one in (1, role)] == [frozenset(), frozenset({agent})]
        assert await both.access.take_role(role, agent)
        assert not await both.access.take_role(role, agent)

    async def test_grants_add_up(self, both: Both) -> None:
        agent, other = await both.agent("jd", "100", "200"), await both.agent("mm", "300")
        one, two = await both.group("One"), await both.group("Two")
        sales, support = await both.access.add_role("Sales"), await both.access.add_role("Support")
        for phone, group, who in (("100", one, agent), ("100", two, agent), ("200", one, agent), ("300", two, other)):
            await both.access.put_phone(group, phone, who)
        await both.access.grant(sales, "group", one)
        await both.access.grant(support, "group", two)
        for role, permission in ((sales, "SCHEDULING"), (sales, "REPORTING"), (support, "REPORTING")):
            await both.access.grant(role, "permission", permission)
        await both.access.grant(sales, "gate", "Gold Level")
        await both.access.grant(support, "acd_group", "Sales")
        await both.access.give_role(sales, other)
        assert await both.access.grants(other) == Grants(
            permissions=frozenset({"SCHEDULING", "REPORTING"}),
            phones=frozenset({"100", "200"}),
            gates=frozenset({"Gold Level"}),
        )
        await both.access.give_role(support, other)
        assert await both.access.grants(other) == Grants(
            permissions=frozenset({"SCHEDULING", "REPORTING"}),
            phones=frozenset({"100", "200", "300"}),
            acd_groups=frozenset({"Sales"}),
            gates=frozenset({"Gold Level"}),
        )
        assert await both.access.grants(agent) == await both.access.grants(99) == Grants()

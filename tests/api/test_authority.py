"""From users to actors: permissions add up, groups limit who is seen, and nothing is remembered for too long."""

import asyncio
from typing import Any

import pytest

from earshot.actor import EVERYTHING, NOTHING, PROTOCOL, Actor, Visibility
from earshot.api import permissions
from earshot.api.authority import KEPT_S, Authority, narrowed
from earshot.api.permissions import BY_NAME, CATALOGUE, NEEDED, needed, permission_named
from earshot.clock import FakeClock
from earshot.errors import BadInput, StoreUnavailable
from earshot.ports import User
from earshot.ports.access import Grants
from earshot.protocol.commands import COMMANDS

ALL, OWN, SEARCH = permissions.ALL_RECORDINGS, permissions.OWN_RECORDINGS, permissions.SEARCH


class Source:
    """Grants by USERID; counts how often it is asked, and can be held up or be away."""

    def __init__(self, **grants: Grants) -> None:
        self.of = {int(name.removeprefix("user")): grant for name, grant in grants.items()}
        self.asked = 0
        self.away = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def grants(self, user_id: int) -> Grants:
        self.asked += 1
        if self.away:
            raise StoreUnavailable("away")
        found = self.of.get(user_id, Grants())
        await self.gate.wait()
        return found


def granted(*names: str, **more: frozenset[str]) -> Grants:
    return Grants(permissions=frozenset(names), **more)


def someone(user_id: int = 7, **more: Any) -> User:
    return User(user_id=user_id, username=f"user{user_id}", phones=("100",), **more)


class TestPerson:
    async def test_what_roles_allow_and_show(self) -> None:
        source = Source(
            user7=granted(
                SEARCH, phones=frozenset({"200"}), acd_groups=frozenset({"Sales"}), gates=frozenset({"Gold Level"})
            )
        )
        actor = await Authority(source, FakeClock()).person(someone(), "192.0.2.1")
        assert (actor.kind, actor.name, actor.user_id, actor.address) == ("person", "user7", 7, "192.0.2.1")
        assert actor.may(SEARCH) and not actor.may(permissions.EXPORT)
        assert actor.sees == Visibility(
            phones=frozenset({"200"}), groups=frozenset({"Sales"}), gates=frozenset({"Gold Level"})
        )

    async def test_own_recordings_need_their_permission(self) -> None:
        authority = Authority(Source(user7=granted(OWN), user8=granted(SEARCH)), FakeClock())
        assert (await authority.person(someone(7), "")).sees == Visibility(agents=frozenset({7}))
        assert (await authority.person(someone(8), "")).sees == NOTHING

    async def test_the_permission_to_see_everybody(self) -> None:
        source = Source(user7=granted(ALL, phones=frozenset({"200"})))
        assert (await Authority(source, FakeClock()).person(someone(), "")).sees == EVERYTHING

    async def test_an_administrator_may_do_everything_without_a_role(self) -> None:
        source = Source()
        actor = await Authority(source, FakeClock()).person(someone(is_admin=True), "")
        assert all(actor.may(permission.name) for permission in CATALOGUE)
        assert actor.sees == EVERYTHING and source.asked == 0

    @pytest.mark.parametrize("state", [{"active": False}, {"deleted": True}])
    async def test_a_locked_or_deleted_account_may_nothing(self, state: dict[str, bool]) -> None:
        authority = Authority(Source(user7=granted(ALL, SEARCH)), FakeClock())
        for user in (someone(**state), someone(is_admin=True, **state)):
            actor = await authority.person(user, "")
            assert actor.permissions == frozenset() and actor.sees == NOTHING


class TestMemory:
    async def test_is_used_and_ends(self) -> None:
        clock, source = FakeClock(), Source(user7=granted(SEARCH))
        authority = Authority(source, clock)
        await authority.person(someone(), "")
        source.of[7] = granted()
        assert (await authority.person(someone(), "")).may(SEARCH) and source.asked == 1
        clock.advance(KEPT_S)
        assert not (await authority.person(someone(), "")).may(SEARCH)

    async def test_is_dropped_on_change(self) -> None:
        source = Source(user7=granted(SEARCH))
        authority = Authority(source, FakeClock())
        await authority.person(someone(), "")
        source.of[7] = granted()
        authority.forget()
        assert not (await authority.person(someone(), "")).may(SEARCH)

    async def test_what_was_asked_before_a_change_is_not_remembered(self) -> None:
        source = Source(user7=granted(SEARCH))
        authority = Authority(source, FakeClock())
        source.gate.clear()
        asking = asyncio.ensure_future(authority.person(someone(), ""))
        while not source.asked:
            await asyncio.sleep(0)
        source.of[7] = granted()
        authority.forget()
        source.gate.set()
        await asking
        assert not (await authority.person(someone(), "")).may(SEARCH)

    async def test_a_database_that_is_away_is_told(self) -> None:
        source = Source()
        source.away = True
        with pytest.raises(StoreUnavailable):
            await Authority(source, FakeClock()).person(someone(), "")


class TestNarrowed:
    def test_a_scope_takes_away_and_never_adds(self) -> None:
        actor = Actor(kind="token", name="t", permissions=frozenset({SEARCH, OWN}), sees=NOTHING)
        assert narrowed(actor, {SEARCH, permissions.EXPORT}).permissions == frozenset({SEARCH})
        assert narrowed(actor, ()).permissions == frozenset()

    def test_of_everything_the_scope_remains_and_who_is_seen_stays(self) -> None:
        actor = narrowed(PROTOCOL, {SEARCH})
        assert actor.permissions == frozenset({SEARCH}) and actor.sees == EVERYTHING


class TestCatalogue:
    def test_names_are_unique_capitals_without_spaces(self) -> None:
        assert len(BY_NAME) == len(CATALOGUE)
        assert all(name.isalnum() and name == name.upper() for name in BY_NAME)
        assert "HOMEPAGEWIDGETS" in BY_NAME

    def test_every_constant_is_a_permission_and_the_other_way_round(self) -> None:
        constants = {value for name, value in vars(permissions).items() if name.isupper() and isinstance(value, str)}
        assert constants == BY_NAME.keys()

    @pytest.mark.parametrize("permission", CATALOGUE, ids=lambda one: one.name)
    def test_the_short_and_the_full_form_are_read(self, permission: permissions.Permission) -> None:
        short = permission.portal.removeprefix("Allow ")
        for text in (permission.name, permission.name.lower(), permission.portal, short, f"ALLOW{permission.name}"):
            assert permission_named(text) is permission

    @pytest.mark.parametrize("text", ["", "ALLOW", "EVERYTHING", "HOMEPAGEWIDGETS2", "' OR 1=1"])
    def test_any_other_is_refused(self, text: str) -> None:
        with pytest.raises(BadInput):
            permission_named(text)


class TestNeeded:
    def test_every_command_says_what_it_needs(self) -> None:
        assert NEEDED.keys() == COMMANDS.keys()
        assert {name for name in NEEDED.values() if name is not None} <= BY_NAME.keys()

    @pytest.mark.parametrize(
        ("command", "params", "wanted"),
        [
            ("TEST", {}, set()),
            ("CALLLIST", {}, {SEARCH}),
            ("CALLUPDATE", {}, {permissions.CALL_CONTROL}),
            ("CALLUPDATE", {"RECORDID": "1"}, {permissions.UPDATE}),
            ("CALLUPDATE", {"UPDATE_IF_NOT_RECORDING": "Y"}, {permissions.CALL_CONTROL, permissions.UPDATE}),
            ("BLACKOUTSTART", {"TIMEOFFSET": "5"}, {permissions.BLACKOUTS}),
            ("AGENTBLACKOUTSTOP", {"TIMEOFFSET": "-5"}, {permissions.BLACKOUTS, permissions.BLACKOUTS_AFTER}),
        ],
    )
    def test_by_what_the_request_says(self, command: str, params: dict[str, str], wanted: set[str]) -> None:
        assert needed(command, params) == wanted

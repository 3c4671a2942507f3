"""QA groups and roles by the handlers: what is noted, what is in force at once, what leaves everything as it was."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import pytest

from earshot.actor import Actor
from earshot.api.audit import NoTrail
from earshot.api.authority import Authority
from earshot.api.context import Context
from earshot.api.cores import Cores
from earshot.api.dispatch import Api
from earshot.clock import FakeClock
from earshot.ports import User
from earshot.protocol.decode import Request, decode_query
from earshot.protocol.dialect import Dialect
from earshot.protocol.results import Result
from earshot.storage.memory import MemoryStorage
from earshot.store.memory import MemoryStore
from earshot.store.memory_access import MemoryAccess

COMMANDS = {
    "ADDGROUP": {"GROUPNAME": "Sales"},
    "MODIFYGROUPPERMISSION": {"ACTION": "ADD", "GROUPNAME": "Sales", "AGENTID": "1", "DEVICEID": "100"},
    "MODIFYROLE": {"ACTION": "ADD", "ROLENAME": "Sellers", "DESCRIPTION": "Sell"},
    "MODIFYROLEGROUPPERMISSION": {"ACTION": "ADD", "ROLEID": "1", "GROUPNAME": "Sales"},
    "MODIFYUSERROLE": {"ACTION": "ADD", "ROLEID": "1", "USERID": "1"},
    "MODIFYROLEPERMISSION": {"ACTION": "ADD", "ROLEID": "1", "PERMISSIONNAME": "REPORTING"},
}


@dataclass
class Trail(NoTrail):
    notes: list[tuple[str, str, str, dict[str, str]]] = field(default_factory=list)

    async def note(self, actor: Actor, act: str, subject: str = "", **detail: str) -> None:
        self.notes.append((actor.name, act, subject, detail))


@dataclass
class World:
    store: MemoryStore
    access: MemoryAccess
    context: Context
    trail: Trail

    async def ask(self, command: str, **params: str) -> Result:
        decoded = decode_query(urlencode({"type": command, "requestid": "1"} | params))
        if isinstance(decoded, Result):
            return decoded
        assert isinstance(decoded, Request)
        answer = await Api(self.context).answer(decoded)
        assert isinstance(answer, Result)
        return answer

    async def everything(self) -> object:
        return await self.access.groups(), await self.access.roles(), await self.store.users()


@pytest.fixture
async def world(tmp_path: Path) -> World:
    clock = FakeClock()
    store = MemoryStore(clock)
    access, trail = MemoryAccess(store), Trail()
    context = Context(
        cores=Cores(()), store=store, storage=MemoryStorage(), clock=clock, data_dir=tmp_path, audit=trail
    )
    context.access, context.authority = access, Authority(access, clock)
    await store.add_user(User(username="jdoe", first_name="John", last_name="Doe", sys_user="win", phones=("100",)))
    return World(store, access, context, trail)


async def test_what_is_changed_is_noted_once(world: World) -> None:
    for command, params in COMMANDS.items():
        assert (await world.ask(command, **params)).ok
    assert world.trail.notes == [
        ("xml", "added", "group Sales", {}),
        ("xml", "added phone", "group Sales", {"phone": "100", "agent": "1"}),
        ("xml", "added", "role Sellers", {"description": "Sell"}),
        ("xml", "granted", "role DefaultAgent", {"group": "Sales"}),
        ("xml", "assigned role", "user jdoe", {"role": "DefaultAgent", "user_id": "1"}),
        ("xml", "granted", "role DefaultAgent", {"permission": "REPORTING"}),
    ]
    before = await world.everything()
    for command, params in COMMANDS.items():
        assert (await world.ask(command, **params)).ok is (command != "MODIFYROLE")
    assert len(world.trail.notes) == len(COMMANDS)
    assert await world.everything() == before


async def test_what_is_taken_away_is_noted(world: World) -> None:
    for command, params in COMMANDS.items():
        await world.ask(command, **params)
    del world.trail.notes[:]
    for command, params in COMMANDS.items():
        if "ACTION" in params:
            assert (await world.ask(command, **params | {"ACTION": "DELETE"})).ok
    acts = [(act, subject) for _, act, subject, _ in world.trail.notes]
    assert acts == [
        ("removed phone", "group Sales"),
        ("deleted", "role Sellers"),
        ("revoked", "role DefaultAgent"),
        ("took role", "user jdoe"),
        ("revoked", "role DefaultAgent"),
    ]


async def test_a_change_is_in_force_when_it_is_answered(world: World) -> None:
    (user,) = await world.store.users()
    for command, params in COMMANDS.items():
        await world.context.authority.person(user, "")
        await world.ask(command, **params)
    actor = await world.context.authority.person(user, "")
    assert actor.may("REPORTING") and actor.sees.phones == {"100"}
    await world.ask("IMPORTAGENTPHONE", ACTION="DELETE", AGENTID="1", PHONEID="100")
    actor = await world.context.authority.person(user, "")
    assert actor.sees.phones == frozenset()


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_database_that_is_away_is_told(world: World, command: str) -> None:
    world.store.unavailable = True
    answer = await world.ask(command, **COMMANDS[command])
    assert (answer.label, answer.code) == ("API_DATABASE_QUERY_ERROR", 23)
    assert not world.trail.notes


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_missing_or_blank_parameter_changes_nothing(world: World, command: str) -> None:
    before = await world.everything()
    for name in COMMANDS[command].keys() - {"DESCRIPTION"}:
        for params in (
            {key: value for key, value in COMMANDS[command].items() if key != name},
            COMMANDS[command] | {name: "  "},
        ):
            answer = await world.ask(command, **params)
            nobody = (command, name) == ("MODIFYGROUPPERMISSION", "AGENTID")
            assert answer.label == ("API_AGENT_NOT_FOUND" if nobody else "API_INVALID_MESSAGE_FORMAT")
    assert await world.everything() == before


@pytest.mark.parametrize("command", COMMANDS.keys() - {"ADDGROUP"})
async def test_an_action_that_is_not_allowed(world: World, command: str) -> None:
    before = await world.everything()
    allowed = {"ADD", "DELETE"} | ({"MODIFY"} if command in ("MODIFYROLE", "MODIFYUSERROLE") else set())
    for action in {"MODIFY", "LIST", "ADD;DELETE", "*"} - allowed:
        answer = await world.ask(command, **COMMANDS[command] | {"ACTION": action})
        assert (answer.label, answer.code) == ("API_ERROR_INVALID_ACTION", 21)
    assert await world.everything() == before


@pytest.mark.parametrize("command", COMMANDS.keys() - {"ADDGROUP", "MODIFYROLE"})
@pytest.mark.parametrize("value", ["9" * 40, "-1", "1 OR 1=1", "1.0", "' --", "x" * 255, "٣"])
async def test_hostile_values_name_nobody(world: World, command: str, value: str) -> None:
    await world.ask("ADDGROUP", GROUPNAME="Sales")
    before = await world.everything()
    documented = {"API_NO_GROUP", "API_AGENT_NOT_FOUND", "API_USER_NOT_FOUND", "API_ROLE_NOT_FOUND"}
    for name in COMMANDS[command].keys() - {"ACTION"}:
        answer = await world.ask(command, **COMMANDS[command] | {name: value})
        assert answer.label in documented | {"API_INVALID_MESSAGE_FORMAT"}
        too_long = await world.ask(command, **COMMANDS[command] | {name: value * 300})
        assert not too_long.ok
    assert await world.everything() == before


async def test_a_group_that_is_not_active_is_no_group(world: World) -> None:
    await world.ask("ADDGROUP", GROUPNAME="Sales")
    await world.access.set_group_active(1, active=False)
    for command in ("MODIFYGROUPPERMISSION", "MODIFYROLEGROUPPERMISSION"):
        answer = await world.ask(command, **COMMANDS[command])
        assert (answer.label, answer.code) == ("API_NO_GROUP", 27)
        assert answer.message == "Group Sales does not exist or it is not active"
    again = await world.ask("ADDGROUP", GROUPNAME="Sales")
    assert again.ok and again.body == (("GROUPID", "1"), ("GROUPNAME", "Sales"))


async def test_strict_legacy_calls_a_missing_group_a_success(world: World) -> None:
    world.context.dialect = Dialect(strict_legacy=True)
    answer = await world.ask("MODIFYROLEGROUPPERMISSION", ACTION="ADD", ROLEID="1", GROUPNAME="Group01")
    assert (answer.code, answer.message) == (20, "Group Group01 does not exist or it is not active")
    other = await world.ask("MODIFYGROUPPERMISSION", **COMMANDS["MODIFYGROUPPERMISSION"])
    assert other.code == 27


async def test_a_system_user_name_of_several_finds_nobody(world: World) -> None:
    await world.store.add_user(User(username="other", sys_user="WIN"))
    exact = await world.ask("MODIFYUSERROLE", ACTION="ADD", ROLEID="1", SYSTEMUSERNAME="win")
    assert exact.message == "User 1 is assigned role DefaultAgent"
    vague = await world.ask("MODIFYUSERROLE", ACTION="ADD", ROLEID="1", SYSTEMUSERNAME="Win")
    assert (vague.label, vague.message) == ("API_USER_NOT_FOUND", "There are several users Win")


async def test_a_deleted_user_is_not_found(world: World) -> None:
    await world.store.delete_user(1)
    assert (await world.ask("MODIFYUSERROLE", **COMMANDS["MODIFYUSERROLE"])).label == "API_USER_NOT_FOUND"
    await world.ask("ADDGROUP", GROUPNAME="Sales")
    answer = await world.ask("MODIFYGROUPPERMISSION", **COMMANDS["MODIFYGROUPPERMISSION"])
    assert answer.label == "API_AGENT_NOT_FOUND"


async def test_description_is_changed_where_it_is_sent(world: World) -> None:
    await world.ask("MODIFYROLE", ACTION="ADD", ROLENAME="Sellers", DESCRIPTION="Sell")
    await world.ask("MODIFYROLE", ACTION="MODIFY", ROLENAME="SELLERS")
    assert [role.description for role in await world.access.roles()][1] == "Sell"
    await world.ask("MODIFYROLE", ACTION="MODIFY", ROLENAME="SELLERS", DESCRIPTION="")
    assert [role.description for role in await world.access.roles()][1] == ""


async def test_zero_is_no_number(world: World) -> None:
    answer = await world.ask("MODIFYUSERROLE", ACTION="ADD", ROLEID="0", ROLENAME="DefaultAgent", USERNAME="jdoe")
    assert answer.message == "User 1 is assigned role DefaultAgent"
    names = await world.ask("MODIFYGROUPPERMISSION", ACTION="ADD", GROUPNAME="Nobody", AGENTID="0", DEVICEID="100")
    assert names.label == "API_AGENT_NOT_FOUND"

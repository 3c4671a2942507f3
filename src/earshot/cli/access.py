"""`earshot role` and `earshot group`: what the six commands of the protocol cannot say, and a look at what there is.

A role is given ACD groups and gates here, and a QA group is closed and opened. Users and roles come together by
MODIFYUSERROLE. The one rule: every change is in the audit trail; a running server follows within seconds.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

import typer

from earshot.api.audit_trail import RecordedTrail
from earshot.api.permissions import permission_named
from earshot.cli.running import ConfigFile, DataDir, loaded, run
from earshot.clock import SystemClock
from earshot.config import Settings
from earshot.errors import EarshotError
from earshot.operations import OPERATOR
from earshot.ports import NotFound, User
from earshot.ports.access import Group, Link, NoUser, Role
from earshot.premises import database_of
from earshot.store.sql import SqlStore
from earshot.store.sql.access import SqlAccess
from earshot.store.sql.audit import SqlAudit

role_cli = typer.Typer(no_args_is_help=True, help="Roles: what their users may do, and whose recordings they see.")
group_cli = typer.Typer(no_args_is_help=True, help="QA groups: phones whose recordings a role can show.")

RoleName = Annotated[str, typer.Argument(help="Name of the role.")]
GroupName = Annotated[str, typer.Argument(help="Name of the QA group.")]
Permissions = Annotated[list[str] | None, typer.Option("--permission", help="A permission of docs/roles.md.")]
Groups = Annotated[list[str] | None, typer.Option("--group", help="A QA group.")]
AcdGroups = Annotated[list[str] | None, typer.Option("--acd-group", help="An ACD group (GROUP of calls).")]
Gates = Annotated[list[str] | None, typer.Option("--gate", help="An ACD gate (GATE of calls).")]


@dataclass(frozen=True, slots=True)
class Desk:
    """What the commands work with."""

    store: SqlStore
    access: SqlAccess
    trail: RecordedTrail

    async def role(self, name: str) -> Role:
        """The role of that name. Raises EarshotError."""
        for role in await self.access.roles():
            if role.name.casefold() == name.strip().casefold():
                return role
        raise EarshotError(f"there is no role {name}")

    async def group(self, name: str) -> Group:
        """The QA group of that name. Raises EarshotError."""
        for group in await self.access.groups():
            if group.name.casefold() == name.strip().casefold():
                return group
        raise EarshotError(f"there is no QA group {name}")

    async def owners(self) -> dict[str, User]:
        """Whose each phone is."""
        return {phone: user for user in await self.store.users() for phone in user.phones}


@asynccontextmanager
async def _desk(settings: Settings) -> AsyncIterator[Desk]:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database, clock = database_of(settings), SystemClock()
    store = SqlStore(database, clock)
    await store.open()
    try:
        yield Desk(store, SqlAccess(database), RecordedTrail(SqlAudit(database), clock))
    finally:
        await store.close()


def _print(settings: Settings, work: Callable[[Desk], Awaitable[list[str]]]) -> None:
    async def working() -> list[str]:
        async with _desk(settings) as desk:
            try:
                return await work(desk)
            except NotFound as missing:
                raise EarshotError(str(missing)) from None

    for line in run(working()):
        typer.echo(line)


# --- roles ----------------------------------------------------------------------------------------------------------


@role_cli.command("list")
def role_list(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """All roles: number, name, how many users, what for."""

    async def work(desk: Desk) -> list[str]:
        roles = await desk.access.roles()
        return [f"{role.role_id}\t{role.name}\t{len(role.members)} users\t{role.description}" for role in roles]

    _print(loaded(config, data_dir=data_dir), work)


@role_cli.command("show")
def role_show(name: RoleName, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """One role: its permissions, groups, gates and users."""

    async def work(desk: Desk) -> list[str]:
        role = await desk.role(name)
        groups = [group for group in await desk.access.groups() if group.group_id in role.groups]
        users = [user for user in await desk.store.users() if user.user_id in role.members]
        return [
            f"role {role.role_id} {role.name}{' (built in)' if role.built_in else ''}: {role.description}",
            *(f"permission\t{permission}" for permission in sorted(role.permissions)),
            *(f"group\t{group.name}{'' if group.active else ' (not active)'}" for group in groups),
            *(f"acd-group\t{group}" for group in sorted(role.acd_groups)),
            *(f"gate\t{gate}" for gate in sorted(role.gates)),
            *(f"user\t{user.user_id} {user.username}" for user in users),
        ]

    _print(loaded(config, data_dir=data_dir), work)


@role_cli.command("give")
def role_give(
    name: RoleName,
    permission: Permissions = None,
    group: Groups = None,
    acd_group: AcdGroups = None,
    gate: Gates = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Let a role do more, or show more recordings."""
    _change(loaded(config, data_dir=data_dir), name, (permission, group, acd_group, gate), giving=True)


@role_cli.command("take")
def role_take(
    name: RoleName,
    permission: Permissions = None,
    group: Groups = None,
    acd_group: AcdGroups = None,
    gate: Gates = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Let a role do less, or show fewer recordings."""
    _change(loaded(config, data_dir=data_dir), name, (permission, group, acd_group, gate), giving=False)


Asked = tuple[list[str] | None, list[str] | None, list[str] | None, list[str] | None]


def _change(settings: Settings, name: str, asked: Asked, *, giving: bool) -> None:
    permissions, groups, acd_groups, gates = ([text.strip() for text in texts or []] for texts in asked)
    if not all((*permissions, *groups, *acd_groups, *gates)):
        raise typer.BadParameter("a blank name means nothing")

    async def work(desk: Desk) -> list[str]:
        role = await desk.role(name)
        named = [permission_named(text).name for text in permissions]
        found = [await desk.group(text) for text in groups]
        links: list[tuple[Link, str | int, str]] = [
            *(("permission", permission, permission) for permission in named),
            *(("group", group.group_id, group.name) for group in found),
            *(("acd_group", text, text) for text in acd_groups),
            *(("gate", text, text) for text in gates),
        ]
        done = []
        for link, value, shown in links:
            change = desk.access.grant if giving else desk.access.revoke
            async with desk.trail.together():
                if await change(role.role_id, link, value):
                    act = "granted" if giving else "revoked"
                    await desk.trail.note(OPERATOR, act, f"role {role.name}", **{link: shown})
                    done.append(f"{act} {link.replace('_', '-')} {shown}")
        return done or ["nothing changed"]

    _print(settings, work)


# --- groups ---------------------------------------------------------------------------------------------------------


@group_cli.command("list")
def group_list(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """All QA groups: number, name, whether active, how many phones."""

    async def work(desk: Desk) -> list[str]:
        return [
            f"{group.group_id}\t{group.name}\t{'active' if group.active else 'not active'}\t{len(group.phones)} phones"
            for group in await desk.access.groups()
        ]

    _print(loaded(config, data_dir=data_dir), work)


@group_cli.command("add")
def group_add(name: GroupName, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Add a QA group; no error if there is one of that name."""
    if not name.strip():
        raise typer.BadParameter("a blank name means nothing")

    async def work(desk: Desk) -> list[str]:
        async with desk.trail.together():
            group, new = await desk.access.add_group(name.strip())
            if new:
                await desk.trail.note(OPERATOR, "added", f"group {group.name}")
        return [f"group {group.group_id} {group.name} {'added' if new else 'was there'}"]

    _print(loaded(config, data_dir=data_dir), work)


@group_cli.command("phones")
def group_phones(
    name: GroupName,
    add: Annotated[list[str] | None, typer.Option("--add", help="Put this phone of an agent in.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", help="Take this phone out.")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """The phones of a QA group and whose they are, after putting in and taking out what is asked."""

    async def work(desk: Desk) -> list[str]:
        group = await desk.group(name)
        owners = await desk.owners()
        changes = [(phone.strip(), True) for phone in add or []] + [(phone.strip(), False) for phone in remove or []]
        for phone, adding in changes:
            owner = owners.get(phone, User())
            change = desk.access.put_phone if adding else desk.access.take_phone
            act, note = "added phone" if adding else "removed phone", {"phone": phone, "agent": str(owner.user_id)}
            try:
                async with desk.trail.together():
                    if await change(group.group_id, phone, owner.user_id):
                        await desk.trail.note(OPERATOR, act, f"group {group.name}", **note)
            except NoUser:
                raise EarshotError(f"phone {phone} belongs to no agent") from None
        return [f"{phone}\t{owners[phone].username}" for phone in (await desk.group(name)).phones]

    _print(loaded(config, data_dir=data_dir), work)


@group_cli.command("set")
def group_set(
    name: GroupName,
    active: Annotated[bool, typer.Option("--active/--inactive", help="Whether the group counts.")],
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Make a QA group count, or not: one that is not active shows nobody anything and keeps its phones."""

    async def work(desk: Desk) -> list[str]:
        group = await desk.group(name)
        state = "active" if active else "not active"
        async with desk.trail.together():
            if await desk.access.set_group_active(group.group_id, active):
                await desk.trail.note(OPERATOR, "changed", f"group {group.name}", state=state)
        return [f"group {group.name} is {state}"]

    _print(loaded(config, data_dir=data_dir), work)

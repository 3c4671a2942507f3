"""QA groups, roles and the catalogue of permissions, over the commands of access.

The one rule: roles and groups have numbers here; the commands that know names only are given the name of that number.
"""

from typing import Annotated, Any

from fastapi import Path
from pydantic import StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from earshot.api.permissions import CATALOGUE, GROUP_ADMINISTRATION, ROLE_ADMINISTRATION, USER_ADMINISTRATION
from earshot.ports.access import Group, Role
from earshot.web.rest.desk import LAST_NUMBER, Desk, value_in, who
from earshot.web.rest.frame import route
from earshot.web.rest.problems import Problem, not_found
from earshot.web.rest.values import In, Listed, Name, Out

Ident = Annotated[int, Path(ge=1, le=LAST_NUMBER)]
Description = Annotated[str, StringConstraints(max_length=4000)]
NO_ROLE, NO_GROUP = "API_ROLE_NOT_FOUND", "API_NO_GROUP"


class PermissionOut(Out):
    """A permission: `portal` are its words on a page."""

    name: str
    portal: str
    section: str
    sentence: str


class GroupOut(Out):
    """A QA group and the phones in it."""

    group_id: int
    name: str
    active: bool
    phones: list[str]


class GroupNew(In):
    """A QA group."""

    name: Name


class RoleOut(Out):
    """What a role allows, whose recordings it shows, and who has it."""

    role_id: int
    name: str
    description: str
    built_in: bool
    permissions: list[str]
    groups: list[int]
    acd_groups: list[str]
    gates: list[str]
    members: list[int]


class RoleNew(In):
    """A role without any permission."""

    name: Name
    description: Description = ""


class RoleChange(In):
    """What a role is for; it cannot be renamed."""

    description: Description


class Access:
    """/v1/permissions, /v1/groups, /v1/roles, /v1/users/{user_id}/roles."""

    tag = "roles"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @route("GET", "/v1/permissions", summary="The catalogue of permissions")
    async def permissions(self, request: Request) -> Listed[PermissionOut]:
        """What roles can allow and tokens can have."""
        return Listed(items=[PermissionOut.model_validate(one) for one in CATALOGUE])

    # --- groups -----------------------------------------------------------------------------------------------------

    @route("GET", "/v1/groups", GROUP_ADMINISTRATION, ROLE_ADMINISTRATION, summary="List QA groups")
    async def groups(self, request: Request) -> Listed[GroupOut]:
        """With their phones."""
        return Listed(items=[_group(one) for one in await self._desk.context.access.groups()])

    @route("POST", "/v1/groups", GROUP_ADMINISTRATION, summary="Add a QA group", status=201)
    async def add_group(self, request: Request, body: GroupNew) -> GroupOut:
        """ADDGROUP: one that exists is answered like a new one."""
        result = await self._desk.perform(who(request), "ADDGROUP", [("GROUPNAME", body.name)])
        return _group(await self._group(int(value_in(result, "GROUPID"))))

    @route(
        "PUT", "/v1/groups/{group_id:int}/phones/{phone}", GROUP_ADMINISTRATION, summary="Put a phone in", status=204
    )
    async def put_phone(self, request: Request, group_id: Ident, phone: Annotated[Name, Path()]) -> Response:
        """MODIFYGROUPPERMISSION ADD, of the agent whose phone it is."""
        return await self._phone(request, "ADD", group_id, phone)

    @route(
        "DELETE",
        "/v1/groups/{group_id:int}/phones/{phone}",
        GROUP_ADMINISTRATION,
        summary="Take a phone out",
        status=204,
    )
    async def take_phone(self, request: Request, group_id: Ident, phone: Annotated[Name, Path()]) -> Response:
        """MODIFYGROUPPERMISSION DELETE."""
        return await self._phone(request, "DELETE", group_id, phone)

    async def _phone(self, request: Request, action: str, group_id: int, phone: str) -> Response:
        users = await self._desk.context.store.users()
        owner = next((user.user_id for user in users if phone in user.phones), None)
        if owner is None:
            raise Problem(404, f"No agent has the phone {phone}", "API_AGENT_NOT_FOUND")
        fields = [("ACTION", action), ("GROUPID", str(group_id)), ("PHONEID", phone), ("AGENTID", str(owner))]
        await self._desk.perform(who(request), "MODIFYGROUPPERMISSION", fields)
        return Response(status_code=204)

    async def _group(self, group_id: int) -> Group:
        for one in await self._desk.context.access.groups():
            if one.group_id == group_id:
                return one
        raise not_found(f"group {group_id}", NO_GROUP)

    # --- roles ------------------------------------------------------------------------------------------------------

    @route("GET", "/v1/roles", ROLE_ADMINISTRATION, USER_ADMINISTRATION, summary="List roles")
    async def roles(self, request: Request) -> Listed[RoleOut]:
        """Complete."""
        return Listed(items=[_role(one) for one in await self._desk.context.access.roles()])

    @route("GET", "/v1/roles/{role_id:int}", ROLE_ADMINISTRATION, USER_ADMINISTRATION, summary="One role")
    async def role(self, request: Request, role_id: Ident) -> RoleOut:
        """Complete."""
        return _role(await self._role(role_id))

    @route("POST", "/v1/roles", ROLE_ADMINISTRATION, summary="Add a role", status=201)
    async def add_role(self, request: Request, body: RoleNew) -> RoleOut:
        """MODIFYROLE ADD. A name that is taken: 409."""
        fields = [("ACTION", "ADD"), ("ROLENAME", body.name), ("DESCRIPTION", body.description)]
        await self._desk.perform(who(request), "MODIFYROLE", fields)
        for role in await self._desk.context.access.roles():
            if role.name.casefold() == body.name.casefold():
                return _role(role)
        raise not_found(f"role {body.name}", NO_ROLE)

    @route("PATCH", "/v1/roles/{role_id:int}", ROLE_ADMINISTRATION, summary="Describe a role")
    async def change_role(self, request: Request, role_id: Ident, body: RoleChange) -> RoleOut:
        """MODIFYROLE MODIFY."""
        role = await self._role(role_id)
        fields = [("ACTION", "MODIFY"), ("ROLENAME", role.name), ("DESCRIPTION", body.description)]
        await self._desk.perform(who(request), "MODIFYROLE", fields)
        return _role(await self._role(role_id))

    @route("DELETE", "/v1/roles/{role_id:int}", ROLE_ADMINISTRATION, summary="Delete a role", status=204)
    async def delete_role(self, request: Request, role_id: Ident) -> Response:
        """MODIFYROLE DELETE. The built-in role: 409."""
        role = await self._role(role_id)
        return await self._change(request, "MODIFYROLE", "DELETE", ("ROLENAME", role.name))

    @route(
        "PUT", "/v1/roles/{role_id:int}/permissions/{name}", ROLE_ADMINISTRATION, summary="Allow something", status=204
    )
    async def allow(self, request: Request, role_id: Ident, name: Annotated[Name, Path()]) -> Response:
        """MODIFYROLEPERMISSION ADD."""
        return await self._of_role(request, "MODIFYROLEPERMISSION", "ADD", role_id, ("PERMISSIONNAME", name))

    @route(
        "DELETE",
        "/v1/roles/{role_id:int}/permissions/{name}",
        ROLE_ADMINISTRATION,
        summary="Allow it no more",
        status=204,
    )
    async def allow_no_more(self, request: Request, role_id: Ident, name: Annotated[Name, Path()]) -> Response:
        """MODIFYROLEPERMISSION DELETE."""
        return await self._of_role(request, "MODIFYROLEPERMISSION", "DELETE", role_id, ("PERMISSIONNAME", name))

    @route(
        "PUT", "/v1/roles/{role_id:int}/groups/{group_id:int}", ROLE_ADMINISTRATION, summary="Show a group", status=204
    )
    async def show_group(self, request: Request, role_id: Ident, group_id: Ident) -> Response:
        """MODIFYROLEGROUPPERMISSION ADD: the role shows the recordings of the group's phones."""
        group = await self._group(group_id)
        return await self._of_role(request, "MODIFYROLEGROUPPERMISSION", "ADD", role_id, ("GROUPNAME", group.name))

    @route(
        "DELETE",
        "/v1/roles/{role_id:int}/groups/{group_id:int}",
        ROLE_ADMINISTRATION,
        summary="Show a group no more",
        status=204,
    )
    async def show_no_more(self, request: Request, role_id: Ident, group_id: Ident) -> Response:
        """MODIFYROLEGROUPPERMISSION DELETE."""
        group = await self._group(group_id)
        return await self._of_role(request, "MODIFYROLEGROUPPERMISSION", "DELETE", role_id, ("GROUPNAME", group.name))

    @route("PUT", "/v1/users/{user_id:int}/roles/{role_id:int}", USER_ADMINISTRATION, summary="Give a role", status=204)
    async def give_role(self, request: Request, user_id: Ident, role_id: Ident) -> Response:
        """MODIFYUSERROLE ADD."""
        return await self._of_role(request, "MODIFYUSERROLE", "ADD", role_id, ("USERID", str(user_id)))

    @route(
        "DELETE", "/v1/users/{user_id:int}/roles/{role_id:int}", USER_ADMINISTRATION, summary="Take a role", status=204
    )
    async def take_role(self, request: Request, user_id: Ident, role_id: Ident) -> Response:
        """MODIFYUSERROLE DELETE."""
        return await self._of_role(request, "MODIFYUSERROLE", "DELETE", role_id, ("USERID", str(user_id)))

    async def _of_role(
        self, request: Request, command: str, action: str, role_id: int, field: tuple[str, str]
    ) -> Response:
        return await self._change(request, command, action, ("ROLEID", str(role_id)), field)

    async def _change(self, request: Request, command: str, action: str, *fields: tuple[str, str]) -> Response:
        await self._desk.perform(who(request), command, [("ACTION", action), *fields])
        return Response(status_code=204)

    async def _role(self, role_id: int) -> Role:
        for one in await self._desk.context.access.roles():
            if one.role_id == role_id:
                return one
        raise not_found(f"role {role_id}", NO_ROLE)


def _group(group: Group) -> GroupOut:
    return GroupOut(group_id=group.group_id, name=group.name, active=group.active, phones=list(group.phones))


def _role(role: Role) -> RoleOut:
    facts: dict[str, Any] = {name: getattr(role, name) for name in RoleOut.model_fields}
    sets = ("permissions", "groups", "acd_groups", "gates", "members")
    return RoleOut(**facts | {name: sorted(facts[name]) for name in sets})

"""QA groups and roles: ADDGROUP, MODIFYGROUPPERMISSION, MODIFYROLE, and what roles are given and who has them.

A group is found by its name before its number, a role and a user by the number first (reference.md 14.3). The one rule:
a command changes everything it speaks of in one transaction or nothing, and what it changed is noted and is in force
when it answers.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import wraps
from types import MappingProxyType

from earshot.api.context import Context
from earshot.api.permissions import permission_named
from earshot.errors import BadInput, StoreUnavailable
from earshot.ports import NotUnique, User
from earshot.ports.access import BuiltIn, Group, NoGroup, NoRole, NoUser, Role
from earshot.protocol.decode import Request
from earshot.protocol.results import AGENT_NOT_FOUND, INVALID_ACTION, INVALID_FORMAT, OK, Node, Result, failed, ok

Handler = Callable[[Context, Request], Awaitable[Result]]

NO_GROUP = "API_NO_GROUP"
LABELS: Mapping[type[Exception], str] = MappingProxyType(
    {
        StoreUnavailable: "API_DATABASE_QUERY_ERROR",
        NoGroup: NO_GROUP,
        NoRole: "API_ROLE_NOT_FOUND",
        NoUser: "API_USER_NOT_FOUND",
        BadInput: INVALID_FORMAT,
    }
)
"""What each error is called in the protocol; MODIFYGROUPPERMISSION speaks of agents, not of users."""


def _answering(handler: Handler) -> Handler:
    """`handler` with its errors turned into answers, and with what users may do looked up anew after it."""

    @wraps(handler)
    async def answering(context: Context, request: Request) -> Result:
        try:
            return await handler(context, request)
        except tuple(LABELS) as error:
            label = next(label for kind, label in LABELS.items() if isinstance(error, kind))
            if isinstance(error, NoUser) and request.command.name == "MODIFYGROUPPERMISSION":
                label = AGENT_NOT_FOUND
            if isinstance(error, NoGroup):
                return _no_group(context, request)
            return failed(request, label, str(error))
        finally:
            context.authority.forget()

    return answering


def _no_group(context: Context, request: Request) -> Result:
    """The documented message; the specification's example of MODIFYROLEGROUPPERMISSION reports it as a success."""
    name = request.get("GROUPNAME") or request.get("GROUPID")
    message = f"Group {name} does not exist or it is not active"
    legacy = context.dialect.strict_legacy and request.command.name == "MODIFYROLEGROUPPERMISSION"
    return failed(request, OK if legacy else NO_GROUP, message)


# --- finding --------------------------------------------------------------------------------------------------------


async def _group(context: Context, request: Request) -> Group:
    """By GROUPNAME, else GROUPID. Raises NoGroup."""
    groups = [group for group in await context.access.groups() if group.active]
    name, number = request.get("GROUPNAME").casefold(), request.get("GROUPID")
    for group in groups:
        if (group.name.casefold() == name) if name else (str(group.group_id) == number):
            return group
    raise NoGroup(f"there is no QA group {name or number}")


async def _role(context: Context, request: Request) -> Role:
    """By ROLEID, else ROLENAME. Raises NoRole."""
    number, name = request.get("ROLEID"), request.get("ROLENAME")
    for role in await context.access.roles():
        if (str(role.role_id) == number) if number else (role.name.casefold() == name.casefold()):
            return role
    raise NoRole(f"There is no role {number or name}")


def _with_number(users: Iterable[User], number: str) -> User:
    for user in users:
        if str(user.user_id) == number:
            return user
    raise NoUser(f"There is no user {number}")


def _with_text(users: Iterable[User], wanted: str, text: Callable[[User], str]) -> User:
    """The one user with that text, whatever the letter case; of several the one that is written the same.

    Raises NoUser, also where the text does not tell one from the others.
    """
    alike = [user for user in users if text(user).casefold() == wanted.casefold()]
    same = [user for user in alike if text(user) == wanted] or alike
    if len(same) != 1:
        raise NoUser(f"There is no user {wanted}" if not same else f"There are several users {wanted}")
    return same[0]


def _full_name(user: User) -> str:
    return f"{user.first_name}\n{user.last_name}" if user.first_name and user.last_name else ""


def _named_person(users: Iterable[User], request: Request) -> User:
    first, last = request.get("FIRSTNAME"), request.get("LASTNAME")
    try:
        return _with_text(users, f"{first}\n{last}", _full_name)
    except NoUser as error:
        raise NoUser(str(error).replace("\n", " ")) from None


async def _user(context: Context, request: Request) -> User:
    """By USERID, else USERNAME, else SYSTEMUSERNAME, else FIRSTNAME and LASTNAME. Raises NoUser."""
    users = await context.store.users()
    if number := request.get("USERID"):
        return _with_number(users, number)
    if name := request.get("USERNAME"):
        return _with_text(users, name, lambda user: user.username)
    if name := request.get("SYSTEMUSERNAME"):
        return _with_text(users, name, lambda user: user.sys_user)
    return _named_person(users, request)


async def _agent(context: Context, request: Request) -> User:
    """By FIRSTNAME and LASTNAME, else AGENTID. Raises NoUser."""
    users = await context.store.users()
    if request.get("FIRSTNAME") and request.get("LASTNAME"):
        return _named_person(users, request)
    return _with_number(users, request.get("AGENTID"))


# --- groups ---------------------------------------------------------------------------------------------------------


@_answering
async def add_group(context: Context, request: Request) -> Result:
    """ADDGROUP: a group that exists is answered like a new one."""
    async with context.audit.together():
        group, new = await context.access.add_group(request.get("GROUPNAME"))
        if new:
            await context.audit.note(request.actor, "added", f"group {group.name}")
    body = (("GROUPID", str(group.group_id)), ("GROUPNAME", group.name))
    return ok(request, f"group: {group.name} has been added", body)


@_answering
async def modify_group_permission(context: Context, request: Request) -> Result:
    """MODIFYGROUPPERMISSION: the phone must be the agent's. The answer repeats what was sent, and the numbers."""
    group = await _group(context, request)
    agent = await _agent(context, request)
    phone = request.get("PHONEID") or request.get("DEVICEID")
    adding = request.get("ACTION") == "ADD"
    change = context.access.put_phone if adding else context.access.take_phone
    act, detail = "added phone" if adding else "removed phone", {"phone": phone, "agent": str(agent.user_id)}
    try:
        async with context.audit.together():
            if await change(group.group_id, phone, agent.user_id):
                await context.audit.note(request.actor, act, f"group {group.name}", **detail)
    except NoUser:
        raise NoUser(f"Phone {phone} does not belong to agent {agent.user_id}") from None
    numbers: tuple[Node, ...] = (("GROUPID", str(group.group_id)), ("AGENTID", str(agent.user_id)))
    sent = [(name, value) for name, value in request.params.items() if value and name not in ("GROUPID", "AGENTID")]
    return ok(request, body=(*sent, *numbers))


# --- roles ----------------------------------------------------------------------------------------------------------


@_answering
async def modify_role(context: Context, request: Request) -> Result:
    """MODIFYROLE: there is no way to rename; MODIFY sets DESCRIPTION where it is sent."""
    name, description = request.get("ROLENAME"), request.get("DESCRIPTION")
    if request.get("ACTION") == "ADD":
        try:
            async with context.audit.together():
                await context.access.add_role(name, description)
                await context.audit.note(request.actor, "added", f"role {name}", description=description)
        except NotUnique:
            return failed(request, "API_ROLE_ALREADY_EXISTS", f"Role {name} exists already")
        return ok(request, "Role Added")
    role = await _role(context, request)
    if request.get("ACTION") == "MODIFY":
        if "DESCRIPTION" in request.params:
            async with context.audit.together():
                await context.access.describe_role(role.role_id, description)
                await context.audit.note(request.actor, "changed", f"role {role.name}", description=description)
        return ok(request, "Role Modified")
    try:
        async with context.audit.together():
            await context.access.delete_role(role.role_id)
            await context.audit.note(request.actor, "deleted", f"role {role.name}")
    except BuiltIn:
        return failed(request, INVALID_ACTION, f"Role {role.name} is built in and cannot be deleted")
    return ok(request, "Role Deleted")


@_answering
async def modify_role_group_permission(context: Context, request: Request) -> Result:
    """MODIFYROLEGROUPPERMISSION: the role shows the recordings of the group's phones."""
    role = await _role(context, request)
    group = await _group(context, request)
    adding = request.get("ACTION") == "ADD"
    change = context.access.grant if adding else context.access.revoke
    async with context.audit.together():
        if await change(role.role_id, "group", group.group_id):
            act = "granted" if adding else "revoked"
            await context.audit.note(request.actor, act, f"role {role.name}", group=group.name)
    return ok(request, "Group Added" if adding else "Group Deleted")


@_answering
async def modify_role_permission(context: Context, request: Request) -> Result:
    """MODIFYROLEPERMISSION: a name of the catalogue, in any of its forms."""
    permission = permission_named(request.get("PERMISSIONNAME"))
    role = await _role(context, request)
    adding = request.get("ACTION") == "ADD"
    change = context.access.grant if adding else context.access.revoke
    async with context.audit.together():
        if await change(role.role_id, "permission", permission.name):
            act = "granted" if adding else "revoked"
            await context.audit.note(request.actor, act, f"role {role.name}", permission=permission.name)
    return ok(request, "Permission Added" if adding else "Permission Deleted")


@_answering
async def modify_user_role(context: Context, request: Request) -> Result:
    """MODIFYUSERROLE: ADD gives one role more, MODIFY leaves the user no other."""
    role = await _role(context, request)
    user = await _user(context, request)
    action = request.get("ACTION")
    async with context.audit.together():
        if action == "DELETE":
            changed = await context.access.take_role(role.role_id, user.user_id)
        else:
            changed = await context.access.give_role(role.role_id, user.user_id, only=action == "MODIFY")
        if changed:
            act = {"ADD": "assigned role", "MODIFY": "assigned only role", "DELETE": "took role"}[action]
            detail = {"role": role.name, "user_id": str(user.user_id)}
            await context.audit.note(request.actor, act, f"user {user.username or user.user_id}", **detail)
    verb = "is no longer assigned" if action == "DELETE" else "is assigned"
    return ok(request, f"User {user.user_id} {verb} role {role.name}")

"""Import commands: IMPORTUSER, IMPORTAGENTPHONE, IMPORTWORKSTATION. After each change the directory is read anew."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from earshot.api.context import Context, log
from earshot.api.locations import refused_location
from earshot.errors import BadInput, StoreUnavailable
from earshot.ports import NotFound, NotUnique, Station, User
from earshot.protocol.decode import Request
from earshot.protocol.results import (
    AGENT_NOT_FOUND,
    INVALID_FORMAT,
    INVALID_REQUEST_TYPE,
    Node,
    Result,
    failed,
    ok,
)
from earshot.protocol.times import legacy_time_with_offset, parse_legacy_time

DATABASE = "API_DATABASE_QUERY_ERROR"
ONLY_ADMINISTRATORS = "Only an administrator may change or delete an administrator"
FOUND_BY = (("first_name", "last_name"), ("username",))
FIRST_YEAR, LAST_YEAR = 1900, 9998
USER_FIELDS = {
    "USERNAME": "username",
    "EMPLOYEEID": "employee_id",
    "FIRSTNAME": "first_name",
    "LASTNAME": "last_name",
    "SYS_USER": "sys_user",
    "DOMAIN": "sys_domain",
    "EMAIL": "email",
    "CRM_USER": "crm_user",
    "SITEID": "site_id",
}


def _fields(request: Request) -> dict[str, Any]:
    """What the request sets on a user, by the names of `User`. STATUS sets account and agent flag, AGENT overrides."""
    changes: dict[str, Any] = {name: request.get(tag) for tag, name in USER_FIELDS.items() if request.get(tag)}
    if request.get("STATUS"):
        changes["active"] = changes["is_agent"] = request.get("STATUS") == "A"
    if request.get("AGENT"):
        changes["is_agent"] = request.get("AGENT") == "Y"
    if "PHONES" in request.params:
        phones = [phone.strip() for phone in request.get("PHONES").split(",") if phone.strip()]
        changes["phones"] = tuple(dict.fromkeys(phones))
    return changes


def _moment(context: Context, request: Request, tag: str) -> float:
    """The moment that is sent, now where none is. Raises BadInput for one that is no time of this age."""
    text = request.get(tag)
    if not text:
        return context.clock.now()
    moment = parse_legacy_time(text, context.settings.zone)
    if moment is None or not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise BadInput(f"{tag} is no date and time that can be kept, such as 10/30/2006 4:05:38 PM -05:00")
    return moment.timestamp()


async def import_user(context: Context, request: Request) -> Result:
    actions = {"ADD": _add_user, "MODIFY": _modify_user, "DELETE": _delete_user, "LIST": _list_users}
    try:
        return await actions[request.get("ACTION")](context, request)
    except BadInput as wrong:
        return failed(request, INVALID_FORMAT, str(wrong))
    except StoreUnavailable as error:
        return failed(request, DATABASE, str(error))
    except NotUnique as taken:
        label = "API_ERROR_KEYS_NOT_UNIQUE" if taken.field == "phone" else "API_USER_ALREADY_EXIST"
        return failed(request, label, str(taken))
    except NotFound:
        return failed(request, "API_USER_NOT_FOUND", "There is no such user")


async def _add_user(context: Context, request: Request) -> Result:
    fields = _fields(request)
    if not fields.get("username"):
        if not (fields.get("first_name") and fields.get("last_name")):
            return failed(request, INVALID_FORMAT, "ADD needs USERNAME, or FIRSTNAME and LASTNAME")
        fields["username"] = f"{fields['first_name']} {fields['last_name']}"
    if context.settings.import_password_required and not request.get("PASSWORD"):
        return failed(request, INVALID_FORMAT, "PASSWORD is required to add a user")
    if fields.get("phones"):
        fields["is_agent"] = True
    added_at = _moment(context, request, "ADD_TIME")
    user = User(added_at=added_at, modified_at=_moment(context, request, "MOD_TIME"), **fields)
    name, password = user.username or f"{user.first_name} {user.last_name}", await _password(context, request)
    async with context.audit.together():
        user_id = await context.store.add_user(user, password)
        await _note(context, request, "created", name, user_id, fields)
    await refresh(context)
    return ok(request, body=(("USERID", str(user_id)),))


async def _password(context: Context, request: Request) -> str | None:
    if not request.get("PASSWORD") or context.hash_password is None:
        return None
    return await asyncio.to_thread(context.hash_password, request.get("PASSWORD"))


async def _find_user(context: Context, request: Request, id_tag: str = "USERID") -> int | None:
    """By number, else USERNAME, else first and last name."""
    users = await context.store.users()
    wanted = request.get(id_tag)
    if wanted:
        return next((user.user_id for user in users if str(user.user_id) == wanted), None)
    username = request.get("USERNAME").casefold()
    if username:
        return next((user.user_id for user in users if user.username.casefold() == username), None)
    name = (request.get("FIRSTNAME").casefold(), request.get("LASTNAME").casefold())
    same = (one.user_id for one in users if (one.first_name.casefold(), one.last_name.casefold()) == name)
    return next(same, None) if all(name) else None


async def _modify_user(context: Context, request: Request) -> Result:
    if not any(request.get(tag) for tag in ("USERID", "USERNAME", "FIRSTNAME")):
        return failed(request, INVALID_FORMAT, "MODIFY needs USERID, USERNAME, or FIRSTNAME and LASTNAME")
    user_id = await _find_user(context, request)
    if user_id is None:
        raise NotFound
    if await _is_above(context, request, user_id):
        return failed(request, INVALID_REQUEST_TYPE, ONLY_ADMINISTRATORS)
    changes = _fields(request) | {"modified_at": _moment(context, request, "MOD_TIME")}
    for served in () if request.get("USERID") else FOUND_BY[bool(request.get("USERNAME"))]:
        changes.pop(served, None)  # what the user was found by, in any letter case, is not a change of it
    password = await _password(context, request)
    async with context.audit.together():
        await context.store.modify_user(user_id, changes, password)
        await _note(context, request, "changed", await _name_of(context, user_id), user_id, changes)
    await refresh(context)
    return ok(request, body=(("USERID", str(user_id)),))


async def _delete_user(context: Context, request: Request) -> Result:
    if not any(request.get(tag) for tag in ("USERID", "USERNAME", "FIRSTNAME")):
        return failed(request, INVALID_FORMAT, "DELETE needs USERID, USERNAME, or FIRSTNAME and LASTNAME")
    user_id = await _find_user(context, request)
    if user_id is None:
        raise NotFound
    if await _is_above(context, request, user_id):
        return failed(request, INVALID_REQUEST_TYPE, ONLY_ADMINISTRATORS)
    async with context.audit.together():
        name = await _name_of(context, user_id)
        await context.store.delete_user(user_id)
        await _note(context, request, "deleted", name, user_id, {})
    await refresh(context)
    return ok(request, body=(("USERID", str(user_id)),))


async def _is_above(context: Context, request: Request, user_id: int) -> bool:
    """Whether the user may do everything and whoever asks may not: a new password would make them that user."""
    if request.actor.permissions is None:
        return False
    return any(user.is_admin for user in await context.store.users() if user.user_id == user_id)


async def _name_of(context: Context, user_id: int) -> str:
    """The name of a user as the audit trail shows it."""
    known = next((user for user in await context.store.users() if user.user_id == user_id), User())
    return known.username or f"{known.first_name} {known.last_name}".strip()


async def _note(
    context: Context, request: Request, act: str, name: str, user_id: int, changes: Mapping[str, Any]
) -> None:
    """Note a change of a user: which fields, never what a password is."""
    fields = sorted(changes.keys() - {"modified_at"}) + (["password"] if request.get("PASSWORD") else [])
    phones = ",".join(changes.get("phones", ()))
    detail = {"user_id": str(user_id), "fields": ", ".join(fields), "phones": phones}
    if "active" in changes:
        detail["active"] = "yes" if changes["active"] else "no"
    await context.audit.note(request.actor, act, f"user {name}", **detail)


async def _list_users(context: Context, request: Request) -> Result:
    nodes = tuple(_user_node(context, user) for user in await context.store.users())
    return ok(request, body=(("USERS", (("COUNT", str(len(nodes))), *nodes)),))


def _user_node(context: Context, user: User) -> Node:
    def when(seconds: float) -> str:
        return legacy_time_with_offset(datetime.fromtimestamp(seconds, context.settings.zone))

    return (
        "USER",
        (
            ("USER_ID", str(user.user_id)),
            ("USERNAME", user.username),
            ("EMPLOYEEID", user.employee_id),
            ("FIRSTNAME", user.first_name),
            ("LASTNAME", user.last_name),
            ("AGENT", "TRUE" if user.is_agent else "FALSE"),
            ("STATUS", "A" if user.active else "I"),
            ("ADD_TIME", when(user.added_at)),
            ("MOD_TIME", when(user.modified_at)),
            ("SYS_USER", user.sys_user),
            ("SYS_DOMAIN", user.sys_domain),
            ("EMAIL", user.email),
            ("CRM_USER", user.crm_user),
            ("SITE_ID", user.site_id),
            ("PHONES", ",".join(user.phones)),
        ),
    )


async def import_agent_phone(context: Context, request: Request) -> Result:
    phone = request.get("PHONEID")
    try:
        user_id = await _find_user(context, request, "AGENTID")
        if user_id is None:
            return failed(request, AGENT_NOT_FOUND, "There is no such agent")
        detail = {"user_id": str(user_id), "phone": phone, "what": f"phone {request.get('ACTION').lower()}"}
        async with context.audit.together():
            if request.get("ACTION") == "ADD":
                await context.store.assign_phone(phone, user_id)
            elif not await context.store.free_phone(phone, user_id):
                return failed(request, AGENT_NOT_FOUND, f"Phone {phone} does not belong to agent {user_id}")
            await context.audit.note(request.actor, "changed", f"user {await _name_of(context, user_id)}", **detail)
        await refresh(context)
    except NotUnique as taken:
        return failed(request, "API_ERROR_KEYS_NOT_UNIQUE", str(taken))
    except NotFound:
        return failed(request, AGENT_NOT_FOUND, "There is no such agent")
    except StoreUnavailable as error:
        return failed(request, DATABASE, str(error))
    return ok(request, body=(("AGENTID", str(user_id)),))


async def import_workstation(context: Context, request: Request) -> Result:
    station = Station(
        station=request.get("STATIONNAME"),
        device_id=request.get("DEVICEID"),
        location_id=int(request.get("LOCATIONID") or 1),
    )
    try:
        refused = await refused_location(context, request, station.location_id)
        if refused is not None:
            return refused
        async with context.audit.together():
            stored = await context.store.map_station(station)
            detail = {"device": stored.device_id, "location": str(stored.location_id)}
            await context.audit.note(request.actor, "changed", f"station {stored.station}", **detail)
        await refresh(context)
    except StoreUnavailable as error:
        return failed(request, DATABASE, str(error))
    return ok(request, body=(("DEVICEID", stored.device_id), ("STATIONNAME", stored.station)))


async def refresh(context: Context) -> None:
    """Bring the directory up to date after a change; the change itself stands even if the reading fails."""
    try:
        await context.refresh_directory()
    except StoreUnavailable as error:
        log.warning("directory_not_refreshed", why=str(error))

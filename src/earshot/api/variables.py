"""Between the words of the protocol and the call variables: one table, used by every handler that reads or shows them.

A blank element sets a variable blank only where that makes sense (USERn, GROUP, GATE, ANI, DNIS); elsewhere blank and
absent both mean "leave it" (reference.md 14.3, CALLUPDATE).
"""

from functools import lru_cache
from typing import Any

from earshot.engine.directory import Agent
from earshot.engine.variables import USER_FIELDS, CallVariables
from earshot.protocol.decode import Request

USER_TAGS = tuple(f"USER{number}" for number in range(1, USER_FIELDS + 1))
WIRE: dict[str, tuple[str, type[str] | type[int], bool]] = {
    "DEVICEALIAS": ("device_alias", str, False),
    "STATIONNAME": ("station", str, False),
    "GROUP": ("group", str, True),
    "GATE": ("gate", str, True),
    "ANI": ("ani", str, True),
    "DNIS": ("dnis", str, True),
    "CALLID": ("call_id", str, False),
    "SESSIONID": ("session_id", str, False),
    "PRIORITY": ("priority", str, False),
    "CALLDIRECTION": ("direction", str, False),
    "MAXRECORDSILENCE": ("max_record_silence", int, False),
    "MAXRECORDTIME": ("max_record_time", int, False),
    "AGENTINITIATED": ("agent_initiated", str, False),
    "CTIINITIATED": ("cti_initiated", str, False),
    "ARCHIVEACTION": ("archive_action", int, False),
    "KEEPDAYS": ("keep_days", int, False),
    **{tag: (tag.lower(), str, True) for tag in USER_TAGS},
}
"""Wire name -> (call variable, how its text is read, whether a blank element clears it). Texts are checked already."""
_NAMES = {tag: name for tag, (name, _, _) in WIRE.items()}
_NUMBERS = tuple(name for name, read, _ in WIRE.values() if read is int)
_CLEARED = frozenset(name for name, _, blank_clears in WIRE.values() if blank_clears)


@lru_cache(maxsize=1024)
def _names_of(tags: tuple[str, ...]) -> tuple[str, ...]:
    """The call variable for each of `tags`, "" for what is none."""
    return tuple(_NAMES.get(tag, "") for tag in tags)


def changes_in(request: Request, leave_out: tuple[str, ...] = ()) -> dict[str, Any]:
    """The call variables that the request sets, by the names of `CallVariables`."""
    params = request.params
    changes: dict[str, Any] = dict(zip(_names_of(tuple(params)), params.values(), strict=True))
    changes.pop("", None)
    if not all(changes.values()):
        changes = {name: text for name, text in changes.items() if text or name in _CLEARED}
    for name in _NUMBERS:
        if name in changes:
            changes[name] = int(changes[name])
    for tag in leave_out:
        changes.pop(_NAMES[tag], None)
    return changes


def filters_in(request: Request) -> dict[str, str]:
    """The conditions of CALLLIST on call variables; a blank filter is no filter (reference.md 14.3, CALLLIST)."""
    wanted = {"DEVICEID": "device_id"} | {
        tag: WIRE[tag][0] for tag in ("DEVICEALIAS", "GROUP", "GATE", "ANI", "DNIS", *USER_TAGS)
    }
    return {name: request.get(tag) for tag, name in wanted.items() if request.get(tag)}


def user_nodes(variables: CallVariables) -> list[tuple[str, str]]:
    """USER1 to USER15, always all of them (reference.md D8)."""
    return list(zip(USER_TAGS, variables.users, strict=True))


def person_nodes(agent: Agent | None) -> list[tuple[str, str]]:
    """SYS_USER and CRM_USER of whoever is on the device."""
    return [("SYS_USER", agent.sys_user if agent else ""), ("CRM_USER", agent.crm_user if agent else "")]

"""Finding an agent by any of the names that CHATSTART knows (KEYNAME), in the directory in memory.

The one rule: names are compared without regard to case, numbers as they are written.
"""

from collections.abc import Callable

from earshot.engine.directory import Agent, Directory


def _named(field: str) -> Callable[[Directory, str], Agent | None]:
    def find(directory: Directory, value: str) -> Agent | None:
        wanted = value.casefold()
        return next((one for one in directory.agents.values() if getattr(one, field).casefold() == wanted), None)

    return find


def _by_id(directory: Directory, value: str) -> Agent | None:
    return directory.agents.get(int(value)) if value.isascii() and value.isdecimal() and len(value) < 19 else None


def _by_phone(directory: Directory, value: str) -> Agent | None:
    return directory.by_phone.get(value)


LOOKUPS: dict[str, Callable[[Directory, str], Agent | None]] = {
    "AGENTID": _by_id,
    "USERID": _by_id,
    "USERNAME": _named("username"),
    "SYSUSER": _named("sys_user"),
    "EMPLOYEEID": _named("employee_id"),
    "CRMUSER": _named("crm_user"),
    "DEVICEALIAS": _by_phone,
    "PHONEID": _by_phone,
    "PHONE": _by_phone,
}
"""KEYNAME, without its underscores, and how the agent is found by it."""


PHONE_KEYS = frozenset({"DEVICEALIAS", "PHONEID", "PHONE"})


def find_key(name: str) -> str:
    """The key of `LOOKUPS` that a KEYNAME means."""
    return name.upper().replace("_", "")


def find_agent(directory: Directory, name: str, value: str) -> Agent | None:
    """The agent whose `name` is `value`; None if there is none, or no such name."""
    lookup = LOOKUPS.get(find_key(name))
    return lookup(directory, value) if lookup is not None and value else None

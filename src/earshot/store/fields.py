"""Which names recordings may be filtered, found and changed by, and which columns they are.

Both stores ask here, so that they refuse the same names. No SQL. The one rule: a name that is not in these tables
never reaches a statement.
"""

from dataclasses import fields
from typing import Any

from earshot.engine.variables import FIELD_NAMES, USER_FIELDS, USER_INDEX, CallVariables

USER_NAMES = tuple(USER_INDEX)
"""user1 to user15, in order."""

SCALARS = tuple(field.name for field in fields(CallVariables) if field.name != "users")
"""The call variables that are one value, in the order of `CallVariables`."""

NUMBERS = frozenset({"keep_days", "archive_action", "max_record_silence", "max_record_time"})
"""The call variables that are integers; all others are strings."""

RENAMED = {
    "call_instance": "callinstance",
    "call_id": "callid",
    "group": "sgroup",
    "direction": "calldirection",
    "keep_days": "keepdays",
    "archive_action": "archive_action_id",
}
"""Where the column of reference.md 2.3 is called otherwise than the call variable."""

COLUMN_OF = {name: RENAMED.get(name, name) for name in (*SCALARS, *USER_NAMES)}
"""The column of each call variable."""

NUMBERED_LOOKUPS = {"record_id": "ident", "agent_id": "agent_id"}
TEXT_LOOKUPS = {"file_name": "filename", "audio_sha256": "audio_hash"}
PEOPLE_LOOKUPS = frozenset({"sys_user", "crm_user"})


def checked_equals(equals: dict[str, str]) -> None:
    """Raise ValueError unless every key of a filter names a call variable or user1 to user15."""
    for name in equals:
        if name not in COLUMN_OF:
            raise ValueError(f"recordings cannot be filtered by {name!r}")


def checked_lookup(name: str) -> None:
    """Raise ValueError unless `name` is one that `Store.newest_recording` finds by."""
    if not any(name in names for names in (COLUMN_OF, NUMBERED_LOOKUPS, TEXT_LOOKUPS, PEOPLE_LOOKUPS)):
        raise ValueError(f"recordings cannot be found by {name!r}")


def as_stored(name: str, value: str) -> str | int | None:
    """`value` as the column of `name` holds it; None where a number is wanted and `value` is none."""
    if name not in NUMBERS and name not in NUMBERED_LOOKUPS:
        return value
    try:
        number = int(value)
    except ValueError:
        return None
    return number if -(2**63) <= number < 2**63 else None


def changed_columns(changes: dict[str, Any]) -> dict[str, Any]:
    """The columns that `changes` (keys as in `CallVariables.changed`) sets. Raises ValueError for other keys."""
    columns: dict[str, Any] = {}
    for name, value in changes.items():
        if name == "users":
            if len(value) != USER_FIELDS:
                raise ValueError(f"users needs {USER_FIELDS} values")
            columns = dict(zip(USER_NAMES, value, strict=True)) | columns
        elif name in FIELD_NAMES or name in USER_INDEX:
            columns[COLUMN_OF[name]] = value
        else:
            raise ValueError(f"a recording has no call variable {name!r}")
    return columns

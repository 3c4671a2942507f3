"""The call variables: what the protocol, the signalling and the store all say about a call, by one set of names.

A `CallVariables` is a frozen value; `changed()` gives a new one. The names are the columns of the recordings table of
reference.md 2.3 in snake case; the wire names in capitals live in the protocol tables only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, make_dataclass
from operator import itemgetter
from typing import Any, Literal, Self

USER_FIELDS = 15
Direction = Literal["", "I", "O"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallVariables:
    """What is known of one call. Every value is a string as it was sent; empty means not known.

    `call_id` is the PBX's identifier (CALLID), `group` the ACD group (column sgroup), `session_id` SESSIONID.
    `keep_days` and `archive_action` are -1 while unset (reference.md 2.1). `users` holds USER1 to USER15.
    `max_record_silence` and `max_record_time` are seconds, 0 while unset.
    """

    device_id: str = ""
    device_alias: str = ""
    station: str = ""
    call_instance: str = ""
    call_id: str = ""
    session_id: str = ""
    group: str = ""
    gate: str = ""
    ani: str = ""
    dnis: str = ""
    direction: str = ""
    is_trunk: str = ""
    priority: str = ""
    users: tuple[str, ...] = ("",) * USER_FIELDS
    keep_days: int = -1
    archive_action: int = -1
    max_record_silence: int = 0
    max_record_time: int = 0
    agent_initiated: str = ""
    cti_initiated: str = ""

    def changed(self, changes: dict[str, Any]) -> Self:
        """A copy with `changes` applied. The keys `user1` to `user15` set one place of `users`; others than these and
        the names of the fields are ignored."""
        if not changes:
            return self
        return self.of({name: getattr(self, name) for name in FIELD_NAMES}, changes)

    @classmethod
    def of(cls, *said: Mapping[str, Any]) -> Self:
        """The variables of a call of which nothing is known but what was `said`, the last word counting (keys as in
        `changed`, others are ignored)."""
        known = dict(_UNSAID)
        for told in said:
            if "users" in told:
                known.update(zip(USER_INDEX, told["users"], strict=True))
            known.update(told)
        made: Any = _Draft(*_scalars(known), _users(known))
        made.__class__ = cls
        return made  # type: ignore[no-any-return]


FIELD_NAMES = frozenset(field.name for field in fields(CallVariables))
USER_INDEX = {f"user{number}": number - 1 for number in range(1, USER_FIELDS + 1)}
"""The keys user1 to user15 and their places in `CallVariables.users`."""

_UNSAID = {field.name: field.default for field in fields(CallVariables) if field.name != "users"}
_scalars = itemgetter(*_UNSAID)
_Draft = make_dataclass("_Draft", [*_UNSAID, "users"], slots=True)
"""The same slots, but not frozen. Values are made for every message about a call, and an `__init__` that may assign
costs a tenth of one that must go round the ban."""
_UNSAID |= dict.fromkeys(USER_INDEX, "")
_users = itemgetter(*USER_INDEX)

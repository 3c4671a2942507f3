"""REGISTEREVENTS: what a client of the event port may ask for, decoded and applied (reference.md 3; ours).

What does not live here: sockets, and the events themselves (`events`). The one rule: a request that is refused changes
nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from earshot.errors import BadInput
from earshot.protocol.commands import COMMANDS
from earshot.protocol.decode import REQUEST_ID_LIMIT, malformed
from earshot.protocol.events import EVENT_TYPES
from earshot.protocol.results import INVALID_REQUEST_TYPE, OK, REQUESTID_INVALID, UNKNOWN_TYPE, Result
from earshot.protocol.xml import parse

COMMAND: Final = "REGISTEREVENTS"
MODES: Final = ("ADD", "REMOVE", "ALL", "NONE")
ALL_TYPES: Final = frozenset(EVENT_TYPES)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which types a connection gets; None is every type there is or will be. `chosen`: it has registered."""

    types: frozenset[str] | None = None
    chosen: bool = False

    def changed(self, mode: str, types: frozenset[str]) -> "Wanted":
        """What is wanted after a registration. ADD on a connection that never registered wants these alone."""
        if mode == "ALL":
            return Wanted(None, True)
        if mode == "NONE":
            return Wanted(frozenset(), True)
        if mode == "REMOVE":
            return Wanted((ALL_TYPES if self.types is None else self.types) - types, True)
        if self.types is None:
            return Wanted(None if self.chosen else types, True)
        return Wanted(self.types | types, True)

    def in_words(self) -> str:
        """The types as a list with commas; ALL or NONE."""
        return "ALL" if self.types is None else ",".join(name for name in EVENT_TYPES if name in self.types) or "NONE"


def event_types(text: str) -> frozenset[str]:
    """The types of a list with commas, in any letter case. Raises BadInput for one that does not exist."""
    names = {name.strip().upper() for name in text.split(",") if name.strip()}
    unknown = sorted(names - ALL_TYPES)
    if unknown:
        raise BadInput(f"There is no event type {unknown[0][:REQUEST_ID_LIMIT]}")
    return frozenset(names)


def register(message: bytes, wanted: Wanted) -> tuple[Wanted, Result]:
    """Carry out one message of a client: what it wants from now on, and the answer. Never raises."""
    try:
        root, pairs = parse(message)
    except BadInput as error:
        return wanted, malformed(str(error), message)
    kind = (_last(pairs, "TYPE") or _last(pairs, "REQUESTTYPE") or ("" if root.upper() == "REQUEST" else root)).upper()
    kind = kind[:REQUEST_ID_LIMIT]
    request_id = _last(pairs, "REQUESTID")
    if not request_id or len(request_id) > REQUEST_ID_LIMIT:
        why = f"REQUESTID is longer than {REQUEST_ID_LIMIT} characters" if request_id else "REQUESTID is required"
        return wanted, Result(kind, "", REQUESTID_INVALID, why)
    if kind != COMMAND:
        return wanted, _not_here(kind, request_id)
    mode = _last(pairs, "MODE").upper()
    if mode not in MODES:
        return wanted, Result(kind, request_id, "API_MODE_INVALID", f"MODE must be one of {', '.join(MODES)}")
    types: frozenset[str] = frozenset()
    if mode in ("ADD", "REMOVE"):
        try:
            types = event_types(",".join(text for tag, text in pairs if tag.upper() == "EVENTTYPE"))
        except BadInput as error:
            return wanted, Result(kind, request_id, "API_EVENT_TYPE_INVALID", str(error))
        if not types:
            return wanted, Result(kind, request_id, "API_EVENT_TYPE_INVALID", f"EVENTTYPE is required with {mode}")
    wanted = wanted.changed(mode, types)
    return wanted, Result(kind, request_id, OK, f"Registered for {wanted.in_words()}")


def _not_here(kind: str, request_id: str) -> Result:
    if not kind:
        return Result("", request_id, INVALID_REQUEST_TYPE, "TYPE is required")
    if kind in COMMANDS:
        why = f"{kind} is answered on the API port; the event port takes {COMMAND}"
        return Result(kind, request_id, INVALID_REQUEST_TYPE, why)
    return Result(kind, request_id, UNKNOWN_TYPE, f"There is no command {kind}")


def _last(pairs: Iterable[tuple[str, str]], name: str) -> str:
    """Of a repeated tag the last value that is not blank (reference.md F19)."""
    found = ""
    for tag, text in pairs:
        if tag.upper() == name and text.strip():
            found = text.strip()
    return found

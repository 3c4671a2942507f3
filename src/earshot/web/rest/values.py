"""The values that many routes take and give: call variables, devices, outcomes, pages with their cursors.

Names are those of the protocol in snake case. The one rule: a text holds no control characters, a time has its zone,
and a name that a body does not know is refused.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from earshot.engine.variables import CallVariables
from earshot.protocol.results import INVALID_FORMAT, Result
from earshot.web.rest.desk import LAST_NUMBER, PARTIAL
from earshot.web.rest.problems import Problem
from earshot.web.search import Cursor, read_cursor, written_cursor

MOST_ROWS: Final = 200


def _visible(text: str) -> str:
    if any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in text):
        raise ValueError("it has characters that cannot be shown")
    return text


Text = Annotated[str, StringConstraints(max_length=255), AfterValidator(_visible)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=255, strip_whitespace=True), AfterValidator(_visible)]
Number = Annotated[int, Field(ge=1, le=LAST_NUMBER)]
Days = Annotated[int, Field(ge=-1, le=999_999_999)]
Count = Annotated[int, Field(ge=0, le=999_999_999)]
Direction = Literal["I", "O"]
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="Most rows of the page.")]
CursorText = Annotated[str, Query(max_length=200, description="`next` of the page before; empty for the first page.")]
Moment = AwareDatetime
"""RFC 3339 with its zone."""


class In(BaseModel):
    """What comes as a body."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Out(BaseModel):
    """What is answered."""

    model_config = ConfigDict(from_attributes=True)


Row = TypeVar("Row", bound=BaseModel)


class Page(Out, Generic[Row]):
    """Rows and where to go on: `next` is for the query parameter `cursor`, null on the last page."""

    items: list[Row]
    next: str | None = None


class Listed(Out, Generic[Row]):
    """All rows."""

    items: list[Row]


class Device(In):
    """A device, named in any of five ways; device_id wins, then station, device_alias, sys_user and crm_user."""

    device_id: Text | None = None
    station: Text | None = None
    device_alias: Text | None = None
    sys_user: Text | None = None
    crm_user: Text | None = None


class UserFields(In):
    """The free fields; an empty text empties one."""

    user1: Text | None = None
    user2: Text | None = None
    user3: Text | None = None
    user4: Text | None = None
    user5: Text | None = None
    user6: Text | None = None
    user7: Text | None = None
    user8: Text | None = None
    user9: Text | None = None
    user10: Text | None = None
    user11: Text | None = None
    user12: Text | None = None
    user13: Text | None = None
    user14: Text | None = None
    user15: Text | None = None


class CallFields(UserFields):
    """What CALLUPDATE changes beside the device; an empty text empties group, gate, ani, dnis and the free fields."""

    group: Text | None = None
    gate: Text | None = None
    ani: Text | None = None
    dnis: Text | None = None
    direction: Direction | None = None
    call_id: Text | None = None
    archive_action: Days | None = None


class Variables(Out):
    """All that is known of a call; -1 and 0 stand for unset numbers."""

    device_id: str
    device_alias: str
    station: str
    call_instance: str
    call_id: str
    session_id: str
    group: str
    gate: str
    ani: str
    dnis: str
    direction: str
    is_trunk: str
    priority: str
    users: list[str] = Field(description="USER1 to USER15, always fifteen.")
    keep_days: int
    archive_action: int
    max_record_silence: int
    max_record_time: int
    agent_initiated: str
    cti_initiated: str

    @classmethod
    def of(cls, known: CallVariables) -> "Variables":
        """From the value of the engine."""
        return cls.model_validate(known)


class Outcome(Out):
    """What a command answered: API_OK, or API_PARTIAL_CORE_RESPONSE when only some cores were reached."""

    resulttype: Literal["API_OK", "API_PARTIAL_CORE_RESPONSE"]
    resultcode: int
    message: str

    @classmethod
    def of(cls, result: Result) -> "Outcome":
        """From the answer of a command that succeeded."""
        return cls(
            resulttype="API_PARTIAL_CORE_RESPONSE" if result.label == PARTIAL else "API_OK",
            resultcode=result.code,
            message=result.message,
        )


WIRE: Final = {"station": "STATIONNAME", "direction": "CALLDIRECTION"}
"""Where the name of a parameter is not ours in capitals without underscores."""


def parameters(body: BaseModel) -> Iterator[tuple[str, str]]:
    """The parameters of a command that a body sets; what is null or not there is left out."""
    for name in body.model_fields_set:
        value = getattr(body, name)
        if value is not None:
            yield WIRE.get(name, name.replace("_", "").upper()), _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "Y" if value else "N"
    if isinstance(value, float):
        return f"{value:.6f}"
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def opaque(cursor: Cursor | None) -> str | None:
    """A place in a list as `next` shows it."""
    return base64.urlsafe_b64encode(written_cursor(cursor).encode()).decode().rstrip("=") if cursor else None


def place(text: str) -> Cursor | None:
    """The place that `opaque` wrote; None for none. Raises Problem for anything else."""
    if not text:
        return None
    try:
        found = read_cursor(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode())
    except (binascii.Error, ValueError):
        found = None
    if found is None:
        raise Problem(400, "cursor is not one that a page gave out", INVALID_FORMAT)
    return found

"""Rows into values and values into rows. No statements.

Lists of recordings are made here by the thousand. The `__init__` of a frozen dataclass with twenty fields costs more
than the database does for the whole row, so theirs are filled through their slots, by position. The one rule: the order
of each tuple of columns is the order in which the function named beside it reads them.
"""

from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from operator import attrgetter
from typing import Any, TypeVar

import orjson

from earshot.engine.variables import CallVariables
from earshot.ports import FinishedCall, LegFigures, RecordingRow, SealedRecording, User
from earshot.store.database import Row
from earshot.store.fields import COLUMN_OF, SCALARS, USER_NAMES
from earshot.store.people import username_key
from earshot.store.tables import CALLS, RECORDINGS, USERS

VARIABLE_NAMES = tuple(COLUMN_OF[name] for name in (*SCALARS, *USER_NAMES))
PLAIN = len(SCALARS)
VARIABLES = len(VARIABLE_NAMES)

SEALED = {
    "key": "key",
    "call_key": "call_key",
    "part": "part",
    "core": "core",
    "agent_id": "agent_id",
    "recording_time": "recording_time",
    "duration_s": "duration",
    "channels": "channels",
    "sample_rate_hz": "sample_rate",
    "object_name": "object_name",
    "file_name": "filename",
    "media_type": "media_type",
    "audio_sha256": "audio_hash",
    "audio_size": "audio_size",
    "peaks_per_second": "peaks_per_second",
    "ended_by": "ended_by",
}
"""Fields of `SealedRecording` that are stored as they are, and their columns."""

CALL = ("key", "core", "agent_id", "started_at", "stopped_at", "verdict", "reason")
"""Fields of `FinishedCall` that are stored as they are, under their own names."""

PERSON = (
    *("username", "employee_id", "first_name", "last_name", "is_agent", "active", "deleted", "added_at"),
    *("modified_at", "sys_user", "sys_domain", "email", "crm_user", "site_id", "is_admin"),
)
"""Fields of `User` that are stored as they are, under their own names."""
FLAGS = ("is_agent", "active", "deleted", "is_admin")

LIST_COLUMNS = (
    *(RECORDINGS.c[name] for name in (*VARIABLE_NAMES, *SEALED.values(), "ident", "warnings")),
    *(USERS.c[name] for name in ("first_name", "last_name", "sys_user", "crm_user")),
)
"""What `as_recording` reads."""

WHOLE_COLUMNS = (*LIST_COLUMNS, RECORDINGS.c.peaks, RECORDINGS.c.legs, RECORDINGS.c.gaps)
"""What `as_whole_recording` reads."""

CALL_COLUMNS = tuple(
    CALLS.c[name]
    for name in (*VARIABLE_NAMES, *CALL, "ident", "warnings", "announced_by", "participants", "leniencies")
)
"""What `as_call` reads."""

USER_COLUMNS = (USERS.c.ident, *(USERS.c[name] for name in PERSON))
"""What `as_user` reads."""

INSERTED_RECORDING = (*SEALED.values(), "warnings", *VARIABLE_NAMES, "legs", "gaps", "peaks")
"""What `recording_row` gives."""

DOCUMENTS = ("participants", "leniencies", "metadata", "decision")
INSERTED_CALL = (*CALL, "warnings", "announced_by", *VARIABLE_NAMES, *DOCUMENTS)
"""What `call_row` gives."""

for _table, _names in ((RECORDINGS, INSERTED_RECORDING), (CALLS, INSERTED_CALL)):
    assert [column.name for column in _table.columns] == ["ident", *_names], f"rows of {_table.name} have another order"

_scalar_values = attrgetter(*SCALARS)
_sealed_values = attrgetter(*SEALED)
_call_values = attrgetter(*CALL)
_SEALED_END = VARIABLES + len(SEALED)
_CALL_END = VARIABLES + len(CALL)


def document(value: Any) -> str:
    """`value` as the JSON text of a column."""
    return orjson.dumps(value).decode()


def _words(text: str) -> tuple[str, ...]:
    return () if text == "[]" else tuple(orjson.loads(text))


Value = TypeVar("Value")
Setter = Callable[[Any, Any], None]


def _slots(kind: type[Any], *names: str) -> tuple[Setter, ...]:
    """What sets the slots `names` of the frozen dataclass `kind`, which must be all of its fields."""
    assert {field.name for field in fields(kind)} == set(names), f"fields of {kind.__name__} without a column"
    return tuple(getattr(kind, name).__set__ for name in names)


_VARIABLE_SLOTS = _slots(CallVariables, *SCALARS, "users")
_SEALED_SLOTS = _slots(SealedRecording, *SEALED, "variables", "peaks", "legs", "gaps")


def _filled(kind: type[Value], slots: tuple[Setter, ...], values: Iterable[Any]) -> Value:
    made = object.__new__(kind)
    for put, value in zip(slots, values, strict=True):
        put(made, value)
    return made


def _variables(row: Row) -> CallVariables:
    return _filled(CallVariables, _VARIABLE_SLOTS, (*row[:PLAIN], row[PLAIN:VARIABLES]))


def as_recording(
    row: Row,
    peaks: bytes = b"",
    legs: tuple[LegFigures, ...] = (),
    gaps: tuple[tuple[float, float, str], ...] = (),
) -> RecordingRow:
    """A recording of `LIST_COLUMNS`, and what of it is not in a list."""
    record_id, warnings, first_name, last_name, sys_user, crm_user = row[_SEALED_END : _SEALED_END + 6]
    sealed = (*row[VARIABLES:_SEALED_END], _variables(row), peaks, legs, gaps)
    return RecordingRow(
        record_id=record_id,
        sealed=_filled(SealedRecording, _SEALED_SLOTS, sealed),
        agent_first_name=first_name or "",
        agent_last_name=last_name or "",
        sys_user=sys_user or "",
        crm_user=crm_user or "",
        warnings=_words(warnings),
    )


def as_legs(text: str) -> tuple[LegFigures, ...]:
    """The legs of their column."""
    found = [LegFigures(**leg) for leg in orjson.loads(text)]
    return tuple(replace(leg, digits_at=tuple((start, end) for start, end in leg.digits_at)) for leg in found)


def as_whole_recording(row: Row) -> RecordingRow:
    """A recording of `WHOLE_COLUMNS`."""
    peaks, legs, gaps = row[-3:]
    return as_recording(
        row,
        peaks=peaks,
        legs=as_legs(legs),
        gaps=tuple((start, end, why) for start, end, why in orjson.loads(gaps)),
    )


def recording_row(sealed: SealedRecording, warnings: tuple[str, ...]) -> Row:
    """All columns of a recording but its number, in the order of the table."""
    return (
        *_sealed_values(sealed),
        document(warnings),
        *_scalar_values(sealed.variables),
        *sealed.variables.users,
        document(sealed.legs),
        document(sealed.gaps),
        sealed.peaks,
    )


def as_call(row: Row, **whole: Any) -> tuple[int, FinishedCall]:
    """A call of `CALL_COLUMNS` with its row number, without metadata and recordings unless `whole` brings them."""
    ident, warnings, announced_by, participants, leniencies = row[_CALL_END : _CALL_END + 5]
    return ident, FinishedCall(
        variables=_variables(row),
        **dict(zip(CALL, row[VARIABLES:_CALL_END], strict=True)),
        warnings=_words(warnings),
        announced_by=_words(announced_by),
        participants=tuple(orjson.loads(participants)),
        leniencies=orjson.loads(leniencies),
        **whole,
    )


def call_row(call: FinishedCall) -> Row:
    """All columns of a call but its number, in the order of the table."""
    return (
        *_call_values(call),
        document(call.warnings),
        document(call.announced_by),
        *_scalar_values(call.variables),
        *call.variables.users,
        document(call.participants),
        document(call.leniencies),
        document(call.metadata),
        document(call.decision) if call.decision else None,
    )


def as_user(row: Row, phones: tuple[str, ...]) -> User:
    """A user of `USER_COLUMNS`."""
    values = dict(zip(PERSON, row[1:], strict=False))
    values.update({name: bool(values[name]) for name in FLAGS})
    return User(user_id=row[0], phones=phones, **values)


def user_columns(user: User) -> dict[str, Any]:
    """All columns of a user but number and password."""
    return {name: getattr(user, name) for name in PERSON} | {"username_key": username_key(user.username)}

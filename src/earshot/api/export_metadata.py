"""What a CAV says of its recording: the same facts as JSON and as XML, in the words of the recordings table.

DTMF digits are left out: they may be card numbers. The one rule: names as in reference.md 2.3, times in ISO 8601 UTC
beside the seconds of the protocol.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from earshot.api.hearing import hidden_spans
from earshot.ports import RecordingRow

NAMES: tuple[tuple[str, str], ...] = (
    ("device_id", "device_id"),
    ("device_alias", "device_alias"),
    ("station", "station"),
    ("callinstance", "call_instance"),
    ("callid", "call_id"),
    ("sessionid", "session_id"),
    ("sgroup", "group"),
    ("gate", "gate"),
    ("ani", "ani"),
    ("dnis", "dnis"),
    ("calldirection", "direction"),
    ("priority", "priority"),
    ("keepdays", "keep_days"),
    ("archive_action_id", "archive_action"),
)
"""Column of the recordings table, and the call variable that it is."""


def iso(at: float) -> str:
    """A moment as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def facts(row: RecordingRow, silent: Sequence[tuple[float, float]] = ()) -> dict[str, Any]:
    """What is said of a recording; `silent` is what the asker does not hear of it (`earshot.api.hearing`)."""
    sealed, variables = row.sealed, row.sealed.variables
    silenced = {"silenced": [{"start": start, "end": end} for start, end in silent]} if silent else {}
    return {
        "ident": row.record_id,
        "recording_time": sealed.recording_time,
        "recorded_at": iso(sealed.recording_time),
        "duration": round(sealed.duration_s, 3),
        "part": sealed.part,
        "core": sealed.core,
        "agent_id": sealed.agent_id,
        "agent_first_name": row.agent_first_name,
        "agent_last_name": row.agent_last_name,
        "sys_user": row.sys_user,
        "crm_user": row.crm_user,
        **{name: getattr(variables, field) for name, field in NAMES},
        **{f"user{number}": value for number, value in enumerate(variables.users, 1)},
        "filename": sealed.file_name,
        "channels": sealed.channels,
        "sample_rate": sealed.sample_rate_hz,
        "sealed_sha256": sealed.audio_sha256,
        "sealed_size": sealed.audio_size,
        "ended_by": sealed.ended_by,
        "warnings": list(row.warnings),
        "gaps": [{"start": start, "end": end, "why": why} for start, end, why in sealed.gaps],
        "legs": [
            {
                "side": leg.side,
                "participant": leg.participant,
                "codec": leg.codec,
                "received": leg.received,
                "lost": leg.lost,
            }
            for leg in sealed.legs
        ],
        **silenced,
    }


def joined_facts(rows: Sequence[RecordingRow], *, hears: bool = False) -> dict[str, Any]:
    """What is said of recordings that were joined: each with the second at which it begins in the sound."""
    at, each = 0.0, []
    for row in rows:
        each.append({"begins_at": round(at, 3), **facts(row, hidden_spans(row.sealed, hears=hears))})
        at += row.sealed.duration_s
    return {"duration": round(at, 3), "recordings": each}


def as_json(said: Mapping[str, Any]) -> str:
    """The facts as a JSON document."""
    return json.dumps(said, indent=1, ensure_ascii=False) + "\n"


def as_xml(said: Mapping[str, Any]) -> str:
    """The facts as an XML document; the elements of a list are called `item`."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_element("recording", said)}\n'


def _element(tag: str, value: Any) -> str:
    if isinstance(value, Mapping):
        inner = "".join(_element(name, one) for name, one in value.items())
    elif isinstance(value, list):
        inner = "".join(_element("item", one) for one in value)
    else:
        text = "" if value is None else str(value)
        inner = escape("".join(character for character in text if _may_stand(character)))
    return f"<{tag}>{inner}</{tag}>"


def _may_stand(character: str) -> bool:
    """Whether XML 1.0 has a way to write it."""
    return (
        character in "\t\n\r"
        or ("\x20" <= character <= "\ufffd" and not "\ud800" <= character <= "\udfff")
        or (character >= "\U00010000")
    )

"""Rows as leaves of the tamper-evident log. No statements.

The one rule: a row makes the same leaf whenever it is asked, for as long as what it is about was not altered.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

from earshot.ledger.leaves import AUDIT, SCREEN, SEALED, Leaf, canonical
from earshot.ports.audit import AuditEntry

FOLLOWED: Final = (SEALED, SCREEN, AUDIT)
"""The kinds of leaves that stand for rows."""
MICROSECONDS: Final = 1_000_000


def micros(seconds: float) -> int:
    """Seconds as whole microseconds."""
    return round(seconds * MICROSECONDS)


def recording_leaf(
    record_id: int,
    *,
    key: str,
    call_key: str,
    sha: str,
    size: int,
    recorded_at: float,
    duration_s: float,
    media_type: str,
) -> Leaf:
    """A recording that was sealed: its number, media (SHA-256, size in bytes, type) and times (microseconds)."""
    return Leaf(
        kind=SEALED,
        subject=f"recording {record_id}",
        key=f"recording/{key}",
        row=record_id,
        body={
            "call": call_key,
            "duration_us": micros(duration_s),
            "media_type": media_type,
            "record_id": record_id,
            "recorded_at_us": micros(recorded_at),
            "recording": key,
            "sha256": sha,
            "size": size,
        },
    )


def screen_leaf(number: int, *, key: str, session_id: str, segments: Sequence[tuple[int, str, int]]) -> Leaf:
    """A screen session that has ended, with (number, SHA-256, size in bytes) of each piece of its picture."""
    return Leaf(
        kind=SCREEN,
        subject=f"screen session {number}",
        key=f"screen/{key}",
        row=number,
        body={
            "screen": key,
            "segments": [{"number": place, "sha256": sha, "size": size} for place, sha, size in segments],
            "session_id": session_id,
        },
    )


def audit_leaf(entry: AuditEntry) -> Leaf:
    """An entry of the audit trail, by its hash: the trail itself is confidential, the log need not be."""
    digest = sha256(canonical(entry_document(entry))).hexdigest()
    return Leaf(
        kind=AUDIT,
        subject=f"audit entry {entry.number}",
        key=f"audit/{entry.number}/{digest[:32]}",
        row=entry.number,
        body={"entry": entry.number, "sha256": digest},
    )


def entry_document(entry: AuditEntry) -> dict[str, Any]:
    """What of an audit entry is hashed: all of it."""
    return {
        "act": entry.act,
        "actor": entry.actor,
        "address": entry.address,
        "at_us": micros(entry.at),
        "details": dict(entry.details),
        "kind": entry.kind,
        "number": entry.number,
        "subject": entry.subject,
        "user_id": entry.user_id,
    }

"""Rows of tombstones as values. No statements.

The one rule: the tables of deletions, of recordings and of screen sessions, have the same columns in the same order.
"""

from earshot.ports.retention import Deletion
from earshot.store.database import Row


def as_deletion(row: Row) -> Deletion:
    """The tombstone of a row of all columns of such a table."""
    return Deletion(
        record_id=row[0],
        key=row[1],
        core=row[2],
        recording_time=row[3],
        duration_s=row[4],
        audio_sha256=row[5],
        audio_size=row[6],
        decided_at=row[7],
        by=row[8],
        reason=row[9],
        rule=row[10],
        step=row[11],
        finished_at=row[12],
    )

"""How long screen sessions are kept: those whose days are over become tombstones, as recordings do.

A tombstone is a `Deletion` whose `record_id` is the number of the session, `recording_time` its start, `audio_sha256`
the SHA-256 of its segments in their order with blanks between, and `audio_size` their size. The one rule: the decision
looks for holds itself, in its own transaction.
"""

from collections.abc import Collection
from typing import Protocol

from earshot.engine.variables import USER_INDEX
from earshot.ports.retention import Criteria, Defaults, Deletion, RemovalStore, due_after
from earshot.ports.screens import ScreenSession

OWN_DAYS = "KEEPDAYS of the session"
SETTING = "setting keep_days"


def screen_is_due(session: ScreenSession, defaults: Defaults, purging: Collection[int], now: float) -> bool:
    """Whether its days are over and what is done then is a purge (`purging`: the numbers of such actions)."""
    said = session.variables
    action = said.archive_action if said.archive_action > 0 else defaults.archive_action
    due_at = due_after(session.started_at, said.keep_days if said.keep_days >= 0 else defaults.keep_days)
    return action in purging and due_at is not None and due_at <= now


def covers_session(criteria: Criteria, session: ScreenSession) -> bool:
    """Whether a hold of these criteria covers a session, by the session's own call variables, agent and start."""
    return (
        not criteria.is_empty
        and all(_said(session, name) == value for name, value in criteria.equals.items())
        and (not criteria.agent_id or session.agent_id == criteria.agent_id)
        and (criteria.since is None or session.started_at >= criteria.since)
        and (criteria.until is None or session.started_at <= criteria.until)
    )


def _said(session: ScreenSession, name: str) -> str:
    if name in USER_INDEX:
        return session.variables.users[USER_INDEX[name]]
    return session.session_id if name == "session_id" else str(getattr(session.variables, name))


class ScreenRetention(RemovalStore, Protocol):
    """Every method may raise `earshot.errors.StoreUnavailable`; each is one transaction. Where `RemovalStore` says
    RECORDID, it is the number of a session here."""

    async def doom_due(
        self, now: float, defaults: Defaults, purging: Collection[int], limit: int
    ) -> tuple[Deletion, ...]:
        """Decide the removal of sessions whose days are over (`screen_is_due`), by number.

        One without KEEPDAYS of its own stays while a recording of its SESSIONID is there, and goes with the last. One
        that a standing hold covers stays, and so does one of whose recordings one is held.
        """
        ...

    async def screen_deletions(self, limit: int, before: int | None = None) -> list[Deletion]:
        """Tombstones by the number of the session, descending, below `before`."""
        ...

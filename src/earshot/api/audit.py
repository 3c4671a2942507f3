"""The audit trail as the handlers see it: who did what to which recording, user, role or setting.

The one rule: an act is noted before its answer is sent.
"""

from typing import Protocol

from earshot.actor import Actor


class AuditTrail(Protocol):
    """Where acts are noted."""

    async def note(self, actor: Actor, act: str, subject: str = "", **detail: str) -> None:
        """Note that `actor` did `act` (listened, exported, mailed, changed, deleted, ...) to `subject`, which is a kind
        and a number or name such as `recording 17`, `user jdoe` or `role Sales`. Raises StoreUnavailable."""
        ...


class NoTrail:
    """Forgets everything: for tests, and until the trail is opened."""

    async def note(self, actor: Actor, act: str, subject: str = "", **detail: str) -> None:
        """See `AuditTrail.note`."""

"""The audit trail as the handlers see it: who did what to which recording, user, role or setting.

The one rule: a change of the store and its note are one transaction (`together`); any other act is noted before its
answer is sent.
"""

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol

from earshot.actor import Actor


class AuditTrail(Protocol):
    """Where acts are noted."""

    async def note(self, actor: Actor, act: str, subject: str = "", **detail: str) -> None:
        """Note that `actor` did `act` (listened, exported, mailed, changed, deleted, ...) to `subject`, which is a kind
        and a number or name such as `recording 17`, `user jdoe` or `role Sales`. Raises StoreUnavailable."""
        ...

    def together(self) -> AbstractAsyncContextManager[object]:
        """What this task changes in the store inside, and what it notes inside, is one transaction: both are kept, or
        neither. An exception inside undoes it, even if it is caught there. Nothing slow belongs inside: nobody else
        writes meanwhile."""
        ...


class NoTrail:
    """Forgets everything: for tests, and until the trail is opened."""

    async def note(self, actor: Actor, act: str, subject: str = "", **detail: str) -> None:
        """See `AuditTrail.note`."""

    def together(self) -> AbstractAsyncContextManager[object]:
        """See `AuditTrail.together`."""
        return nullcontext()

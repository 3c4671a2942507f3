"""The audit trail of the running system: an act and its actor become an entry that is durable before it is answered.

The entries are kept behind `earshot.ports.audit`. The one rule: whatever a caller passes, a secret is never written and
an entry stays small.
"""

import re
from contextlib import AbstractAsyncContextManager
from typing import Final

from earshot.actor import Actor
from earshot.clock import Clock
from earshot.ports.audit import AuditEntry, AuditLog

LONGEST_TEXT: Final = 1_000
"""Characters of a subject, a name or one detail; what is longer is cut and ends in an ellipsis."""
SECRET_NAME: Final = re.compile(r"(?i)passw|pwd|secret|^token$|api_?token")
NOT_PRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class RecordedTrail:
    """The `earshot.api.audit.AuditTrail` that remembers."""

    def __init__(self, log: AuditLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    async def note(self, actor: Actor, act: str, subject: str = "", **detail: str) -> None:
        """See `earshot.api.audit.AuditTrail.note`. Empty details are left out."""
        entry = AuditEntry(
            at=self._clock.now(),
            kind=actor.kind,
            actor=short(actor.name),
            user_id=actor.user_id,
            address=short(actor.address),
            act=short(act),
            subject=short(subject),
            details={
                name: "***" if SECRET_NAME.search(name) else short(str(value))
                for name, value in detail.items()
                if value
            },
        )
        await self._log.append([entry])

    def together(self) -> AbstractAsyncContextManager[object]:
        """See `earshot.api.audit.AuditTrail.together`."""
        return self._log.together()


def short(text: str) -> str:
    """`text` as it may stand in an entry: printable, on one line, at most LONGEST_TEXT characters."""
    clean = NOT_PRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text[: LONGEST_TEXT + 1])
    return clean if len(clean) <= LONGEST_TEXT else clean[: LONGEST_TEXT - 1] + "…"

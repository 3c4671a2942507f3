"""Mail that waits to be sent: what it holds, what keeps it, and what hands it to a mail server.

The one rule: a mail names the recordings it will carry and never holds their sound; what is attached is made when it
is sent, so that the queue stays small and a blackout that came later is in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

MailKind = Literal["single", "combined", "multi"]
MailState = Literal["queued", "sending", "sent", "failed", "dead"]
MAIL_STATES: tuple[MailState, ...] = ("queued", "sending", "sent", "failed", "dead")
"""`queued` has never been tried, `failed` will be tried again, `dead` will not unless somebody says so."""
INTERRUPTED = "The process that was sending it ended."
"""`last_error` of a mail that `Outbox.release` gave back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One mail to one address. `number` counts from 1 and is given by the outbox; times are seconds since the epoch.

    `message_id` is the same at every attempt, angle brackets included, so that a receiver can tell a mail that came
    twice. `records` are RECORDIDs, `kind` and `format` those of an export. `owner` is the process that sends it while
    `sending`; from `next_attempt_at` on it may be sent, or taken over from an owner that is gone.
    """

    number: int = 0
    message_id: str
    to: str
    to_name: str = ""
    from_: str
    from_name: str = ""
    reply_to: str = ""
    subject: str
    text: str
    records: tuple[int, ...]
    kind: MailKind
    format: str
    requested_by: str = ""
    created_at: float
    expires_at: float
    attempts: int = 0
    next_attempt_at: float
    last_error: str = ""
    state: MailState = "queued"
    owner: str = ""
    changed_at: float = 0.0


class Outbox(Protocol):
    """The durable queue. Every method raises `earshot.errors.StoreUnavailable`; each change is one transaction."""

    async def add(self, mails: Sequence[Mail]) -> tuple[int, ...]:
        """Keep the mails, all or none, durable when this returns; their numbers in order. Their own are ignored.
        Raises NotUnique("message_id")."""
        ...

    async def due(self, now: float, limit: int) -> list[int]:
        """Numbers of the mails that are neither sent nor dead and whose next attempt is at `now` or before, the
        longest waiting first."""
        ...

    async def claim(self, number: int, owner: str, now: float, until: float) -> Mail | None:
        """Take a mail that is due: its state becomes `sending`, `attempts` grows by one, and nobody else gets it
        before `until`. The mail as it is then, or None when it is not due (any more)."""
        ...

    async def settle(self, mail: Mail, state: MailState, now: float, next_attempt_at: float, error: str) -> bool:
        """Write down what became of a claimed mail. False when its owner does not hold it any more."""
        ...

    async def mail(self, number: int) -> Mail | None:
        """One mail."""
        ...

    async def mails(self, state: MailState | None, limit: int, before: int | None = None) -> list[Mail]:
        """Mails, newest first, of one state or all; `before` is the number of the last one of the page before."""
        ...

    async def counts(self) -> dict[MailState, int]:
        """How many mails there are in each state that has any."""
        ...

    async def retry(self, number: int, now: float, expires_at: float) -> bool:
        """Let a `failed` or `dead` mail be tried now, with a new end. False for any other."""
        ...

    async def drop(self, number: int) -> bool:
        """Remove a mail that is not being sent. False if there is none or it is."""
        ...

    async def release(self, owner: str, now: float) -> int:
        """Give back all that `owner` held when it ended without a word, to be tried at once; how many there were."""
        ...

    async def forget_sent(self, before: float) -> int:
        """Remove mails that were sent before that moment; how many there were."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file on this machine that goes with a mail, `size` in bytes, encrypted with `key` if there is one."""

    path: Path
    media_type: str
    file_name: str
    size: int
    key: bytes = field(default=b"", repr=False)


Fault = Literal["recipient", "sender", "message", "recording"]
"""What a refusal for good is about."""


class MailRefused(Exception):
    """The mail will never be taken as it is; `fault` says what is wrong with it, the message is for people."""

    def __init__(self, fault: Fault, why: str) -> None:
        super().__init__(why)
        self.fault = fault


class MailDelayed(Exception):
    """The mail was not taken now. `away` says that no other mail would have been either."""

    def __init__(self, why: str, *, away: bool) -> None:
        super().__init__(why)
        self.away = away


class Mailer(Protocol):
    """A way to a mail server."""

    async def send(self, mail: Mail, attachment: Attachment | None) -> str:
        """Hand the mail over; what the server answered. Raises MailRefused and MailDelayed."""
        ...

"""The outbox in memory: for tests, and for a server that need not remember.

Same contract as `sql.outbox.SqlOutbox`. The one rule: nothing is awaited between looking and changing, so that every
change is one transaction here too.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from earshot.errors import StoreUnavailable
from earshot.ports import NotUnique
from earshot.ports.outbox import INTERRUPTED, Mail, MailState


class MemoryOutbox:
    """The port `earshot.ports.outbox.Outbox` without a database. `unavailable` makes every method fail."""

    def __init__(self) -> None:
        self.unavailable = False
        self._mails: dict[int, Mail] = {}
        self._last = 0

    def _answer(self) -> None:
        if self.unavailable:
            raise StoreUnavailable("the outbox in memory was told to be away")

    async def add(self, mails: Sequence[Mail]) -> tuple[int, ...]:
        """See `Outbox.add`."""
        self._answer()
        taken = {mail.message_id for mail in self._mails.values()}
        for mail in mails:
            if mail.message_id in taken:
                raise NotUnique("message_id", mail.message_id)
            taken.add(mail.message_id)
        numbers = []
        for mail in mails:
            self._last += 1
            self._mails[self._last] = replace(mail, number=self._last)
            numbers.append(self._last)
        return tuple(numbers)

    def _is_due(self, mail: Mail, now: float) -> bool:
        return mail.state not in ("sent", "dead") and mail.next_attempt_at <= now

    async def due(self, now: float, limit: int) -> list[int]:
        """See `Outbox.due`."""
        self._answer()
        waiting = [mail for mail in self._mails.values() if self._is_due(mail, now)]
        waiting.sort(key=lambda mail: (mail.next_attempt_at, mail.number))
        return [mail.number for mail in waiting[: max(0, limit)]]

    async def claim(self, number: int, owner: str, now: float, until: float) -> Mail | None:
        """See `Outbox.claim`."""
        self._answer()
        mail = self._mails.get(number)
        if mail is None or not self._is_due(mail, now):
            return None
        self._mails[number] = mail = replace(
            mail, state="sending", owner=owner, attempts=mail.attempts + 1, next_attempt_at=until, changed_at=now
        )
        return mail

    async def settle(self, mail: Mail, state: MailState, now: float, next_attempt_at: float, error: str) -> bool:
        """See `Outbox.settle`."""
        self._answer()
        held = self._mails.get(mail.number)
        if held is None or (held.state, held.owner, held.attempts) != ("sending", mail.owner, mail.attempts):
            return False
        self._mails[mail.number] = replace(
            held, state=state, owner="", next_attempt_at=next_attempt_at, last_error=error, changed_at=now
        )
        return True

    async def mail(self, number: int) -> Mail | None:
        """See `Outbox.mail`."""
        self._answer()
        return self._mails.get(number)

    async def mails(self, state: MailState | None, limit: int, before: int | None = None) -> list[Mail]:
        """See `Outbox.mails`."""
        self._answer()
        found = [mail for mail in self._mails.values() if state in (None, mail.state)]
        found = [mail for mail in found if before is None or mail.number < before]
        return sorted(found, key=lambda mail: -mail.number)[: max(0, limit)]

    async def counts(self) -> dict[MailState, int]:
        """See `Outbox.counts`."""
        self._answer()
        return dict(Counter(mail.state for mail in self._mails.values()))

    async def retry(self, number: int, now: float, expires_at: float) -> bool:
        """See `Outbox.retry`."""
        self._answer()
        mail = self._mails.get(number)
        if mail is None or mail.state not in ("failed", "dead"):
            return False
        self._mails[number] = replace(mail, state="queued", next_attempt_at=now, expires_at=expires_at, changed_at=now)
        return True

    async def drop(self, number: int) -> bool:
        """See `Outbox.drop`."""
        self._answer()
        mail = self._mails.get(number)
        if mail is None or mail.state == "sending":
            return False
        del self._mails[number]
        return True

    async def release(self, owner: str, now: float) -> int:
        """See `Outbox.release`."""
        self._answer()
        held = [mail for mail in self._mails.values() if mail.state == "sending" and mail.owner == owner]
        for mail in held:
            self._mails[mail.number] = replace(
                mail, state="failed", owner="", next_attempt_at=now, last_error=INTERRUPTED, changed_at=now
            )
        return len(held)

    async def forget_sent(self, before: float) -> int:
        """See `Outbox.forget_sent`."""
        self._answer()
        old = [mail.number for mail in self._mails.values() if mail.state == "sent" and mail.changed_at < before]
        for number in old:
            del self._mails[number]
        return len(old)

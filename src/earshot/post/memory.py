"""A mail server that is not there: keeps what it is given, for tests of the queue.

The one rule: it says no as the real one would, through `MailRefused` and `MailDelayed`.
"""

from dataclasses import dataclass

from earshot.ports.outbox import Attachment, Mail, MailDelayed, MailRefused
from earshot.vault.files import opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """A mail as it arrived, with the bytes of its attachment."""

    mail: Mail
    content: bytes


class MemoryMailer:
    """The port `earshot.ports.outbox.Mailer` without a network. `says` is raised instead of taking mail, while set;
    `refuses` are addresses that nobody has."""

    def __init__(self) -> None:
        self.inbox: list[Delivered] = []
        self.says: MailRefused | MailDelayed | None = None
        self.refuses: set[str] = set()
        self.tried = 0

    async def send(self, mail: Mail, attachment: Attachment | None) -> str:
        """See `Mailer.send`."""
        self.tried += 1
        if self.says is not None:
            raise self.says
        if mail.to in self.refuses:
            raise MailRefused("recipient", f"550 {mail.to} is not known here")
        content = b""
        if attachment is not None:
            with opened(attachment.path, attachment.key or None) as file:
                content = file.read()
        self.inbox.append(Delivered(mail=mail, content=content))
        return "taken"

"""Mail: the outbox, the way to the mail server, the desk of EMAIL and COMBINEDEMAIL, and the page of the queue.

The one rule: without a mail server everything is there all the same, so that what is queued is kept and seen.
"""

import random
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from earshot.api.context import Context
from earshot.api.delivery import Delivery, DeliverySettings, Outcome
from earshot.api.exporting import ExportJob
from earshot.api.mail_desk import MailDesk, MailPolicy
from earshot.config import Settings
from earshot.errors import EarshotError
from earshot.ports import RecordingRow
from earshot.ports.outbox import Attachment, Mail
from earshot.post.addresses import checked_address, checked_text
from earshot.premises import mailer_of
from earshot.services import House
from earshot.store.sql.outbox import SqlOutbox
from earshot.web.mail import MailPages

HOUR_S = 3600.0
DAY_S = 86400.0
POLL_S = 5.0


async def start(house: House, undo: AsyncExitStack) -> None:
    """Hang it in."""
    settings, context = house.settings, house.context

    delivery = Delivery(
        SqlOutbox(house.database),
        mailer_of(settings),
        lambda mail: _attached(context, mail),
        clock=house.clock,
        spawner=house.spawner,
        random=random.random,
        tell=lambda outcome: _tell(context, outcome),
        settings=_when(settings),
        owner=f"core {settings.core}",
    )
    context.mail = MailDesk(delivery=delivery, policy=_policy(settings), token=lambda: secrets.token_hex(16))
    house.routes += MailPages(delivery, context, house.clock).routes()

    async def begin() -> None:
        await delivery.take_up()
        house.spawner.spawn("mail", delivery.run())

    house.on_open.append(begin)


@asynccontextmanager
async def _attached(context: Context, mail: Mail) -> AsyncIterator[Attachment]:
    """What goes with `mail`, made now. Raises as `earshot.api.delivery.Attach`."""
    if context.exports is None:
        raise EarshotError("Exports are not available")
    rows: list[RecordingRow] = []
    for number in mail.records:
        row = await context.store.recording(number)
        if row is None:
            raise FileNotFoundError(f"Recording {number} is gone")
        rows.append(row)
    job = ExportJob(rows=tuple(rows), kind=mail.kind, format=mail.format, owner=mail.requested_by)
    async with await context.exports.file(job) as made:
        yield Attachment(
            path=made.path, media_type=made.media_type, file_name=made.file_name, size=made.size, key=made.key
        )


def _tell(context: Context, outcome: Outcome) -> None:
    """MAILSENT or MAILFAILED."""
    mail = outcome.mail
    fields = [
        ("RECORDID", ",".join(str(number) for number in mail.records)),
        ("TO", mail.to),
        ("MAILID", str(mail.number)),
    ]
    if outcome.state == "sent":
        context.publish("MAILSENT", fields)
    else:
        context.publish("MAILFAILED", [*fields, ("WHY", outcome.why)])


def _policy(settings: Settings) -> MailPolicy:
    return MailPolicy(
        sender=checked_address(settings.smtp_from) if settings.smtp_from else "",
        sender_name=checked_text(settings.smtp_from_name, "smtp_from_name"),
        from_domains=tuple(settings.smtp_from_domains),
        outside=settings.smtp_from_outside,
        to_domains=tuple(settings.mail_to_domains),
        combined_format=settings.mail_combined_format,
    )


def _when(settings: Settings) -> DeliverySettings:
    return DeliverySettings(
        first_retry_s=settings.mail_retry_s,
        longest_retry_s=max(settings.mail_retry_s, settings.mail_retry_longest_s),
        give_up_s=settings.mail_give_up_h * HOUR_S,
        handoff_s=settings.mail_handoff_s,
        poll_s=min(POLL_S, settings.mail_retry_s),
        kept_s=settings.mail_kept_days * DAY_S,
    )

"""EMAIL and COMBINEDEMAIL: which recordings go to whom, from whom, and what the caller is told.

How mail is kept and sent stands in `delivery`. The one rule: nothing is queued before everything about it is checked:
addresses, sender, names, and that every recording may be seen and is there.
"""

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from earshot.actor import Visibility
from earshot.api.context import Context
from earshot.api.delivery import Outcome
from earshot.api.mail_desk import MailDesk, Sender
from earshot.api.recordings import UNIQUE_FIELDS
from earshot.errors import BadInput, StoreUnavailable
from earshot.ports import RecordingRow
from earshot.ports.outbox import Fault, Mail, MailKind
from earshot.post.addresses import AddressNotValid, addresses_in, checked_address, checked_text, domain_of
from earshot.protocol.decode import Request
from earshot.protocol.results import INVALID_FORMAT, PROCESSING_ERROR, Result, failed, ok

NOT_VALID = "API_EMAIL_NOT_VALID"
NO_FILE = "API_FILE_NOT_FOUND"
NO_SERVER = "API_ERROR_CLIENT_NOT_FOUND"
LABELS: dict[Fault, str] = {
    "recipient": NOT_VALID,
    "sender": NOT_VALID,
    "recording": NO_FILE,
    "message": PROCESSING_ERROR,
}
"""What is answered when a mail was refused for good."""
MOST_RECORDINGS = 1000
LAST_IDENT = 2**63 - 1
SHOWN = 50
"""How many recordings the text of a mail lists."""
ATTACHED: dict[MailKind, str] = {
    "single": "Attached is",
    "combined": "Attached, joined into one file, are",
    "multi": "Attached as a ZIP file are",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be sent: `rows` as one export of `kind` and `format`, to each of `receivers`."""

    rows: tuple[RecordingRow, ...]
    kind: MailKind
    format: str
    receivers: tuple[str, ...]
    sender: Sender
    to_name: str = ""


class NoRecording(Exception):
    """A recording is not there, or not for this asker; the message says which."""


async def email(context: Context, request: Request) -> Result:
    """EMAIL: the recordings by number, several of them as one ZIP (specification, EMAIL)."""
    return await _told(request, _email(context, request))


async def combined_email(context: Context, request: Request) -> Result:
    """COMBINEDEMAIL: recordings joined into one file; UNIQUEID names the field that IDENT holds (reference.md 14.3)."""
    return await _told(request, _combined_email(context, request))


async def _told(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, or what it raised in the protocol's own terms."""
    try:
        return await work
    except AddressNotValid as wrong:
        return failed(request, NOT_VALID, str(wrong))
    except BadInput as wrong:
        return failed(request, INVALID_FORMAT, str(wrong))
    except NoRecording as missing:
        return failed(request, NO_FILE, str(missing))
    except StoreUnavailable as away:
        return failed(request, "API_DATABASE_QUERY_ERROR", str(away))


async def _email(context: Context, request: Request) -> Result:
    addresses_in(request.get("TOADDRESS"))
    desk = context.mail
    if desk is None or not desk.delivery.has_server:
        return failed(request, NO_SERVER, "No mail server is configured")
    receivers = desk.receivers(request.get("TOADDRESS"))
    rows = await _rows(context, request, "record_id", request.get("IDENT").split(","))
    order = Order(
        rows=rows,
        kind="single" if len(rows) == 1 else "multi",
        format=request.get("MEDIA_FORMAT"),
        receivers=receivers,
        sender=desk.sender(),
    )
    return await _send(context, request, desk, order)


async def _combined_email(context: Context, request: Request) -> Result:
    addresses_in(request.get("TOADDRESS"))
    checked_address(request.get("FROMADDRESS"))
    to_name = checked_text(request.get("TONAME"), "TONAME")
    from_name = checked_text(request.get("FROMNAME"), "FROMNAME")
    field = UNIQUE_FIELDS.get(request.get("UNIQUEID").replace("_", "").upper())
    if field is None:
        raise BadInput(f"UNIQUEID {request.get('UNIQUEID')} is not a field of recordings")
    desk = context.mail
    if desk is None or not desk.delivery.has_server:
        return failed(request, NO_SERVER, "No mail server is configured")
    receivers = desk.receivers(request.get("TOADDRESS"))
    sender = desk.sender(request.get("FROMADDRESS"), from_name)
    rows = await _rows(context, request, field, request.get("IDENT").split(","))
    order = Order(
        rows=rows,
        kind="single" if len(rows) == 1 else "combined",
        format=request.get("MEDIA_FORMAT") or desk.policy.combined_format,
        receivers=receivers,
        sender=sender,
        to_name=to_name,
    )
    return await _send(context, request, desk, order)


# --- recordings ---------------------------------------------------------------------------------------------------


async def _rows(context: Context, request: Request, field: str, values: Sequence[str]) -> tuple[RecordingRow, ...]:
    """The recordings whose `field` has the values, the newest where several match; each once, in the order asked.

    Raises NoRecording for one that is not there, has no media or may not be seen by who asks, so that nobody learns
    which of the three it is; BadInput; StoreUnavailable.
    """
    wanted = tuple(dict.fromkeys(value for value in values if value))
    most = context.exports.most_recordings if context.exports is not None else MOST_RECORDINGS
    if len(wanted) > most:
        raise BadInput(f"More than {most} recordings are given")
    skip = context.exports is not None and context.exports.skip_missing
    found: dict[int, RecordingRow] = {}
    for value in wanted:
        row = await _row(context, field, value)
        if row is not None and _shows(request.actor.sees, row) and await context.storage.exists(row.sealed.object_name):
            found[row.record_id] = row
        elif not skip:
            raise NoRecording(f"No recording matches {value}, or its media is not there")
    if not found:
        raise NoRecording("No recording matches")
    return tuple(found.values())


async def _row(context: Context, field: str, value: str) -> RecordingRow | None:
    if field != "record_id":
        return await context.store.newest_recording(field, value)
    if not (value.isascii() and value.isdigit()):
        raise BadInput("IDENT must be the numbers of recordings, with commas between them")
    number = int(value[:20])
    return await context.store.recording(number) if number <= LAST_IDENT else None


def _shows(sees: Visibility, row: RecordingRow) -> bool:
    variables = row.sealed.variables
    return sees.shows(
        agent_id=row.sealed.agent_id,
        device_id=variables.device_id,
        device_alias=variables.device_alias,
        group=variables.group,
        gate=variables.gate,
    )


# --- sending ------------------------------------------------------------------------------------------------------


async def _send(context: Context, request: Request, desk: MailDesk, order: Order) -> Result:
    """Note the act and queue one mail a receiver, then wait for the first attempts. Raises StoreUnavailable."""
    now = context.clock.now()
    mails = [
        Mail(
            message_id=f"<{desk.token()}@{domain_of(desk.policy.sender)}>",
            to=receiver,
            to_name=order.to_name,
            from_=order.sender.address,
            from_name=order.sender.name,
            reply_to=order.sender.reply_to,
            subject=_subject(order.rows),
            text=_text(context, order),
            records=tuple(row.record_id for row in order.rows),
            kind=order.kind,
            format=order.format,
            requested_by=request.actor.name,
            created_at=now,
            expires_at=now + desk.delivery.settings.give_up_s,
            next_attempt_at=now,
            changed_at=now,
        )
        for receiver in order.receivers
    ]
    detail = {"to": ", ".join(order.receivers), "format": order.format, "kind": order.kind}
    async with context.audit.together():
        for row in order.rows:
            await context.audit.note(request.actor, "mailed", f"recording {row.record_id}", **detail)
        numbers = await desk.delivery.outbox.add(mails)
    return _answer(request, order.receivers, await desk.delivery.attempted(numbers))


def _answer(request: Request, receivers: Sequence[str], outcomes: Sequence[Outcome | None]) -> Result:
    """One answer for all receivers: an error if any was refused for good, and what became of the others with it."""
    known = list(zip(receivers, outcomes, strict=True))
    dead = [(to, outcome) for to, outcome in known if outcome is not None and outcome.state == "dead"]
    waiting = [to for to, outcome in known if outcome is None or outcome.state == "failed"]
    if dead:
        label = LABELS[dead[0][1].fault or "message"]
        sentences = [f"{to}: {outcome.why}" for to, outcome in dead]
        sent = [to for to, outcome in known if outcome is not None and outcome.state == "sent"]
        sentences += [f"Sent to {', '.join(sent)}"] if sent else []
        sentences += [f"Queued for {', '.join(waiting)}"] if waiting else []
        return failed(request, label, ". ".join(sentences))
    if waiting:
        why = next((outcome.why for _, outcome in known if outcome is not None and outcome.state == "failed"), "")
        return ok(request, f"Queued, to be sent when the mail server takes it{': ' if why else ''}{why}")
    return ok(request)


def _subject(rows: Sequence[RecordingRow]) -> str:
    return f"Recording {rows[0].record_id}" if len(rows) == 1 else f"{len(rows)} recordings"


def _text(context: Context, order: Order) -> str:
    shown = [f"- {_line(context, row)}" for row in order.rows[:SHOWN]]
    shown += [f"- and {len(order.rows) - SHOWN} more"] if len(order.rows) > SHOWN else []
    return f"{ATTACHED[order.kind]} ({order.format}):\n\n" + "\n".join(shown) + "\n\nSent by Earshot.\n"


def _line(context: Context, row: RecordingRow) -> str:
    sealed = row.sealed
    moment = datetime.fromtimestamp(sealed.recording_time, context.settings.zone)
    minutes, seconds = divmod(round(sealed.duration_s), 60)
    device = "".join(letter if letter.isprintable() else " " for letter in sealed.variables.device_id)
    return f"recording {row.record_id}, {moment:%Y-%m-%d %H:%M:%S %Z}, {minutes}:{seconds:02}, device {device}"

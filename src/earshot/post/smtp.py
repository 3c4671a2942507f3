"""The conversation with a mail server (RFC 5321): connect, STARTTLS or TLS, login, one message.

No queue here. The one rule: what the server refuses for good is told apart from what may work later, because the first
is given up and the second is not.
"""

import asyncio
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import aiosmtplib
from aiosmtplib import SMTP, SMTPException, SMTPResponse, SMTPResponseException

from earshot.ports.outbox import Attachment, Fault, Mail, MailDelayed, MailRefused
from earshot.post.message import Letter, compose

Security = Literal["none", "starttls", "tls"]

FINAL_FACTOR = 10
"""How many times longer than for another answer the server may think about a whole message: a client that gives up too
soon sends it twice (RFC 5321 section 4.5.3.2.6)."""
NEEDS_LOGIN = frozenset({530, 534, 535, 538})
"""Codes about the login (RFC 4954 section 6): the setting is wrong, not the mail."""
TOO_LARGE = frozenset({523, 552})
ANSWER_LIMIT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSettings:
    """Where the mail server is and how it is spoken to. `timeout_s` bounds each answer of it and each piece sent;
    `most_bytes` is the largest message; `name` is what we call ourselves (EHLO), empty for this machine's name."""

    host: str
    port: int = 0
    security: Security = "starttls"
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    timeout_s: float = 60.0
    most_bytes: int = 25_000_000
    name: str = ""


class SmtpMailer:
    """The port `earshot.ports.outbox.Mailer` over SMTP; every mail has a connection of its own."""

    def __init__(self, settings: SmtpSettings) -> None:
        self.settings = settings

    async def send(self, mail: Mail, attachment: Attachment | None) -> str:
        """See `Mailer.send`."""
        letter = compose(mail, attachment)
        if letter.size > self.settings.most_bytes:
            raise MailRefused("message", _too_large(letter, self.settings.most_bytes, "the setting mail_max_mb allows"))
        client = await self._connected()
        transport = client.transport
        try:
            return await self._hand_over(client, mail, letter)
        except SMTPResponseException as answer:
            raise _meaning(answer) from answer
        except (SMTPException, OSError) as trouble:
            why = f"The conversation with the mail server broke off: {_said(trouble)}"
            raise MailDelayed(why, away=False) from trouble
        finally:
            client.close()
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()

    async def _connected(self) -> SMTP:
        settings = self.settings
        try:
            client = SMTP(
                hostname=settings.host,
                port=settings.port or None,
                username=settings.user or None,
                password=settings.password if settings.user else None,
                local_hostname=settings.name or None,
                timeout=settings.timeout_s,
                use_tls=settings.security == "tls",
                start_tls=settings.security == "starttls",
                tls_context=await asyncio.to_thread(self._tls) if settings.security != "none" else None,
            )
            await client.connect()
        except aiosmtplib.SMTPAuthenticationError as refused:
            raise MailDelayed(f"The mail server refused the login: {_said(refused)}", away=True) from refused
        except (SMTPException, OSError, ValueError) as trouble:
            where = f"{settings.host}, {settings.security}"
            raise MailDelayed(f"The mail server ({where}) cannot be used now: {_said(trouble)}", away=True) from trouble
        return client

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.settings.ca_file)

    async def _hand_over(self, client: SMTP, mail: Mail, letter: Letter) -> str:
        if client.is_ehlo_or_helo_needed:
            await client.ehlo()
        options = self._options(client, letter)
        encoding = "utf-8" if letter.utf8 else "ascii"
        await client.mail(mail.from_, options=options, encoding=encoding)
        await client.rcpt(mail.to, encoding=encoding)
        answer = await self._data(client, letter)
        await _goodbye(client)
        return _said(answer)

    def _options(self, client: SMTP, letter: Letter) -> list[str]:
        """What is said beside the sender: SIZE (RFC 1870), SMTPUTF8 (RFC 6531)."""
        options = []
        if client.supports_extension("size"):
            announced = client.esmtp_extensions.get("size", "").strip()
            limit = int(announced) if announced.isdecimal() else 0
            if 0 < limit < letter.size:
                raise MailRefused("message", _too_large(letter, limit, "the mail server takes"))
            options.append(f"SIZE={letter.size}")
        if letter.utf8:
            if not client.supports_extension("smtputf8"):
                raise MailRefused("recipient", "The mail server takes no addresses with letters beyond ASCII")
            options.append("SMTPUTF8")
        return options

    async def _data(self, client: SMTP, letter: Letter) -> SMTPResponse:
        """DATA with the message sent piece by piece, never faster than the server takes it."""
        timeout_s = self.settings.timeout_s
        begun = await client.execute_command(b"DATA")
        if begun.code != 354:
            raise aiosmtplib.SMTPDataError(begun.code, begun.message)
        async for piece in letter.pieces():
            protocol = client.protocol
            if protocol is None:
                raise aiosmtplib.SMTPServerDisconnected("the connection was lost in the middle of the message")
            protocol.write(piece)
            async with asyncio.timeout(timeout_s):
                await protocol._drain_helper()
        answer = await client.execute_command(b".", timeout=timeout_s * FINAL_FACTOR)
        if answer.code != 250:
            raise aiosmtplib.SMTPDataError(answer.code, answer.message)
        return answer


async def _goodbye(client: SMTP) -> None:
    """The message is taken: what happens to the connection now changes nothing."""
    try:
        async with asyncio.timeout(1.0):
            await client.quit()
    except (SMTPException, OSError):
        return


def _meaning(answer: SMTPResponseException) -> MailRefused | MailDelayed:
    """What a refusing answer means for the mail: 5xx is for good, anything else may work later."""
    said = f"The mail server answered {answer.code} {_said(answer)}"
    if answer.code in NEEDS_LOGIN:
        return MailDelayed(said, away=True)
    if not 500 <= answer.code <= 599:
        return MailDelayed(said, away=answer.code == 421)
    fault: Fault = "message"
    if answer.code not in TOO_LARGE:
        if isinstance(answer, aiosmtplib.SMTPRecipientRefused):
            fault = "recipient"
        elif isinstance(answer, aiosmtplib.SMTPSenderRefused):
            fault = "sender"
    return MailRefused(fault, said)


def _too_large(letter: Letter, limit: int, whose: str) -> str:
    return f"The mail has {letter.size / 1e6:.1f} MB, more than the {limit / 1e6:.1f} MB that {whose}"


def _said(trouble: BaseException | SMTPResponse) -> str:
    """What a server or a library said, as one line of printable text."""
    text = str(getattr(trouble, "message", "") or trouble) or type(trouble).__name__
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:ANSWER_LIMIT]

"""A real SMTP server (aiosmtpd) on loopback that can be told to refuse, to think for long, and to be away."""

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from tests.ports import free_port

USER, PASSWORD = "recorder", "sesame"


class Certificate:
    """A certificate for 127.0.0.1 and localhost, and the authority behind it as a file."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1", "localhost")
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued.configure_cert(self.server)
        self.ca_file = folder / "authority.pem"
        authority.cert_pem.write_to_path(self.ca_file)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A mail as the server got it."""

    sender: str
    receivers: tuple[str, ...]
    content: bytes
    with_tls: bool

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=policy.SMTP)

    @property
    def attachment(self) -> EmailMessage:
        (found,) = self.message.iter_attachments()
        return found


@dataclass
class MailServer:
    """`says` maps an address to the answer RCPT gets; `says_sender` and `says_data` are answers to MAIL and DATA.
    While `thinking` is not set, DATA gets no answer."""

    certificate: Certificate | None = None
    implicit_tls: bool = False
    login: bool = False
    size_limit: int | None = 33_554_432
    utf8: bool = True
    port: int = field(default_factory=free_port)
    says: dict[str, str] = field(default_factory=dict)
    says_sender: str = ""
    says_data: str = ""
    arrived: list[Arrived] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)
    connections: int = 0
    thinking: asyncio.Event = field(default_factory=asyncio.Event)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None
    _open: set[asyncio.BaseTransport] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.thinking.set()

    async def start(self) -> None:
        """Listen, on the same port every time."""
        tls = self.certificate.server if self.certificate is not None and self.implicit_tls else None
        self._server = await asyncio.get_running_loop().create_server(self._protocol, "127.0.0.1", self.port, ssl=tls)

    async def stop(self) -> None:
        """Be away: nobody listens, and every connection is cut."""
        if self._server is not None:
            self._server.close()
            for transport in list(self._open):
                if not transport.is_closing():  # Python 3.11.2 fails at aborting TLS that is closing
                    cast(asyncio.Transport, transport).abort()
            await asyncio.sleep(0)
            self._server = None

    def _protocol(self) -> SMTP:
        server = self

        class Conversation(SMTP):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                server.connections += 1
                server._open.add(transport)
                super().connection_made(transport)

            async def smtp_MAIL(self, arg: str) -> None:
                server.senders.append(arg)
                await super().smtp_MAIL(arg)

            def connection_lost(self, error: Exception | None) -> None:
                server._open.discard(cast(Any, self.transport))
                super().connection_lost(error)

        starttls = self.certificate.server if self.certificate is not None and not self.implicit_tls else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it does not know that the whole connection is TLS
            return Conversation(
                self,
                hostname="mail.example",
                data_size_limit=self.size_limit,
                enable_SMTPUTF8=self.utf8,
                tls_context=starttls,
                authenticator=_authenticated if self.login else None,
                auth_required=self.login,
                auth_require_tls=starttls is not None,
            )

    async def handle_MAIL(
        self, smtp: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.says_sender:
            return self.says_sender
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(
        self, smtp: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.says:
            return self.says[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, smtp: Any, session: Session, envelope: Envelope) -> str:
        self.came.set()
        await self.thinking.wait()
        if self.says_data:
            return self.says_data
        assert isinstance(envelope.content, bytes)
        self.arrived.append(
            Arrived(
                sender=envelope.mail_from or "",
                receivers=tuple(envelope.rcpt_tos),
                content=envelope.content,
                with_tls=session.ssl is not None or self.implicit_tls,
            )
        )
        return "250 OK taken"


def _authenticated(server: Any, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=good, handled=False)


@asynccontextmanager
async def mail_server(**options: Any) -> AsyncIterator[MailServer]:
    """A server that listens for the length of a block."""
    server = MailServer(**options)
    await server.start()
    try:
        yield server
    finally:
        server.thinking.set()
        await server.stop()


@asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """The port of a server that takes connections and never says a word."""
    held: list[asyncio.StreamWriter] = []

    async def keep(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    server = await asyncio.start_server(keep, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in held:
            writer.close()

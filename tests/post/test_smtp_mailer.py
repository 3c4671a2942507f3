"""The conversation with a real mail server: every way to guard it, and every way it can go wrong."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from tests.post.letters import a_file, a_mail
from tests.post.mail_server import PASSWORD, USER, Certificate, MailServer, mail_server, silent_server

from earshot.ports.outbox import Attachment, MailDelayed, MailRefused
from earshot.post.smtp import SmtpMailer, SmtpSettings


def mailer(server: MailServer | int, **settings: Any) -> SmtpMailer:
    port = server if isinstance(server, int) else server.port
    chosen: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "timeout_s": 5.0,
        "name": "rec.test",
    }
    return SmtpMailer(SmtpSettings(**chosen | settings))


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return Certificate(tmp_path)


async def test_plain(tmp_path: Path) -> None:
    content = os.urandom(1_000_001)
    async with mail_server() as server:
        said = await mailer(server).send(a_mail(), a_file(tmp_path, content))
        (mail,) = server.arrived
    assert said == "OK taken"
    assert (mail.sender, mail.receivers, mail.with_tls) == ("recorder@uptivity.com", ("jane@uptivity.com",), False)
    assert mail.attachment.get_content() == content
    assert mail.message["Message-ID"] == "<0123456789abcdef@uptivity.com>"
    assert server.senders == [f"FROM:<recorder@uptivity.com> SIZE={len(mail.content)}"]


async def test_starttls_with_login(certificate: Certificate, tmp_path: Path) -> None:
    async with mail_server(certificate=certificate, login=True) as server:
        way = mailer(server, security="starttls", ca_file=certificate.ca_file, user=USER, password=PASSWORD)
        await way.send(a_mail(), a_file(tmp_path, b"sound"))
        (mail,) = server.arrived
    assert mail.with_tls
    assert mail.attachment.get_content() == b"sound"


async def test_tls_with_login(certificate: Certificate) -> None:
    async with mail_server(certificate=certificate, implicit_tls=True, login=True) as server:
        way = mailer(server, security="tls", ca_file=certificate.ca_file, user=USER, password=PASSWORD)
        await way.send(a_mail(), None)
        (mail,) = server.arrived
    assert mail.with_tls


async def test_an_unknown_certificate_is_not_trusted(certificate: Certificate) -> None:
    async with mail_server(certificate=certificate) as server:
        with pytest.raises(MailDelayed, match="certificate") as caught:
            await mailer(server, security="starttls").send(a_mail(), None)
        assert caught.value.away
        assert server.arrived == []


async def test_a_server_without_starttls_gets_nothing(certificate: Certificate) -> None:
    async with mail_server() as server:
        with pytest.raises(MailDelayed, match="STARTTLS") as caught:
            await mailer(server, security="starttls", ca_file=certificate.ca_file).send(a_mail(), None)
        assert caught.value.away
        assert server.arrived == []


@pytest.mark.parametrize("password", ["wrong", ""])
async def test_a_refused_login_is_no_fault_of_the_mail(certificate: Certificate, password: str) -> None:
    async with mail_server(certificate=certificate, login=True) as server:
        way = mailer(server, security="starttls", ca_file=certificate.ca_file, user=USER, password=password)
        with pytest.raises(MailDelayed, match="login") as caught:
            await way.send(a_mail(), None)
        assert caught.value.away
        without = mailer(server, security="starttls", ca_file=certificate.ca_file)
        with pytest.raises(MailDelayed, match="530") as caught:
            await without.send(a_mail(), None)
        assert caught.value.away


@pytest.mark.parametrize("code", ["550 no such user", "553 5.1.3 bad", "551 gone", "552 full", "554 5.7.1 no relay"])
async def test_a_receiver_refused_for_good(code: str) -> None:
    async with mail_server(says={"jane@uptivity.com": code}) as server:
        with pytest.raises(MailRefused, match=code[:3]) as caught:
            await mailer(server).send(a_mail(), None)
        assert caught.value.fault == ("message" if code.startswith("552") else "recipient")
        assert server.arrived == []


@pytest.mark.parametrize("code", ["450 busy", "451 4.7.1 greylisted, come back", "421 closing", "452 full"])
async def test_a_receiver_refused_for_now(code: str) -> None:
    async with mail_server(says={"jane@uptivity.com": code}) as server:
        with pytest.raises(MailDelayed, match=code[:3]) as caught:
            await mailer(server).send(a_mail(), None)
        assert caught.value.away is code.startswith("421")


async def test_the_sender_and_the_message_refused() -> None:
    async with mail_server(says_sender="550 5.7.1 not you") as server:
        with pytest.raises(MailRefused, match="not you") as caught:
            await mailer(server).send(a_mail(), None)
        assert caught.value.fault == "sender"
    async with mail_server(says_data="554 5.6.0 spam\x07\x1b[31m") as server:
        with pytest.raises(MailRefused, match="spam") as caught:
            await mailer(server).send(a_mail(), None)
        assert caught.value.fault == "message"
        assert str(caught.value).isprintable()
    async with mail_server(says_data="451 later") as server:
        with pytest.raises(MailDelayed, match="later"):
            await mailer(server).send(a_mail(), None)


async def test_the_size_that_the_server_announces(tmp_path: Path) -> None:
    async with mail_server(size_limit=100_000) as server:
        with pytest.raises(MailRefused, match="mail server takes") as caught:
            await mailer(server).send(a_mail(), a_file(tmp_path, bytes(90_000)))
        assert caught.value.fault == "message"
        await mailer(server).send(a_mail(), a_file(tmp_path, bytes(60_000)))
        assert len(server.arrived) == 1


async def test_our_own_limit_needs_no_server(tmp_path: Path) -> None:
    with pytest.raises(MailRefused, match="mail_max_mb"):
        await mailer(1, most_bytes=50_000).send(a_mail(), a_file(tmp_path, bytes(40_000)))


async def test_addresses_beyond_ascii() -> None:
    mail = a_mail(to="jürgen@exämple.org", to_name="Jürgen")
    async with mail_server() as server:
        await mailer(server).send(mail, None)
        assert server.arrived[0].receivers == ("jürgen@exämple.org",)
    async with mail_server(utf8=False) as server:
        with pytest.raises(MailRefused, match="ASCII"):
            await mailer(server).send(mail, None)


async def test_nobody_listens(unused_tcp_port: int) -> None:
    with pytest.raises(MailDelayed, match="cannot be used") as caught:
        await mailer(unused_tcp_port).send(a_mail(), None)
    assert caught.value.away


async def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(MailDelayed, match="cannot be used"):
        await mailer(25, host="mail.invalid").send(a_mail(), None)


async def test_a_server_that_never_says_a_word() -> None:
    async with silent_server() as port:
        with pytest.raises(MailDelayed, match="cannot be used") as caught:
            await mailer(port, timeout_s=0.2).send(a_mail(), None)
        assert caught.value.away


async def test_a_server_that_goes_in_the_middle(tmp_path: Path) -> None:
    async with mail_server() as server:
        server.thinking.clear()
        sending = asyncio.ensure_future(mailer(server).send(a_mail(), a_file(tmp_path, bytes(300_000))))
        await server.came.wait()
        await server.stop()
        with pytest.raises(MailDelayed, match="broke off"):
            await sending


async def test_a_server_that_never_answers_the_message() -> None:
    async with mail_server() as server:
        server.thinking.clear()
        with pytest.raises(MailDelayed, match="broke off"):
            await mailer(server, timeout_s=0.5).send(a_mail(), None)


async def test_a_server_that_does_not_read(tmp_path: Path) -> None:
    finished = asyncio.Event()

    async def half_deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        for answer in (b"250 hi", b"250 OK", b"250 OK", b"354 go on"):
            await reader.readline()
            writer.write(answer + b"\r\n")
        await finished.wait()
        writer.close()

    server = await asyncio.start_server(half_deaf, "127.0.0.1", 0, limit=1024)
    way = mailer(server.sockets[0].getsockname()[1], timeout_s=1.0, most_bytes=10**9)
    try:
        with pytest.raises(MailDelayed, match="broke off"):
            await way.send(a_mail(), a_file(tmp_path, bytes(24_000_000)))
    finally:
        finished.set()
        server.close()
        await server.wait_closed()


async def test_a_file_that_is_gone_in_the_middle_ends_nothing_early(tmp_path: Path) -> None:
    gone = Attachment(path=tmp_path / "gone", media_type="audio/wav", file_name="17.wav", size=10)
    async with mail_server() as server:
        with pytest.raises(MailDelayed, match="broke off"):
            await mailer(server).send(a_mail(), gone)
        assert server.arrived == []


async def test_the_loop_goes_on_while_a_large_mail_is_sent(tmp_path: Path) -> None:
    """What a large mail must not do is hold up what is recorded: the same loop goes round many times meanwhile."""
    rounds = 0

    async def others() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    async with mail_server(size_limit=None) as server:
        other = asyncio.ensure_future(others())
        await mailer(server, most_bytes=10**8).send(a_mail(), a_file(tmp_path, bytes(10_000_000)))
        other.cancel()
    assert rounds > 43, "fewer turns of the loop than pieces of the message"

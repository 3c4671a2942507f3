"""EMAIL and COMBINEDEMAIL by a server that runs, with a real mail server that comes and goes."""

import asyncio
import io
import re
import sqlite3
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import soundfile
from tests.command_line import earshot
from tests.post.mail_server import PASSWORD, USER, Certificate, MailServer, mail_server
from tests.servers import LiveServer, Speaker, in_process, running

JANE = "jane.doe@uptivity.com"


def text(answer: bytes, tag: str) -> str:
    match = re.search(rf"<{tag}>(.*?)</{tag}>", answer.decode())
    return match[1] if match else "(absent)"


def settings(port: int, **more: Any) -> dict[str, Any]:
    return {
        "smtp_host": "127.0.0.1",
        "smtp_port": port,
        "smtp_security": "none",
        "smtp_from": "recorder@uptivity.com",
        "mail_retry_s": 0.3,
        "mail_retry_longest_s": 0.6,
        **more,
    }


def environment(port: int, **more: Any) -> dict[str, str]:
    return {f"EARSHOT_{name.upper()}": str(value) for name, value in settings(port, **more).items()}


async def arrived(post: MailServer, count: int) -> None:
    async with asyncio.timeout(60):
        while len(post.arrived) < count:
            await asyncio.sleep(0.02)


@asynccontextmanager
async def office(tmp_path: Path, **more: Any) -> AsyncIterator[tuple[Speaker, MailServer]]:
    async with mail_server() as post, in_process(tmp_path / "data", **settings(post.port, **more)) as server:
        yield server, post


def is_sound(content: bytes, seconds: float) -> None:
    sound, rate = soundfile.read(io.BytesIO(content))
    assert len(sound) / rate == pytest.approx(seconds, abs=0.5)
    assert abs(sound).max() > 0.01


async def test_one_several_and_joined(tmp_path: Path) -> None:
    async with office(tmp_path) as (server, post):
        for device in ("1001", "1002"):
            await server.make_recording(device)
        one = await server.command("EMAIL", IDENT=1, TOADDRESS=JANE, MEDIA_FORMAT="wav")
        several = await server.command("email", IDENT="2, 1,2", TOADDRESS=f"{JANE};joe@else.org", MEDIA_FORMAT="MP3")
        joined = await server.command(
            "COMBINEDEMAIL",
            TOADDRESS=JANE,
            TONAME="Jäne &quot;JD&quot; Doe",
            FROMADDRESS="sally@uptivity.com",
            FROMNAME="Sally",
            IDENT="1002,1001",
            UNIQUEID="device_id",
            MEDIA_FORMAT="WAV",
        )
        for answer in (one, several, joined):
            assert (text(answer, "RESULTTYPE"), text(answer, "RESULTMSG")) == ("API_OK", "API_OK")
        wav, first_zip, second_zip, combined = post.arrived
        is_sound(wav.attachment.get_content(), 1.0)
        assert wav.attachment.get_content_type() == "audio/wav"
        assert {first_zip.receivers, second_zip.receivers} == {(JANE,), ("joe@else.org",)}
        for mail in (first_zip, second_zip):
            with zipfile.ZipFile(io.BytesIO(mail.attachment.get_content())) as archive:
                assert archive.testzip() is None
                assert [name.rpartition(".")[2] for name in archive.namelist()] == ["mp3", "mp3"]
        is_sound(combined.attachment.get_content(), 2.0)
        (to,) = combined.message["To"].addresses
        assert (combined.sender, to.addr_spec) == ("sally@uptivity.com", JANE)
        assert to.display_name.replace(" ", "") == 'Jäne"JD"Doe'


async def test_senders_and_receivers_by_policy(tmp_path: Path) -> None:
    wanted = {"TOADDRESS": JANE, "TONAME": "J", "FROMNAME": "Eve", "IDENT": "1", "UNIQUEID": "IDENT"}
    async with office(tmp_path, mail_to_domains=["uptivity.com"]) as (server, post):
        await server.make_recording("1001")
        answer = await server.command("COMBINEDEMAIL", FROMADDRESS="eve@else.org", **wanted)
        assert text(answer, "RESULTTYPE") == "API_OK"
        (mail,) = post.arrived
        assert (mail.sender, str(mail.message["From"])) == ("recorder@uptivity.com", "Eve <recorder@uptivity.com>")
        assert str(mail.message["Reply-To"]) == "Eve <eve@else.org>"
        assert mail.attachment.get_content_type() == "audio/mpeg"
        away = await server.command("EMAIL", IDENT=1, TOADDRESS="eve@else.org", MEDIA_FORMAT="MP3")
        assert text(away, "RESULTTYPE") == "API_EMAIL_NOT_VALID"
        for name in ("Eve\nBcc: x@else.org", "Eve&#13;&#10;Bcc: x@else.org", "=?utf-8?q?=0D=0ABcc:_x@else.org?="):
            hostile = await server.command("COMBINEDEMAIL", FROMADDRESS="a@uptivity.com", **wanted | {"FROMNAME": name})
            assert text(hostile, "RESULTTYPE") == "API_INVALID_MESSAGE_FORMAT"
        assert len(post.arrived) == 1
    async with office(tmp_path, smtp_from_outside="refuse") as (server, post):
        answer = await server.command("COMBINEDEMAIL", FROMADDRESS="eve@else.org", **wanted)
        assert (text(answer, "RESULTTYPE"), post.arrived) == ("API_EMAIL_NOT_VALID", [])


async def test_what_the_mail_server_refuses(tmp_path: Path) -> None:
    async with office(tmp_path) as (server, post):
        await server.make_recording("1001")
        reader, writer = await asyncio.open_connection(server.host, server.events_port)
        post.says["ghost@uptivity.com"] = "550 5.1.1 nobody of that name"
        mail: dict[str, Any] = {"IDENT": 1, "MEDIA_FORMAT": "MP3"}
        answer = await server.command("EMAIL", TOADDRESS=f"ghost@uptivity.com,{JANE}", **mail)
        assert text(answer, "RESULTTYPE") == "API_EMAIL_NOT_VALID"
        assert "nobody of that name" in text(answer, "RESULTMSG")
        assert f"Sent to {JANE}" in text(answer, "RESULTMSG")
        post.says_data = "554 5.7.1 looks like spam"
        answer = await server.command("EMAIL", TOADDRESS=JANE, **mail)
        assert (text(answer, "RESULTTYPE"), text(answer, "RESULTCODE")) == ("API_ERROR_PROCESSING_MESSAGE", "11")
        told: list[bytes] = []
        while len(told) < 3:
            line = await asyncio.wait_for(reader.readline(), 10)
            told += [line] if text(line, "TYPE").startswith("MAIL") else []
        assert sorted(text(line, "TYPE") for line in told) == ["MAILFAILED", "MAILFAILED", "MAILSENT"]
        assert {text(line, "RECORDID") for line in told} == {"1"}
        writer.close()
        await writer.wait_closed()


async def test_the_database_away(tmp_path: Path) -> None:
    async with office(tmp_path) as (server, post):
        await server.make_recording("1001")
        lock = sqlite3.connect(server.data_dir / "earshot.db", isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        answer = await server.command("EMAIL", IDENT=1, TOADDRESS=JANE, MEDIA_FORMAT="MP3")
        lock.execute("ROLLBACK")
        lock.close()
        assert (text(answer, "RESULTTYPE"), post.arrived) == ("API_DATABASE_QUERY_ERROR", [])


async def test_a_slow_server_is_not_waited_for(tmp_path: Path) -> None:
    async with office(tmp_path, mail_handoff_s=0.2) as (server, post):
        await server.make_recording("1001")
        post.thinking.clear()
        answer = await server.command("EMAIL", IDENT=1, TOADDRESS=JANE, MEDIA_FORMAT="WAV")
        assert text(answer, "RESULTTYPE") == "API_OK"
        assert text(answer, "RESULTMSG").startswith("Queued")
        post.thinking.set()
        await arrived(post, 1)


async def test_away_for_a_while_and_killed_meanwhile(tmp_path: Path) -> None:
    """The mail server is down, mail is queued, the recorder is killed, both come back: every mail arrives."""
    async with mail_server() as post:
        await post.stop()
        async with running(tmp_path / "data", env=environment(post.port)) as server:
            await server.make_recording("1001")
            for number in range(5):
                answer = await server.command("EMAIL", IDENT=1, TOADDRESS=f"a{number}@uptivity.com", MEDIA_FORMAT="WAV")
                assert text(answer, "RESULTTYPE") == "API_OK"
                assert text(answer, "RESULTMSG").startswith("Queued")
            await server.kill()
            await post.start()
            await server.start()
            await arrived(post, 5)
            assert sorted(mail.receivers[0] for mail in post.arrived) == [f"a{n}@uptivity.com" for n in range(5)]
            assert len({mail.message["Message-ID"] for mail in post.arrived}) == 5


async def test_killed_while_the_mail_server_thinks(tmp_path: Path) -> None:
    """The worst moment: the message is over there, and nobody here will know. It comes again with its Message-ID."""
    async with mail_server() as post, running(tmp_path / "data", env=environment(post.port)) as server:
        await server.make_recording("1001")
        post.thinking.clear()
        asking = asyncio.ensure_future(server.command("EMAIL", IDENT=1, TOADDRESS=JANE, MEDIA_FORMAT="WAV"))
        await asyncio.wait_for(post.came.wait(), 30)
        await server.kill()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await asking
        post.thinking.set()
        await server.start()
        async with asyncio.timeout(60):
            while "sent" not in await listed(server):
                await asyncio.sleep(0.1)
        assert len({mail.message["Message-ID"] for mail in post.arrived}) == 1
        is_sound(post.arrived[-1].attachment.get_content(), 1.0)


async def mail_command(server: LiveServer, *words: str) -> tuple[int, str]:
    return await earshot("mail", *words, env=server.env)


async def listed(server: LiveServer) -> str:
    return (await mail_command(server, "list", "--data-dir", str(server.data_dir)))[1]


async def test_the_command_line(tmp_path: Path) -> None:
    certificate = Certificate(tmp_path)
    login = {"smtp_security": "starttls", "smtp_ca_file": certificate.ca_file, "smtp_user": USER}
    async with mail_server(certificate=certificate, login=True) as post:
        env = environment(post.port, smtp_password=PASSWORD, **login)
        async with running(tmp_path / "data", env=env) as server:
            await server.make_recording("1001")
            post.says[JANE] = "550 not yet"
            answer = await server.command("EMAIL", IDENT=1, TOADDRESS=JANE, MEDIA_FORMAT="MP3")
            assert text(answer, "RESULTTYPE") == "API_EMAIL_NOT_VALID"
            folder = ("--data-dir", str(server.data_dir))
            status, shown = await mail_command(server, "list", "--state", "dead", *folder)
            assert status == 0
            assert re.fullmatch(rf"1  [\d-]+ [\d:]+  dead  1  {JANE}  1  .*550 not yet\n", shown)
            post.says.clear()
            assert await mail_command(server, "retry", "1", *folder) == (0, "mail 1 is queued\n")
            await arrived(post, 1)
            assert post.arrived[0].with_tls
            status, said = await mail_command(server, "test", "joe@uptivity.com")
            assert (status, said) == (0, "sent to joe@uptivity.com: OK taken\n")
            async with asyncio.timeout(30):
                while (await mail_command(server, "drop", "1", *folder))[0] != 0:
                    await asyncio.sleep(0.1)
            assert await listed(server) == ""
            for words in (("retry", "1"), ("drop", "1")):
                status, said = await mail_command(server, *words, *folder)
                assert (status, said.startswith("earshot: mail 1 is not")) == (1, True)
            assert (await mail_command(server, "test", "nobody"))[0] == 2

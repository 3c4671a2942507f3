"""Messages: what a reader finds in them, byte for byte, whatever names and sizes went in."""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.post.letters import NOW, a_file, a_mail

from earshot.errors import BadInput
from earshot.ports.outbox import Attachment, Mail
from earshot.post.addresses import checked_text
from earshot.post.message import LINE_BYTES, PIECE_BYTES, PLACE, compose, encoded_size, safe_name
from earshot.vault.files import create


async def wire(mail: Mail, attachment: Attachment | None) -> bytes:
    letter = compose(mail, attachment)
    whole = b"".join([piece async for piece in letter.pieces()])
    assert len(whole) == letter.size
    assert re.search(rb"(?<!\r)\n|\r(?!\n)", whole) is None, "a line that does not end in CR LF"
    assert re.search(rb"(?m)^\.(?!\.)", whole) is None, "a dot that ends the message"
    assert whole.endswith(b"\r\n")
    return whole


def read(data: bytes) -> EmailMessage:
    undotted = re.sub(rb"(?m)^\.\.", b".", data)
    return message_from_bytes(undotted, policy=policy.SMTP)


async def test_headers(tmp_path: Path) -> None:
    mail = a_mail(to_name="Jane Doe", from_name="Sally", reply_to="sally@else.org")
    message = read(await wire(mail, a_file(tmp_path, b"sound")))
    assert {name: str(message[name]) for name in ("From", "To", "Reply-To", "Subject", "Message-ID", "Date")} == {
        "From": "Sally <recorder@uptivity.com>",
        "To": "Jane Doe <jane@uptivity.com>",
        "Reply-To": "Sally <sally@else.org>",
        "Subject": "Recording 17",
        "Message-ID": "<0123456789abcdef@uptivity.com>",
        "Date": "Tue, 14 Nov 2023 22:13:20 +0000",
    }
    body = message.get_body()
    assert body is not None
    assert body.get_content().replace("\r\n", "\n") == mail.text
    assert mail.created_at == NOW


async def test_the_same_mail_gives_the_same_identity() -> None:
    first, second = read(await wire(a_mail(), None)), read(await wire(a_mail(), None))
    assert first.items() == second.items()


@pytest.mark.parametrize("size", [0, 1, 2, 3, 56, 57, 58, 113, 114, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1])
async def test_attachments_of_every_size(tmp_path: Path, size: int) -> None:
    content = bytes(index * 7 % 256 for index in range(size))
    data = await wire(a_mail(), a_file(tmp_path, content))
    (found,) = read(data).iter_attachments()
    assert found.get_content() == content
    assert (found.get_content_type(), found.get_filename()) == ("audio/wav", "17.wav")
    assert max(map(len, data.split(b"\r\n"))) <= 998


def test_the_size_is_known_before() -> None:
    for size in range(4 * LINE_BYTES):
        lines, rest = divmod(size, LINE_BYTES)
        assert encoded_size(size) == lines * 78 + ((rest + 2) // 3 * 4 + 2 if rest else 0)


@pytest.mark.parametrize(
    ("media_type", "name"),
    [
        ("audio/mpeg", "17.mp3"),
        ("application/zip", "recordings.zip"),
        ("application/octet-stream", "17.cav"),
        ("audio/wav", "Gespräch – 電話.wav"),
        ("audio/wav", "x" * 140 + ".wav"),
        ("audio/wav", "é" * 140 + ".wav"),
        ("audio/wav", 'it\'s 100% "mine"; really=1.wav'),
    ],
)
async def test_names_of_attachments(tmp_path: Path, media_type: str, name: str) -> None:
    message = read(await wire(a_mail(), a_file(tmp_path, b"sound", name, media_type)))
    (found,) = message.iter_attachments()
    assert (found.get_content_type(), found.get_filename()) == (media_type, safe_name(name))


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Recordings\\17.wav", "17.wav"),
        ("a\r\nContent-Type: x\r\n\r\n.wav", "a__Content-Type_ x____.wav"),
        ("..", "recording"),
        ("", "recording"),
        ("\u202egpj.wav", "_gpj.wav"),
    ],
)
def test_unsafe_names(given: str, safe: str) -> None:
    assert safe_name(given) == safe


@pytest.mark.parametrize(
    "text", [".\n", "..\n", ".a\nb\n.\n.\n", PLACE, f"{PLACE}\n.\n{PLACE}\n", "ä\n.\n", "x" * 2000]
)
async def test_texts_that_look_like_the_end_or_like_ours(tmp_path: Path, text: str) -> None:
    for attachment in (None, a_file(tmp_path, b"sound")):
        message = read(await wire(a_mail(text=text), attachment))
        body = message.get_body()
        assert body is not None
        assert body.get_content().replace("\r\n", "\n").rstrip("\n") == text.rstrip("\n")
        assert [part.get_content() for part in message.iter_attachments()] == ([b"sound"] if attachment else [])


async def test_addresses_beyond_ascii_need_smtputf8() -> None:
    assert not compose(a_mail(to_name="Jürgen"), None).utf8
    letter = compose(a_mail(to="jürgen@exämple.org"), None)
    assert letter.utf8
    assert "jürgen@exämple.org" in letter.head.decode()


def hostile() -> st.SearchStrategy[str]:
    """Names with everything that ever broke a header, between ordinary letters."""
    breaks = ["\r\n", "\n", "\r", "\0", "\x85", "\u2028", "\ud800", "\u202e", "\t"]
    tricks = ["Bcc: thief@example.org", "=?utf-8?q?=0D=0ABcc:_x?=", "<script>", "a" * 90, "é", "電", "👩"]
    pieces = st.sampled_from([*breaks, *tricks, *'<>"\\,;:@() .=?'])
    return st.lists(pieces, max_size=8).map("".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(to_name=hostile(), from_name=hostile(), file_name=hostile())
async def test_no_name_adds_a_header(tmp_path: Path, to_name: str, from_name: str, file_name: str) -> None:
    names: dict[str, Any] = {}
    for key, value in (("to_name", to_name), ("from_name", from_name)):
        try:
            names[key] = checked_text(value, key)
        except BadInput:
            assert not value.isprintable() or "=?" in value or len(value) > 128
            names[key] = ""
    message = read(await wire(a_mail(**names), a_file(tmp_path, b"sound", file_name)))
    known = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]
    assert sorted(message.keys()) == sorted(known)
    for header, address, name in (
        ("From", "recorder@uptivity.com", "from_name"),
        ("To", "jane@uptivity.com", "to_name"),
    ):
        (found,) = message[header].addresses
        assert found.addr_spec == address
        shown, wanted = found.display_name, names[name]
        assert "".join(shown.split()) == "".join(wanted.split())
    (part,) = message.iter_attachments()
    assert sorted(part.keys()) == ["Content-Disposition", "Content-Transfer-Encoding", "Content-Type", "MIME-Version"]
    assert part.get_content() == b"sound"


async def test_an_encrypted_file_is_sent_plain(tmp_path: Path) -> None:
    content, key = b"spoken in confidence" * 40_000, b"k" * 32
    with create(tmp_path / "sealed", key) as file:
        file.write(content)
    made = Attachment(path=tmp_path / "sealed", media_type="audio/wav", file_name="17.wav", size=len(content), key=key)
    (part,) = read(await wire(a_mail(), made)).iter_attachments()
    assert part.get_content() == content
    assert b"confidence" not in made.path.read_bytes()
    assert key.hex() not in repr(made) and repr(key) not in repr(made)

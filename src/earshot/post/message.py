"""A mail as bytes for the wire: headers and text by the standard library, the attachment piece by piece.

No sockets here. The one rule: the file is never in memory as a whole; its size on the wire is known before the first
byte is sent.
"""

import asyncio
import binascii
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path

from earshot.ports.outbox import Attachment, Mail
from earshot.vault.files import opened

LINE_BYTES = 57
"""What a line of 76 letters of base64 holds (RFC 2045 section 6.8)."""
PIECE_BYTES = LINE_BYTES * 4096
PLACE = "earshot-puts-the-attachment-here"
UNSAFE_IN_NAME = re.compile(r'[\x00-\x1f\x7f-\x9f"\\/:*?<>|\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]')
PLAIN_NAME = re.compile(r"(?:[A-Za-z0-9]+(?: [A-Za-z0-9]+)*)?", re.ASCII)
WORD_BYTES = 45
"""What fits into an encoded word of 75 letters (RFC 2047 section 2)."""
LEADING_DOT = re.compile(rb"(?m)^\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message ready to be sent: `head`, then `file` (encrypted with `key` if there is one) as base64, then `tail`,
    with dots doubled where SMTP needs it (RFC 5321 section 4.5.2). `size` is the whole in bytes. `utf8` says that the
    server must know SMTPUTF8."""

    head: bytes
    file: Path | None
    tail: bytes
    size: int
    utf8: bool
    key: bytes = field(default=b"", repr=False)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The message in pieces of a few hundred kilobytes. Raises OSError when the file cannot be read."""
        yield self.head
        if self.file is not None:
            file = await asyncio.to_thread(opened, self.file, self.key or None)
            try:
                while piece := await asyncio.to_thread(lambda: _encoded(file.read(PIECE_BYTES))):
                    yield piece
            finally:
                file.close()
            yield self.tail


def compose(mail: Mail, attachment: Attachment | None) -> Letter:
    """The message of `mail` with `attachment`; the same mail gives the same headers every time."""
    utf8 = not (mail.to + mail.from_ + mail.reply_to).isascii()
    people = b"From: %b\r\nTo: %b\r\n" % (_person(mail.from_name, mail.from_), _person(mail.to_name, mail.to))
    if mail.reply_to:
        people += b"Reply-To: %b\r\n" % _person(mail.from_name, mail.reply_to)
    message = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(mail.created_at, UTC))
    message["Message-ID"] = mail.message_id
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    if attachment is None:
        head = people + LEADING_DOT.sub(b"..", message.as_bytes())
        return Letter(head=head, file=None, tail=b"", size=len(head), utf8=utf8)
    main, _, sub = attachment.media_type.partition("/")
    message.add_attachment(b"", maintype=main, subtype=sub or "octet-stream", filename=safe_name(attachment.file_name))
    part = list(message.iter_attachments())[-1]
    part.set_payload(PLACE)
    head, _, tail = message.as_bytes().rpartition(PLACE.encode())
    head = people + LEADING_DOT.sub(b"..", head)
    size = len(head) + encoded_size(attachment.size) + len(tail)
    return Letter(head=head, file=attachment.path, tail=tail, size=size, utf8=utf8, key=attachment.key)


def encoded_size(size: int) -> int:
    """How many bytes `size` bytes become as lines of base64."""
    return (size + 2) // 3 * 4 + 2 * ((size + LINE_BYTES - 1) // LINE_BYTES)


def safe_name(name: str) -> str:
    """A file name without folders and without characters that a header or a file system would trip over."""
    plain = UNSAFE_IN_NAME.sub("_", name.replace("\\", "/").rsplit("/", 1)[-1]).replace("=_", "__")
    return plain.strip(". ")[:150] or "recording"


def _person(name: str, address: str) -> bytes:
    """Name and address as the value of a header. A name with anything but letters and digits of ASCII is written as
    encoded words (RFC 2047), because the standard library loses the quotes of a long name when it folds the line."""
    if PLAIN_NAME.fullmatch(name):
        return f"{name} <{address}>".encode() if name else address.encode()
    words = [b"=?utf-8?b?%b?=" % binascii.b2a_base64(word, newline=False) for word in _words(name)]
    return b"\r\n ".join([*words, b"<%b>" % address.encode()])


def _words(name: str) -> list[bytes]:
    """UTF-8 in pieces that fit an encoded word, never cut inside a letter."""
    words = [b""]
    for letter in name:
        encoded = letter.encode()
        if len(words[-1]) + len(encoded) > WORD_BYTES:
            words.append(b"")
        words[-1] += encoded
    return words


def _encoded(piece: bytes) -> bytes:
    text = binascii.b2a_base64(piece, newline=False)
    return b"".join(text[start : start + 76] + b"\r\n" for start in range(0, len(text), 76))

"""What a place says that does not do what it is asked: one kind of error, each with a sentence for an operator.

Here is also what the answers of an object store mean; the library hands them on as text. The one rule: no answer of a
store is quoted but its code and message, so that nothing that was signed gets into a log.
"""

import errno
import os
import re
from dataclasses import dataclass
from typing import Final

from obstore.exceptions import PreconditionError


class PlaceAway(OSError):
    """A place that cannot be reached now, or refuses. Everything else of it is that of an OSError."""

    silent = False
    """Whether it did not answer at all, so that there is no use in asking again at once."""

    def __str__(self) -> str:
        return f"{self.strerror}: {self.filename}" if self.filename else str(self.strerror)


class Silent(PlaceAway):
    """A place that does not answer."""

    silent = True


class Replaced(OSError):
    """The object is not the one any more that was meant."""


class BeyondTheEnd(Exception):
    """The object has no byte in that range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an answer that `pattern` is found in means: `sentence` has {where}."""

    pattern: str
    sentence: str
    number: int = errno.EIO
    kind: type[PlaceAway] = PlaceAway


ANSWERS: Final = (
    Answer(pattern="<Code>NoSuchBucket<", sentence="there is no bucket of {where}", number=errno.ENODEV),
    Answer(
        pattern="<Code>(InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|ExpiredToken|AuthorizationHeaderMalformed)<",
        sentence="{where} does not accept the access key, its secret, or the region",
        number=errno.EACCES,
    ),
    Answer(
        pattern="169\\.254\\.|latest/api/token|metadata/",
        sentence="there is no access key for {where}: set s3_access_key and s3_secret_key, or those of AWS",
        number=errno.EACCES,
    ),
    Answer(
        pattern="Token/Role|status code: 40[13]|AccessDenied",
        sentence="{where} refuses: the access key may not do that, or the clock of this machine is wrong",
        number=errno.EACCES,
    ),
    Answer(
        pattern="<Code>(QuotaExceeded|XMinioStorageFull|XMinioAdminBucketQuotaExceeded)<|status code: 507",
        sentence="{where} is full",
        number=errno.ENOSPC,
    ),
    Answer(
        pattern="kind: Timeout",
        sentence="{where} does not answer in time",
        number=errno.ETIMEDOUT,
        kind=Silent,
    ),
    Answer(
        pattern="InvalidCertificate|UnknownIssuer|certificate",
        sentence="the certificate of {where} is not trusted: see s3_ca_file",
        number=errno.EACCES,
        kind=Silent,
    ),
    Answer(pattern="kind: Connect", sentence="{where} cannot be reached", number=errno.ECONNREFUSED, kind=Silent),
    Answer(pattern="builder error", sentence="{where} is reached by http only: see s3_allow_http", kind=Silent),
    Answer(pattern="status code: 30\\d|redirect", sentence="{where} is in another region: see s3_region"),
    Answer(
        pattern="invalid path",
        sentence="{where} holds objects that are none of ours, with names that cannot be: use a prefix of our own",
    ),
)
"""The first that fits is what it means."""
UNKNOWN: Final = Answer(pattern="", sentence="{where} did not do it")


def said(failure: Exception, where: str, name: str, *, may_be_missing: bool) -> Exception:
    """What the failure of a request for object `name` means: FileNotFoundError where it `may_be_missing` and is,
    BeyondTheEnd, Replaced, or PlaceAway."""
    text = str(failure)
    if isinstance(failure, PreconditionError):
        return Replaced(errno.ESTALE, "was replaced meanwhile", name)
    if "status code: 416" in text:
        return BeyondTheEnd()
    if isinstance(failure, FileNotFoundError) and may_be_missing and "NoSuchBucket" not in text:
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    meant = next((one for one in ANSWERS if re.search(one.pattern, text)), UNKNOWN)
    return meant.kind(meant.number, meant.sentence.format(where=where) + _quoted(text, meant))


def _quoted(text: str, meant: Answer) -> str:
    """The code and message of the store, if it gave any, else what the library says where nothing is known."""
    parts = (re.search(f"<{part}>([^<]{{1,200}})</{part}>", text) for part in ("Code", "Message"))
    found = [part[1] for part in parts if part is not None]
    if not found and (status := re.search(r"status code: (\d+ [A-Za-z ]*)", text)):
        found = [status[1].strip()]
    if not found and meant is UNKNOWN:
        found = [text.partition("\n")[0].rpartition(" - ")[2].partition("<")[0].strip()[:200]]
    return f" ({': '.join(found)})" if found else ""

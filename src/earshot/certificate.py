"""The certificate of the TLS listeners: read at the start, and again whenever its files have changed.

Not here: the listeners. The one rule: what cannot be used never takes the place of what is in use.
"""

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path

import structlog
from cryptography import x509

from earshot.clock import Clock
from earshot.config import Settings
from earshot.errors import ConfigurationError

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 60.0
SOON_DAYS = 14
DAY_S = 86400.0


class Certificate:
    """A certificate and its key, from PEM files. `context` is what listeners speak with, TLS 1.2 at the least
    (RFC 9325); connections that are made after a change get the new certificate, those that are open keep theirs.

    Raises ConfigurationError when certificate and key cannot be used.
    """

    def __init__(self, certificate: Path, key: Path | None, clock: Clock) -> None:
        self._certificate, self._key = certificate, key
        self._clock = clock
        self._refused = ""
        self.context = _context()
        try:
            self._seen = self._stamp()
            self._expires_at = self._load(self.context)
        except (OSError, ValueError) as wrong:
            raise ConfigurationError(f"tls_certificate and tls_key cannot be used: {wrong}") from None

    def look(self) -> None:
        """Take what is in the files now, if they have changed and can be used. A certificate without its key yet, as
        when they are being replaced one after the other, is looked at again the next time."""
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                self._refused = ""
                return
            self._load(_context())  # where it harms nobody: half a pair must not get into the one that is in use
            self._expires_at = self._load(self.context)
        except (OSError, ValueError) as wrong:
            if str(wrong) != self._refused:
                log.error("certificate_refused", why=str(wrong))
            self._refused = str(wrong)
            return
        self._seen, self._refused = stamp, ""
        log.info("certificate_renewed", expires=_day(self._expires_at))

    async def watch(self) -> None:
        """Look now and then, for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.look()

    def said(self) -> tuple[str, ...]:
        """Sentences for operators."""
        said = []
        if self._refused:
            said.append(f"The new TLS certificate cannot be used, the one before stays in use: {self._refused}.")
        if self._expires_at - self._clock.now() < SOON_DAYS * DAY_S:
            gone = self._expires_at <= self._clock.now()
            said.append(f"The TLS certificate {'expired' if gone else 'expires'} on {_day(self._expires_at)}.")
        return tuple(said)

    def _load(self, context: ssl.SSLContext) -> float:
        """Read into `context`; gives when the certificate expires. Raises OSError (ssl.SSLError is one), ValueError."""
        context.load_cert_chain(self._certificate, self._key)
        first, *_ = x509.load_pem_x509_certificates(self._certificate.read_bytes())
        return first.not_valid_after_utc.timestamp()

    def _stamp(self) -> tuple[tuple[int, int, int], ...]:
        found = [path.stat() for path in (self._certificate, self._key or self._certificate)]
        return tuple((one.st_ino, one.st_mtime_ns, one.st_size) for one in found)


def certificate_of(settings: Settings, clock: Clock) -> Certificate | None:
    """What the settings name; None where no certificate is set. Raises ConfigurationError."""
    if settings.tls_certificate is None:
        return None
    return Certificate(settings.tls_certificate, settings.tls_key, clock)


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"

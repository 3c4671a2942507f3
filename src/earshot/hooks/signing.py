"""The signature of a delivery: HMAC-SHA256 over its time and body, so that a receiver knows who sent it, and when.

The header reads `t=<unix seconds>,v1=<hex>`; what is signed is `<unix seconds>.<body>`. The one rule: comparing takes
the same time whatever is wrong.
"""

import hmac
import secrets
from hashlib import sha256
from typing import Final

HEADER: Final = "Earshot-Signature"
TOLERANCE_S: Final = 300.0


def new_secret() -> str:
    """A secret nobody guesses."""
    return "whsec_" + secrets.token_urlsafe(32)


def signature(secret: str, at: float, body: bytes) -> str:
    """The header of `body` sent at `at`, seconds since the Unix epoch."""
    return f"t={int(at)},v1={_digest(secret, str(int(at)), body)}"


def is_genuine(header: str, secret: str, body: bytes, now: float, tolerance_s: float = TOLERANCE_S) -> bool:
    """What a receiver asks: made with our secret, for this body, not longer ago (or ahead) than `tolerance_s`."""
    parts = dict(part.strip().partition("=")[::2] for part in header.split(","))
    at = parts.get("t", "")
    if not at.isdecimal() or len(at) > 15 or abs(now - int(at)) > tolerance_s:
        return False
    return hmac.compare_digest(_digest(secret, at, body).encode(), parts.get("v1", "").encode())


def _digest(secret: str, at: str, body: bytes) -> str:
    return hmac.new(secret.encode(), at.encode() + b"." + body, sha256).hexdigest()
